-- Ends the rebuild of one lot, or says that its layout grew: viewers take a fresh snapshot.
--
-- KEYS[1]  lot:{id}:meta     hash: epoch, built, order, layout, seq, begun
-- KEYS[2]  lot:{id}:builder  string: who rebuilds the lot just now
-- ARGV[1]  channel, lot:{id}:feed
-- ARGV[2]  epoch
-- ARGV[3]  order version
-- ARGV[4]  layout version
-- ARGV[5]  '1' where the lot is now built
-- ARGV[6]  the rebuild that says so, by the number of its begin; empty where nobody else can be at it
-- Returns  {'ok', seq} or {'epoch'}, {'order'}, {'begun'} where another rebuild has begun since
-- Life     KEYS[1] lives until the next rebuild; KEYS[2] ends here
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'order', 'begun')
if meta[1] ~= ARGV[2] then return {'epoch'} end
if meta[2] ~= ARGV[3] then return {'order'} end
-- The other one has cleared what this one loaded: the lot is whole when that one ends.
if ARGV[5] == '1' and ARGV[6] ~= '' and meta[3] ~= ARGV[6] then return {'begun'} end
redis.call('HSET', KEYS[1], 'layout', ARGV[4])
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[1], 'built', ARGV[2])
  redis.call('DEL', KEYS[2])
end
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('SPUBLISH', ARGV[1], '{"epoch":"' .. ARGV[2] .. '","seq":' .. seq .. ',"fresh":true}')
return {'ok', seq}
