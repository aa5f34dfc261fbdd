-- Begins the rebuild of one lot: forgets all that was known of it and takes on the epoch.
-- From here on applies are taken; proposals wait until the lot is built.
--
-- KEYS[1]  lot:{id}:meta     hash: epoch, built, order, layout, seq, begun
-- KEYS[2]  lot:{id}:slots    8 bytes a rank
-- KEYS[3]  lot:{id}:leases   sorted set
-- KEYS[4]  lot:{id}:classes  set: class numbers that have a free set
-- KEYS[5]  lot:{id}:builder  string: who rebuilds the lot just now
-- ARGV[1]  prefix of the free sets, lot:{id}:free:
-- ARGV[2]  epoch
-- ARGV[3]  order version
-- ARGV[4]  layout version
-- ARGV[5]  who asks
-- ARGV[6]  how long nobody else is to begin, ms; whoever builds renews it
-- ARGV[7]  '1' where the lot is to be built although it is built
-- Returns  {'ok', seq}, {'built'}, or {'builder'} where another one is at it. The sequence number goes on,
--          so that no viewer takes an old number for a new one, and where it was lost it begins with the
--          time (ms); it names this rebuild, which alone may end as the lot's built state
-- Life     the keys live until the next rebuild, KEYS[5] as long as it is renewed
-- Whatever else somebody has written here is forgotten with the rest.
local meta = redis.pcall('HMGET', KEYS[1], 'built', 'order', 'seq')
if meta.err then
  redis.call('DEL', KEYS[1])
  meta = {}
end
if ARGV[7] ~= '1' and meta[1] == ARGV[2] and meta[2] == ARGV[3] then return {'built'} end
-- A courtesy, so that two workers do not load the same: `begun` is what keeps a rebuild right.
if redis.call('PTTL', KEYS[5]) > 0 then return {'builder'} end
redis.call('SET', KEYS[5], ARGV[5], 'PX', ARGV[6])
local classes = redis.pcall('SMEMBERS', KEYS[4])
if classes.err then classes = {} end
for _, class in ipairs(classes) do
  redis.call('DEL', ARGV[1] .. class)
end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
redis.call('HDEL', KEYS[1], 'built')
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'order', ARGV[3], 'layout', ARGV[4])
if not string.match(meta[3] or '', '^%d+$') then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
end
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('HSET', KEYS[1], 'begun', seq)
return {'ok', seq}
