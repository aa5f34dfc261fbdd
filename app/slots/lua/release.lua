-- Ends leases early: each slot returns to its free set if its eight bytes say that it is free.
--
-- KEYS[1]  lot:{id}:slots    8 bytes a rank: version (4), class (2), state (1), spare (1), big-endian
-- KEYS[2]  lot:{id}:leases   sorted set: rank by the instant (ms) at which its lease ends
-- ARGV[1]  prefix of the free sets, lot:{id}:free:
-- ARGV[2…] ranks
-- Returns  how many leases ended
-- Life     the keys live until the lot is rebuilt
local ended = 0
for i = 2, #ARGV do
  local rank = tonumber(ARGV[i])
  if redis.call('ZREM', KEYS[2], rank) == 1 then
    local record = redis.call('GETRANGE', KEYS[1], rank * 8, rank * 8 + 7)
    if #record == 8 and record:byte(7) == 0 then
      redis.call('SETBIT', ARGV[1] .. struct.unpack('>H', record:sub(5, 6)), rank, 1)
    end
    ended = ended + 1
  end
end
return ended
