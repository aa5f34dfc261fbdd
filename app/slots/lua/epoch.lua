-- Begins another epoch, unless somebody else has a moment ago.
--
-- KEYS[1]  lotline:epoch  string
-- ARGV[1]  what the caller found there; empty for nothing, and for what is no string
-- ARGV[2]  the new epoch
-- Returns  1, or 0 where something else stands there by now
-- Life     the key lives until another epoch begins
local found = redis.pcall('GET', KEYS[1])
if type(found) ~= 'string' then found = '' end
if found ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
