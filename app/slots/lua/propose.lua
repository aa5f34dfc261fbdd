-- Proposes free slots of one lot, nearest first, and leases each so that no two requests try the same.
--
-- KEYS[1]  lot:{id}:meta     hash: epoch, built, order, layout, seq
-- KEYS[2]  lot:{id}:slots    8 bytes a rank: version (4), class (2), state (1), spare (1), big-endian
-- KEYS[3]  lot:{id}:leases   sorted set: rank by the instant (ms) at which its lease ends
-- ARGV[1]  prefix of the free sets, lot:{id}:free:  (a bitmap of ranks for each class; same hash tag)
-- ARGV[2]  epoch that the caller knows
-- ARGV[3]  order version that the caller knows
-- ARGV[4]  how many slots are wanted
-- ARGV[5]  lease, ms
-- ARGV[6…] class numbers in the order of preference; 0 stands between groups that are equally good
-- Returns  {'ok', how many leases had run out, rank, class, rank, class, …} or {'epoch'}, {'unbuilt'}, {'order'}
-- Life     the keys live until the lot is rebuilt; nothing here expires by itself
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'built', 'order')
if meta[1] ~= ARGV[2] then return {'epoch'} end
if meta[2] ~= ARGV[2] then return {'unbuilt'} end
if meta[3] ~= ARGV[3] then return {'order'} end

local prefix = ARGV[1]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

-- A lease that ran out gives its slot back, as its own eight bytes say.
local ended = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now_ms)
for _, rank in ipairs(ended) do
  local record = redis.call('GETRANGE', KEYS[2], rank * 8, rank * 8 + 7)
  if #record == 8 and record:byte(7) == 0 then
    redis.call('SETBIT', prefix .. struct.unpack('>H', record:sub(5, 6)), rank, 1)
  end
  redis.call('ZREM', KEYS[3], rank)
end

local answer = {'ok', #ended}
local wanted = tonumber(ARGV[4])
local group = {}
local function take_from_group()
  while wanted > 0 do
    local best, best_class
    for _, class in ipairs(group) do
      local rank = redis.call('BITPOS', prefix .. class, 1)
      if rank >= 0 and (not best or rank < best) then best, best_class = rank, class end
    end
    if not best then return end
    redis.call('SETBIT', prefix .. best_class, best, 0)
    redis.call('ZADD', KEYS[3], now_ms + ARGV[5], best)
    answer[#answer + 1] = best
    answer[#answer + 1] = tonumber(best_class)
    wanted = wanted - 1
  end
end
for i = 6, #ARGV do
  if ARGV[i] == '0' then
    take_from_group()
    group = {}
  else
    group[#group + 1] = ARGV[i]
  end
end
take_from_group()
return answer
