-- Writes a stretch of a lot that is being rebuilt, as SQL had it a moment ago: whole bytes, not slot by slot.
-- Where a live change has come first nothing is written: the caller applies that stretch by version.
--
-- KEYS[1]  lot:{id}:meta     hash: epoch, built, order, layout, seq, begun
-- KEYS[2]  lot:{id}:slots    8 bytes a rank: version (4), class (2), state (1), spare (1), big-endian
-- KEYS[3]  lot:{id}:classes  set: class numbers that have a free set
-- ARGV[1]  prefix of the free sets, lot:{id}:free:
-- ARGV[2]  epoch that the caller knows
-- ARGV[3]  order version that the caller knows
-- ARGV[4]  the rebuild, by the number of its begin
-- ARGV[5]  first rank, a multiple of 8
-- ARGV[6]  records of the ranks from there on
-- ARGV[7…] class, its free set for the same ranks
-- Returns  {'ok'}, {'known'} where something is known there, or {'epoch'}, {'order'}, {'begun'}
-- Life     the keys live until the next rebuild
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'order', 'begun')
if meta[1] ~= ARGV[2] then return {'epoch'} end
if meta[2] ~= ARGV[3] then return {'order'} end
if meta[3] ~= ARGV[4] then return {'begun'} end

local first, count = tonumber(ARGV[5]), #ARGV[6] / 8
-- A free set is written by whole bytes, so a slot beyond the end counts where it shares the last one.
local last = first + math.ceil(count / 8) * 8 - 1
local known = redis.call('GETRANGE', KEYS[2], first * 8, last * 8 + 7)
if known ~= string.rep('\0', #known) then return {'known'} end
redis.call('SETRANGE', KEYS[2], first * 8, ARGV[6])
for i = 7, #ARGV, 2 do
  local free = ARGV[1] .. ARGV[i]
  -- One that no set of classes named was not forgotten when the rebuild began.
  if redis.call('SADD', KEYS[3], ARGV[i]) == 1 then redis.call('DEL', free) end
  redis.call('SETRANGE', free, first / 8, ARGV[i + 1])
end
return {'ok'}
