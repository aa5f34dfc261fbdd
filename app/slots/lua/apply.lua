-- Writes what SQL has committed for slots of one lot, numbers it, and publishes it.
-- A version that is not higher than the known one changes no state; an equal one puts the sets right.
--
-- KEYS[1]  lot:{id}:meta     hash: epoch, built, order, layout, seq
-- KEYS[2]  lot:{id}:slots    8 bytes a rank: version (4), class (2), state (1), spare (1), big-endian
-- KEYS[3]  lot:{id}:leases   sorted set: rank by the instant (ms) at which its lease ends
-- KEYS[4]  lot:{id}:classes  set: class numbers that have a free set
-- ARGV[1]  prefix of the free sets, lot:{id}:free:
-- ARGV[2]  channel, lot:{id}:feed; empty where nothing is to be published (a rebuild loads)
-- ARGV[3]  epoch that the caller knows
-- ARGV[4]  order version that the caller knows
-- ARGV[5…] rank, version, class, state for each slot
-- Returns  {'ok', seq, how many changed, how many are known at a higher version} or {'epoch'}, {'order'}
-- Life     the keys live until the lot is rebuilt
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'order', 'seq')
if meta[1] ~= ARGV[3] then return {'epoch'} end
if meta[2] ~= ARGV[4] then return {'order'} end

local prefix = ARGV[1]
local changes, older = {}, 0
for i = 5, #ARGV, 4 do
  local rank, version = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  local class, state = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local record = redis.call('GETRANGE', KEYS[2], rank * 8, rank * 8 + 7)
  local known, known_class = 0, class
  if #record == 8 then known, known_class = struct.unpack('>I4H', record) end
  if known == 0 or known_class ~= class then redis.call('SADD', KEYS[4], class) end
  if known == 0 then known_class = class end
  if version < known then older = older + 1 end
  if version >= known then
    if version > known then
      redis.call('SETRANGE', KEYS[2], rank * 8, struct.pack('>I4HBB', version, class, state, 0))
      redis.call('ZREM', KEYS[3], rank)
      local n = #changes
      changes[n + 1], changes[n + 2] = rank, state
    else
      class, state = known_class, record:byte(7)
    end
    if known_class ~= class then redis.call('SETBIT', prefix .. known_class, rank, 0) end
    local free = state == 0 and not redis.call('ZSCORE', KEYS[3], rank)
    redis.call('SETBIT', prefix .. class, rank, free and 1 or 0)
  end
end
if #changes == 0 then return {'ok', tonumber(meta[3]) or 0, 0, older} end
if ARGV[2] == '' then return {'ok', tonumber(meta[3]) or 0, #changes / 2, older} end
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('SPUBLISH', ARGV[2], '{"epoch":"' .. ARGV[3] .. '","seq":' .. seq
  .. ',"changes":[' .. table.concat(changes, ',') .. ']}')
return {'ok', seq, #changes / 2, older}
