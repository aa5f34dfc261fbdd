-- All that is known of one lot, at one instant.
--
-- KEYS[1]  lot:{id}:meta     hash: epoch, built, order, layout, seq
-- KEYS[2]  lot:{id}:slots    8 bytes a rank: version (4), class (2), state (1), spare (1), big-endian
-- Returns  {epoch, built, order, layout, seq, records}; absent fields are empty strings
-- Life     reads only
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'built', 'order', 'layout', 'seq')
for i = 1, 5 do meta[i] = meta[i] or '' end
meta[6] = redis.call('GET', KEYS[2]) or ''
return meta
