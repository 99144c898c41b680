"""What runs inside Redis: whole or not at all, and with nobody else's command between.

All of them take what they need in a few long arguments, parts of known length one after the other:
packing ten thousand arguments costs the client more than the server needs to run them.

A script that begins to write goes on to its end: Redis refuses the first write where it has no
memory left, and none after that (https://redis.io/docs/latest/develop/programmability/eval-intro/).
It puts the writes of one script into its file as one transaction, which is read again whole or,
cut off by a crash, not at all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

NOTHING = 0xFFFFFFFF
"""In the place of a length: there is no such value."""

# `row` reads a message, put together of its chunks (`pipeline.ledger.redis.rows`).
_COMMON = """
local call, sub, byte, char = redis.call, string.sub, string.byte, string.char
local pack, unpack_ = struct.pack, struct.unpack
local function bucket(space, letter, id) return space .. letter .. sub(id, 1, 2), sub(id, 3) end
local function band_key(space, band)
  local third = byte(band, 3)
  return space .. 'b' .. sub(band, 1, 2) .. char(third - third % 64), sub(band, 3)
end
local function told(values)
  for i = 1, #values do
    local value = values[i]
    values[i] = value and pack('>I4', #value) .. value or '\\255\\255\\255\\255'
  end
  return table.concat(values)
end
"""

# KEYS: meta, lock, owners. ARGV: owner, milliseconds, generation, last write of ours, space.
# Takes the lock; one that we have had is ours again, for it is of a try that broke off.
LOCK = (
    _COMMON
    + """
if call('HGET', KEYS[1], 'generation') ~= ARGV[3] then return {'gone'} end
local mine = call('HGET', KEYS[3], ARGV[1])
if not mine or tonumber(string.match(mine, '^%d+')) < tonumber(ARGV[4]) then return {'older'} end
local holder = call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {'busy'} end
call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
local info = call('HMGET', ARGV[5] .. 'info', 'files', 'number')
return {'ok', call('HGET', KEYS[1], 'seq'), info[1] or '0', info[2] or '0'}
"""
)

# KEYS: lock. ARGV: owner.
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"

# ARGV: space, ids of messages, marks, length of a mark, ids of files, paths (length and bytes).
# Returns for each of these a string of lengths and values.
READ = (
    _COMMON
    + """
local space = ARGV[1]
local rows, marks, files, paths = {}, {}, {}, {}
for at = 1, #ARGV[2], 16 do
  local key, field = bucket(space, 'm', sub(ARGV[2], at, at + 15))
  local row = call('HGET', key, field)
  if row then
    for i = 1, byte(row) do row = row .. (call('HGET', key, field .. char(i)) or '') end
  end
  rows[#rows + 1] = row
end
local length = tonumber(ARGV[4])
for at = 1, #ARGV[3], length do
  local mark = sub(ARGV[3], at, at + length - 1)
  marks[#marks + 1] = call('HGET', space .. 'k' .. sub(mark, -2), sub(mark, 1, -3))
end
for at = 1, #ARGV[5], 4 do
  files[#files + 1] = call('HGET', space .. 'files', sub(ARGV[5], at, at + 3))
end
local at = 1
while at <= #ARGV[6] do
  local path
  path, at = unpack_('>I4c0', ARGV[6], at)
  paths[#paths + 1] = call('HGET', space .. 'paths', path)
end
return {told(rows), told(marks), told(files), told(paths)}
"""
)

# Runs what `packed` made of commands. Names of one letter are ours:
#   F id, message…   the messages stand in file `id` from now on
#   f id, message…   those that stand in file `id` stand in none
#   S oldest, buckets, entries   forgets marks that are older, going on where it ended last
#   B number, most, band…  the article of that number has these bands, where they have room
#   b number, band…  ... and has them no more
_APPLY = """
local none = '\\0\\0\\0\\0'
local function set_file(space, id, message, only)
  local key, field = bucket(space, 'm', message)
  local row = call('HGET', key, field)
  if only then
    if not row or sub(row, 3, 6) ~= only then return end
  end
  call('HSET', key, field, row and sub(row, 1, 2) .. id .. sub(row, 7) or '\\0-' .. id)
end
local function sweep(space, oldest, visits, entries)
  local info = space .. 'info'
  local place = tonumber(call('HGET', info, 'sweep') or '0')
  while visits > 0 and entries > 0 do
    local key = space .. 'k' .. pack('>I2', place)
    local all = call('HGETALL', key)
    for i = 2, #all, 2 do
      if unpack_('>I8', all[i], 17) < oldest then call('HDEL', key, all[i - 1]) end
    end
    entries, visits, place = entries - #all / 2, visits - 1, (place + 1) % 65536
  end
  call('HSET', info, 'sweep', place)
end
local function set_band(space, number, most, band)
  local key, field = band_key(space, band)
  local numbers = call('HGET', key, field) or ''
  if #numbers < 4 * most then call('HSET', key, field, numbers .. number) end
end
local function free_band(space, number, band)
  local key, field = band_key(space, band)
  local numbers, left = call('HGET', key, field) or '', {}
  for at = 1, #numbers, 4 do
    local one = sub(numbers, at, at + 3)
    if one ~= number then left[#left + 1] = one end
  end
  if #left > 0 then call('HSET', key, field, table.concat(left))
  else call('HDEL', key, field) end
end
local function apply(space, blob)
  local at = 1
  while at <= #blob do
    local count
    count, at = unpack_('>I4', blob, at)
    local parts = {}
    for i = 1, count do parts[i], at = unpack_('>I4c0', blob, at) end
    local name = parts[1]
    if name == 'F' then
      for i = 3, count do set_file(space, parts[2], parts[i]) end
    elseif name == 'f' then
      for i = 3, count do set_file(space, none, parts[i], parts[2]) end
    elseif name == 'S' then
      sweep(space, tonumber(parts[2]), tonumber(parts[3]), tonumber(parts[4]))
    elseif name == 'B' then
      local most = tonumber(parts[3])
      for i = 4, count do set_band(space, parts[2], most, parts[i]) end
    elseif name == 'b' then
      for i = 3, count do free_band(space, parts[2], parts[i]) end
    else
      parts[2] = space .. parts[2]
      call(unpack(parts))
    end
  end
end
"""

# ARGV: space, bands, length of a band. The numbers of the articles that have each of them.
SHARING = (
    _COMMON
    + """
local found = {}
local length = tonumber(ARGV[3])
for at = 1, #ARGV[2], length do
  local key, field = band_key(ARGV[1], sub(ARGV[2], at, at + length - 1))
  found[#found + 1] = call('HGET', key, field)
end
return told(found)
"""
)

# ARGV: space, oldest, most, where the bands begin and end. Of the first articles in the index those
# that are older, at most so many: the last number looked at, and for each its number and its bands.
OLD = (
    _COMMON
    + """
local space, oldest, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local info = call('HMGET', space .. 'info', 'low', 'number')
local low, last, found = tonumber(info[1] or '0'), tonumber(info[2] or '0'), {}
while low < last and most > 0 do
  local number = pack('>I4', low + 1)
  local one = call('HGET', space .. 's' .. pack('>I4', math.floor((low + 1) / 512)), number)
  if one then
    if unpack_('>I8', one) >= oldest then break end
    found[#found + 1] = number .. sub(one, ARGV[4], ARGV[5])
  end
  low, most = low + 1, most - 1
end
return {low, told(found)}
"""
)

# KEYS: meta, lock, owners. ARGV: owner, generation, seq, space, commands.
WRITE = (
    _COMMON
    + _APPLY
    + """
if call('HGET', KEYS[1], 'generation') ~= ARGV[2] then return {'gone'} end
if call('GET', KEYS[2]) ~= ARGV[1] or call('HGET', KEYS[1], 'seq') ~= ARGV[3] then
  return {'lost'}
end
local seq = call('HINCRBY', KEYS[1], 'seq', 1)
call('HSET', KEYS[3], ARGV[1], seq .. ' ' .. call('TIME')[1])
apply(ARGV[4], ARGV[5])
call('DEL', KEYS[2])
return {'ok', seq}
"""
)

# KEYS: any. ARGV: space, commands. For a space that nobody reads yet.
FILL = _COMMON + _APPLY + "apply(ARGV[1], ARGV[2])"

# KEYS: meta. ARGV: generation, version, output, root. Makes the ledger where there is none, and
# returns what is there.
OPEN = """
redis.call('HSETNX', KEYS[1], 'seq', 0)
if redis.call('HSETNX', KEYS[1], 'generation', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'output', ARGV[3], 'root', ARGV[4])
end
return redis.call('HMGET', KEYS[1], 'generation', 'version', 'output', 'root')
"""

# KEYS: meta, owners, alive, roots. ARGV: owner, milliseconds, root. Writes as any write does.
JOIN = """
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('HSET', KEYS[2], ARGV[1], seq .. ' ' .. redis.call('TIME')[1])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[2])
redis.call('SADD', KEYS[4], ARGV[3])
return seq
"""

# KEYS: meta. ARGV: generation, space, path. What is said of the file at `path`, if anything.
LOOK = """
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return {'gone'} end
local id = redis.call('HGET', ARGV[2] .. 'paths', ARGV[3])
return {'ok', id and redis.call('HGET', ARGV[2] .. 'files', id) or ''}
"""

# KEYS: owners. ARGV: prefix of what says that an owner is alive, seconds. Forgets owners that have
# neither been alive nor written for so long.
FORGET = """
local now = tonumber(redis.call('TIME')[1])
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local wrote = tonumber(string.match(all[i + 1], '%d+$'))
  if now - wrote > tonumber(ARGV[2]) and redis.call('EXISTS', ARGV[1] .. all[i]) == 0 then
    redis.call('HDEL', KEYS[1], all[i])
  end
end
"""

# KEYS: meta, owners, lock. ARGV: generation before, the new one, output, root, version, owner of
# the rebuilding, prefix of what says that an owner is alive. Puts a new space in place.
SWITCH = """
local before = redis.call('HGET', KEYS[1], 'generation') or ''
if before ~= ARGV[1] then return {'gone'} end
for _, owner in ipairs(redis.call('HKEYS', KEYS[2])) do
  if owner ~= ARGV[6] and redis.call('EXISTS', ARGV[7] .. owner) == 1 then return {'alive'} end
end
redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'output', ARGV[3], 'root', ARGV[4],
  'version', ARGV[5])
redis.call('DEL', KEYS[3])
return {'ok'}
"""

Command = Sequence[bytes]


def packed(commands: Iterable[Command]) -> bytes:
    """Commands for `WRITE` and `FILL`; the key of each is without the space in front."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(len(command).to_bytes(4, "big"))
        for part in command:
            parts.append(len(part).to_bytes(4, "big"))
            parts.append(part)
    return b"".join(parts)


def lengths(values: Iterable[bytes]) -> bytes:
    """Values with their lengths, as `READ` takes paths."""
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)


def values(told: bytes) -> Iterator[bytes | None]:
    """What `READ` told: a value each, None where there is none."""
    at, end = 0, len(told)
    while at < end:
        (length,) = _LENGTH.unpack_from(told, at)
        at += 4
        if length == NOTHING:
            yield None
        else:
            yield told[at : at + length]
            at += length


_LENGTH = struct.Struct(">I")
