-- Keeps others from beginning the rebuild of a lot while the caller is at it.
--
-- KEYS[1]  lot:{id}:builder  string: who rebuilds the lot just now
-- ARGV[1]  who asks
-- ARGV[2]  how much longer, ms
-- Returns  1, or 0 where the caller's time has run out
-- Life     KEYS[1] ends by itself
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
