"""The Lua that runs inside Redis, where comparing and writing is one step. Works on Redis 5 and later.

Each script takes many messages and returns the numbers (1, 2, …) of those whose key is not ours; of all
others it made sure that they, or something newer, are there. Versions are positions, far below the
2^53 up to which Lua's numbers are exact.
"""

_KNOWN = """
local function version_of(json)
  return json and tonumber(string.match(json, ',"updated_idx":(%d+)[,}]'))
end
"""
# What is held says its own version. No text in a JSON has this match: there a quote follows a backslash.

RECORDS_BY_KEY = (
    _KNOWN
    + """
-- KEYS: record, tombstone, and so on.  ARGV: ttl, tombstone's ttl (ms), then version, json ('' removes).
local refused = {}
for number = 1, #KEYS / 2 do
  local record, gone = KEYS[2 * number - 1], KEYS[2 * number]
  local version, json = ARGV[2 * number + 1], ARGV[2 * number + 2]
  local held = redis.pcall('GETRANGE', record, 0, 1023)
  if type(held) == 'table' then
    if not string.find(held.err, 'WRONGTYPE') then return held end
    refused[#refused + 1] = number
  else
    local known = version_of(held)
    if not known and held ~= '' then known = version_of(redis.call('GET', record)) end
    local buried = not known and redis.call('GET', gone)
    known = known or tonumber(buried or 0) or 0
    if known < tonumber(version) then
      if json == '' then
        redis.call('DEL', record)
        redis.call('SET', gone, version, 'PX', ARGV[2])
      else
        if ARGV[1] == '0' then redis.call('SET', record, json)
        else redis.call('SET', record, json, 'PX', ARGV[1]) end
        if buried then redis.call('DEL', gone) end
      end
    end
  end
end
return refused
"""
)

RECORDS_IN_HASH = (
    _KNOWN
    + """
-- KEYS: hash, then a tombstone each.  ARGV: tombstone's ttl (ms), then field, version, json ('' removes).
for number = 1, #KEYS - 1 do
  local gone = KEYS[number + 1]
  local field, version, json = ARGV[3 * number - 1], ARGV[3 * number], ARGV[3 * number + 1]
  local known = version_of(redis.call('HGET', KEYS[1], field))
  local buried = not known and redis.call('GET', gone)
  known = known or tonumber(buried or 0) or 0
  if known < tonumber(version) then
    if json == '' then
      redis.call('HDEL', KEYS[1], field)
      redis.call('SET', gone, version, 'PX', ARGV[1])
    else
      redis.call('HSET', KEYS[1], field, json)
      if buried then redis.call('DEL', gone) end
    end
  end
end
return {}
"""
)

EVENTS = """
-- KEYS: stream, late.  ARGV: most entries (0: any number), then version, event id, json of each event.
-- An entry's id is its event's updated_idx, so Redis itself sees a repeat: it refuses an id that is not
-- above its last one. An event that comes after newer ones (redriven, or another consumer's) is appended
-- behind the last id, and remembered in `late`, unless it is older than what trimming has left.
local stream, late, most = KEYS[1], KEYS[2], tonumber(ARGV[1])

local function add(id, event, json)
  if most == 0 then return redis.pcall('XADD', stream, id, 'event_id', event, 'json', json) end
  return redis.pcall('XADD', stream, 'MAXLEN', '~', most, id, 'event_id', event, 'json', json)
end

local function is_there(version, event)
  local entry = redis.call('XRANGE', stream, version .. '-0', version .. '-0')[1]
  return (entry and entry[2][2] == event) or redis.call('ZSCORE', late, event)
end

local function first_kept()
  local entry = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  return entry and tonumber(string.match(entry[1], '^(%d+)')) or 0
end

local function last_id()
  local told = redis.call('XINFO', 'STREAM', stream)
  for at = 1, #told, 2 do
    if told[at] == 'last-generated-id' then return string.match(told[at + 1], '^(%d+)-(%d+)$') end
  end
end

for number = 1, (#ARGV - 1) / 3 do
  local version, event, json = ARGV[3 * number - 1], ARGV[3 * number], ARGV[3 * number + 1]
  local added = add(version .. '-0', event, json)
  if type(added) == 'table' and added.err then
    if not string.find(added.err, 'equal or smaller') then return added end
    if not is_there(version, event) then
      local first = first_kept()
      local trimmed = most > 0 and redis.call('XLEN', stream) >= most and tonumber(version) < first
      if not trimmed then
        local above, after = last_id()
        added = add(above .. '-' .. string.format('%d', after + 1), event, json)
        if type(added) == 'table' and added.err then return added end
        redis.call('ZADD', late, above, event)
        redis.call('ZREMRANGEBYSCORE', late, '-inf', '(' .. string.format('%d', first))
      end
    end
  end
end
return {}
"""

REMOVE = """
-- KEYS: what a check has made.
redis.call('DEL', unpack(KEYS))
return {}
"""
