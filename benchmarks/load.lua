-- What wrk asks for. Arguments: how many requests a second are begun (0: as many as are answered); and, to post, the file
-- of the paths, one a line, with the first and the number of them that are meant. Without a file the address is asked for.

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, micros; } moment; int gettimeofday(moment *, void *);")

local function now() -- milliseconds
   local moment = ffi.new("moment")
   ffi.C.gettimeofday(moment, nil)
   return tonumber(moment.seconds) * 1e3 + tonumber(moment.micros) / 1e3
end

local function post(file, first, number)
   local paths, line, asked = {}, 0, 0
   for path in io.lines(file) do
      if line >= first and line < first + number then paths[#paths + 1] = path end
      line = line + 1
   end
   local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
   function request()
      asked = asked + 1
      return wrk.format("POST", paths[(asked - 1) % #paths + 1], headers, "List-Unsubscribe=One-Click")
   end
end

local function keep_pace(rate)
   local due = now()
   function delay() -- who is late goes at once
      due = due + 1e3 / rate
      return math.max(0, due - now())
   end
end

function init(args)
   if tonumber(args[1]) > 0 then keep_pace(tonumber(args[1])) end
   if args[2] then post(args[2], tonumber(args[3]), tonumber(args[4])) end
end

function done(summary, latency)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   local said = '{"answers": %d, "seconds": %f, "half": %f, "most": %f, "longest": %f, "failed": %d}\n'
   local half, most = latency:percentile(50), latency:percentile(99) -- microseconds
   io.write(said:format(summary.requests, summary.duration / 1e6, half / 1e3, most / 1e3, latency.max / 1e3, failed))
end
