-- The arithmetic of src/budget/cell.rs over several buckets at once, in Redis.
-- ARGV[1]: what is asked, words with commas between them (src/budget/redis/script.rs).
-- KEYS: for each order its record, then its buckets. ARGV[2]: the time, given by tests only.
local MAX, SLOT, LEASE, RING, SPANS, RETRY = 9007199254740991, 10000, 60000, 8, 32, 1000
local PIECES, RECORD, SETTLED, GRACE, SHARE = 10, 120000, 300000, 60000, 8
local floor, min, max = math.floor, math.min, math.max

local now = tonumber(ARGV[2])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + floor(t[2] / 1000)
end

local words, word, key = {}, 0, 0
for w in string.gmatch(ARGV[1], '[^,]+') do words[#words + 1] = w end
local function next_word() word = word + 1 return words[word] end
local function next_number() return tonumber(next_word()) end
local function next_key() key = key + 1 return KEYS[key] end
local function add(a, b) return min(a + b, MAX) end
local function text(n) return string.format('%.0f', n) end

-- Everything is written at the end, so an answer that says `clock` has changed nothing.
local values = {}
local function get(name) return values[name] and values[name][1] or redis.call('GET', name) or '' end
local function set(name, value, lives) values[name] = {value, lives} end

-- Frames: which spans count, and which takes what is admitted now; and whether the asker's clock is too far off
-- to know.
local function read_frame()
  local kind = next_word()
  if kind == 'a' then return {span = 0, since = 0, till = 0, lives = MAX} end
  if kind == 'r' then
    local piece = next_number()
    local span = now - now % piece
    return {span = span, since = max(span - piece * PIECES, 0), till = MAX, lives = piece * (PIECES + 1), rolls = true}
  end
  local a, b, c = next_number(), next_number(), next_number()
  local off = now < a or now >= c
  if now < b then return {span = a, since = a, till = a, lives = b - a}, off end
  return {span = b, since = b, till = b, lives = c - b}, off
end

local function window(frame, start)
  local till = start
  if frame.rolls then till = min(start + frame.lives - 1, MAX) end
  return {since = start, till = till, lives = frame.lives}
end

local function counts(frame, start) return frame.since <= start and start <= frame.till end

-- Cells: {slot, spans = {{start, used, held[0..7]}, ..}}, each loaded once and written once.
local cells, written = {}, {}

local function load(name)
  local cell = cells[name]
  if cell then return cell end
  cell = {slot = 0, spans = {}, name = name}
  local n = {}
  for w in string.gmatch(redis.call('GET', name) or '', '%d+') do n[#n + 1] = tonumber(w) end
  if n[1] then
    cell.slot = n[1]
    for at = 2, #n - 9, 10 do
      local span = {start = n[at], used = n[at + 1]}
      for i = 0, RING - 1 do span[i] = n[at + 2 + i] end
      cell.spans[#cell.spans + 1] = span
    end
  end
  local live = max(floor(now / SLOT) + 1, cell.slot)
  for slot = cell.slot, min(live, cell.slot + RING) - 1 do
    for _, span in ipairs(cell.spans) do span[slot % RING] = 0 end
  end
  cell.slot = live
  cells[name] = cell
  return cell
end

local function held(span)
  local sum = 0
  for i = 0, RING - 1 do sum = add(sum, span[i]) end
  return sum
end

local function lease(cell) return max(math.ceil((now + LEASE) / SLOT), cell.slot) end

local function forget(cell, frame)
  local last, running, kept = nil, {}, {}
  for _, span in ipairs(cell.spans) do
    if span.start < frame.since then last = span.start end
    if held(span) > 0 then running[#running + 1] = span.start end
  end
  for _, span in ipairs(cell.spans) do
    local keep = span.start >= frame.since or span.start == last
    local w = window(frame, span.start)
    for _, start in ipairs(running) do keep = keep or counts(w, start) end
    if keep then kept[#kept + 1] = span end
  end
  if #kept >= SPANS then table.remove(kept, 1) end
  cell.spans = kept
end

local function find(cell, start)
  for _, span in ipairs(cell.spans) do
    if span.start == start then return span end
  end
end

local function claim(cell, frame, start)
  local span = find(cell, start)
  if span or start < frame.since then return span end
  forget(cell, frame)
  local at = 1
  while cell.spans[at] and cell.spans[at].start < start do at = at + 1 end
  span = {start = start, used = 0}
  for i = 0, RING - 1 do span[i] = 0 end
  table.insert(cell.spans, at, span)
  return span
end

-- Takes a hold out, unless its lease has lapsed; says what was taken.
local function take(cell, hold)
  local span = hold.slot >= cell.slot and find(cell, hold.span)
  if not span then return 0 end
  local at = hold.slot % RING
  local taken = min(span[at], hold.amount)
  span[at] = span[at] - taken
  return taken
end

local function put(cell, frame, hold)
  written[cell.name] = {cell = cell, frame = frame}
  local span = claim(cell, frame, hold.span)
  if span then span[hold.slot % RING] = add(span[hold.slot % RING], hold.amount) end
end

local function charge(cell, frame, start, amount)
  written[cell.name] = {cell = cell, frame = frame}
  local span = amount > 0 and claim(cell, frame, start)
  if span then span.used = add(span.used, amount) end
end

local function level(cell, frame)
  local l = {used = 0, held = 0, resets = now}
  for _, span in ipairs(cell.spans) do
    if counts(frame, span.start) then
      local h = held(span)
      l.used, l.held = add(l.used, span.used), add(l.held, h)
      if span.used > 0 or h > 0 then l.resets = max(l.resets, add(span.start, frame.lives)) end
    end
  end
  return l
end

local function fits(cell, frame, limit, amount)
  if amount > limit then return -1 end
  local used, at = 0, now + RETRY
  for _, span in ipairs(cell.spans) do
    if counts(frame, span.start) then used = add(used, span.used) end
  end
  for _, span in ipairs(cell.spans) do
    if counts(frame, span.start) then
      if add(used, amount) <= limit then break end
      used = max(used - span.used, 0)
      at = add(span.start, frame.lives)
    end
  end
  return at
end

local function left(l, limit) return max(max(limit - l.used, 0) - l.held, 0) end

-- How it falls short if `amount` does not fit into the frame; nothing if it fits. A limit below 0 is none.
local function check(cell, frame, limit, amount)
  if limit < 0 then return nil end
  local l = level(cell, frame)
  if amount <= left(l, limit) then return nil end
  l.fits = fits(cell, frame, limit, amount)
  return l
end

-- The same for every window that a span is in.
local function check_span(cell, frame, start, limit, amount)
  local short = check(cell, window(frame, start), limit, amount)
  for _, span in ipairs(cell.spans) do
    local w = window(frame, span.start)
    if not short and counts(w, start) then short = check(cell, w, limit, amount) end
  end
  return short
end

-- Records: what is held for a request, by bucket; 'd' where it has been settled.
local function load_record(name)
  local record, at, w = {}, 1, {}
  for each in string.gmatch(get(name), '[^,]+') do w[#w + 1] = each end
  while w[at] do
    if w[at + 1] == 'd' then
      record[w[at]], at = 'd', at + 2
    else
      record[w[at]] = {span = tonumber(w[at + 1]), slot = tonumber(w[at + 2]), amount = tonumber(w[at + 3])}
      at = at + 4
    end
  end
  return record
end

local function save_record(name, record)
  local out, ttl = {}, SETTLED
  for bucket, hold in pairs(record) do
    if hold == 'd' then
      out[#out + 1] = bucket .. ',d'
    else
      out[#out + 1] = bucket .. ',' .. text(hold.span) .. ',' .. text(hold.slot) .. ',' .. text(hold.amount)
      ttl = RECORD
    end
  end
  set(name, table.concat(out, ','), ttl)
end

local function read_lines(count)
  local lines, off = {}, false
  for at = 1, count do
    local name = next_key()
    local line = {name = name, bucket = string.match(name, '[^/]*/(.*)'), limit = next_number(), amount = next_number()}
    line.given = {span = next_number(), slot = next_number(), amount = next_number()}
    local is_off
    line.frame, is_off = read_frame()
    off = off or is_off
    lines[at] = line
  end
  return lines, off
end

-- Reserve and extend: raises each hold to what is asked for, or none of them.
local function raise(act, lines, record)
  local refused
  for at, line in ipairs(lines) do
    local cell, hold = line.cell, record[line.bucket]
    -- What is over is not begun again: a call may come after the one that released it.
    if hold == 'd' then
      line.done = {span = line.given.span, slot = line.given.slot, amount = 0}
    else
      local old = hold
      local total = line.amount
      if act == 'E' then
        total, old = add(line.given.amount, total), old or line.given
      end
      line.taken, line.old = old and take(cell, old) or 0, old
      local span, short = old and old.span or line.frame.span, nil
      if old == line.given then
        short = check_span(cell, line.frame, span, line.limit, total)
      elseif old then
        total = max(total, old.amount)
        if total > old.amount then short = check_span(cell, line.frame, span, line.limit, total) end
      else
        short = check(cell, line.frame, line.limit, total)
      end
      line.raised = {span = span, slot = lease(cell), amount = total}
      if short then
        short.line = at
        refused = short
        break
      end
    end
  end
  for _, line in ipairs(lines) do
    if refused then
      local span = line.taken and line.taken > 0 and find(line.cell, line.old.span)
      if span then span[line.old.slot % RING] = add(span[line.old.slot % RING], line.taken) end
    elseif line.raised then
      put(line.cell, line.frame, line.raised)
      record[line.bucket], line.done = line.raised, line.raised
    end
  end
  return refused
end

local function renew(line, record)
  local hold = record[line.bucket] or line.given
  if hold == 'd' then
    line.done = {span = line.given.span, slot = line.given.slot, amount = 0}
    return
  end
  take(line.cell, hold)
  line.done = {span = hold.span, slot = lease(line.cell), amount = hold.amount}
  put(line.cell, line.frame, line.done)
  record[line.bucket] = line.done
end

local function settle(line, record)
  local hold = record[line.bucket] or line.given
  line.done = {span = line.given.span, slot = line.given.slot, amount = 0}
  if hold == 'd' then return end
  take(line.cell, hold)
  charge(line.cell, line.frame, hold.span, line.amount)
  record[line.bucket] = 'd'
end

local function answer(out, lines)
  out[#out + 1] = 'g'
  for _, line in ipairs(lines) do
    local l, d = level(line.cell, line.frame), line.done
    for _, n in ipairs({d.span, d.slot, d.amount, l.used, l.held, l.resets}) do out[#out + 1] = text(n) end
  end
end

local function order(act, out)
  local name = next_key()
  local lines, off = read_lines(next_number())
  if off and (act == 'R' or act == 'L') then return false end
  for _, line in ipairs(lines) do line.cell = load(line.name) end
  local refused
  if act == 'L' then
    for _, line in ipairs(lines) do line.done = line.given end
  else
    local record = load_record(name)
    if act == 'R' or act == 'E' then
      refused = raise(act, lines, record)
    else
      local each = act == 'N' and renew or settle
      for _, line in ipairs(lines) do each(line, record) end
    end
    if not refused then save_record(name, record) end
  end
  if refused then
    out[#out + 1] = 'r'
    for _, n in ipairs({refused.line, refused.used, refused.held, refused.resets, refused.fits}) do out[#out + 1] = text(n) end
  else
    answer(out, lines)
  end
  return true
end

-- A gateway's slice of a bucket: it may use up to a ceiling, and has charged so much of it. All numbers are
-- sums since the slice was born, so what comes twice changes nothing, and what comes late is known by its number.
local function slice(out)
  local name, bucket = next_key(), next_key()
  local limit, number, span, born, charged = next_number(), next_number(), next_number(), next_number(), next_number()
  local kept, least, most, shrinks = next_number(), next_number(), next_number(), next_word() == 's'
  local frame, off = read_frame()
  if off and not shrinks then return false end
  local cell, old = load(bucket), {number = 0, slot = 0, amount = 0, charged = 0}
  local n = {}
  for w in string.gmatch(get(name), '%d+') do n[#n + 1] = tonumber(w) end
  if n[1] then old.number, old.slot, old.amount, old.charged = n[1], n[2], n[3], n[4] end
  old.span = span
  local enough, at = 1, -1
  if number > old.number then
    local lapsed = old.slot < cell.slot
    take(cell, old)
    local more = max(charged - old.charged, 0)
    charge(cell, frame, span, more)
    charged = old.charged + more
    -- What requests hold stands whatever happened to the lease; what was only set aside may be another's now.
    local backing = max(lapsed and kept - charged or old.amount - more, 0)
    least, most = max(least - charged, 0), max(most - charged, 0)
    local amount = min(most, backing)
    if not shrinks then
      local room = MAX
      if limit >= 0 then
        local l = level(cell, span == frame.span and frame or window(frame, span))
        room = left(l, limit)
        for _, other in ipairs(cell.spans) do
          local w = window(frame, other.start)
          if span ~= frame.span and counts(w, span) then room = min(room, left(level(cell, w), limit)) end
        end
      end
      if least <= room then
        local fair = max(least, backing + floor(max(room - backing, 0) / SHARE))
        amount = max(backing, min(most, fair, room))
      else
        enough, amount = 0, backing
        if span == frame.span then at = fits(cell, frame, limit, least) end
      end
    end
    old = {number = number, slot = lease(cell), amount = amount, charged = charged, span = span}
    put(cell, frame, old)
    local lasts = frame.lives < MAX and max(span + frame.lives - now, 0) + SETTLED or SETTLED
    set(name, text(number) .. ',' .. text(old.slot) .. ',' .. text(amount) .. ',' .. text(charged), lasts)
  end
  local l = level(cell, frame)
  out[#out + 1] = 's'
  local answer = {span, born, old.number, enough, old.charged, add(old.charged, old.amount), l.used, l.held, l.resets, at}
  for _, n in ipairs(answer) do out[#out + 1] = text(n) end
  return true
end

local mark = next_word()
local out = {'ok', text(now), mark}
while word < #words do
  local act, known = next_word(), nil
  if act == 'G' then known = slice(out) else known = order(act, out) end
  if not known then return 'clock,' .. text(now) .. ',' .. mark end
end

for name, each in pairs(written) do
  local cell, ends = each.cell, 0
  local value = {text(cell.slot)}
  for _, span in ipairs(cell.spans) do
    local h, lives = held(span), each.frame.lives
    value[#value + 1] = text(span.start)
    value[#value + 1] = text(span.used)
    for i = 0, RING - 1 do value[#value + 1] = text(span[i]) end
    if h > 0 then ends = max(ends, (cell.slot + RING) * SLOT) end
    if lives < MAX then ends = max(ends, span.start + lives) elseif span.used > 0 then ends = MAX end
  end
  set(name, table.concat(value, ','), ends < MAX and max(ends - now, 0) + GRACE)
end
for name, value in pairs(values) do
  if value[2] then
    redis.call('SET', name, value[1], 'PX', text(value[2]))
  else
    redis.call('SET', name, value[1])
  end
end
return table.concat(out, ',')
