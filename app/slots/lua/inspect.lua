-- All that is known of one lot, at one instant, as it lies: what a scrub compares with SQL and with itself.
--
-- KEYS[1]  lot:{id}:meta     hash: epoch, built, order, layout, seq, begun
-- KEYS[2]  lot:{id}:slots    8 bytes a rank: version (4), class (2), state (1), spare (1), big-endian
-- KEYS[3]  lot:{id}:leases   sorted set: rank by the instant (ms) at which its lease ends
-- KEYS[4]  lot:{id}:classes  set: class numbers that have a free set
-- KEYS[5]  lot:{id}:builder  string: who rebuilds the lot just now
-- ARGV[1]  prefix of the free sets, lot:{id}:free:
-- Returns  {epoch, built, order, layout, begun, 1 where it is being rebuilt, the server's time (ms), records,
--          {rank, end of its lease, …}, {class, free set, …}}; absent fields are empty strings
-- Life     reads only
local answer = redis.call('HMGET', KEYS[1], 'epoch', 'built', 'order', 'layout', 'begun')
for i = 1, 5 do answer[i] = answer[i] or '' end
local time = redis.call('TIME')
answer[6] = redis.call('PTTL', KEYS[5]) > 0 and 1 or 0
answer[7] = time[1] * 1000 + math.floor(time[2] / 1000)
answer[8] = redis.call('GET', KEYS[2]) or ''
answer[9] = redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES')
answer[10] = {}
for _, class in ipairs(redis.call('SMEMBERS', KEYS[4])) do
  table.insert(answer[10], class)
  table.insert(answer[10], redis.call('GET', ARGV[1] .. class) or '')
end
return answer
