-- wrk's side of a row: the same POST again and again, and the sums on one line for a program.
-- Arguments: the file that holds the body; if requests carry tokens, a file with one a line; and
-- `in turns` if each request shall carry the next, else each thread keeps to one. Without a
-- `request` function wrk builds the request once for each thread, and without a `response` function
-- it runs no Lua while it measures.

local threads = 0

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

function init(arguments)
   local file = assert(io.open(arguments[1], "rb"))
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
   wrk.body = file:read("*a")
   file:close()
   if arguments[2] then
      authorize(arguments[2], arguments[3] == "in turns")
   end
end

function authorize(file, in_turns)
   local tokens, requests, last = {}, {}, 0
   for token in io.lines(file) do
      table.insert(tokens, token)
   end
   wrk.headers["Authorization"] = "Bearer " .. tokens[number % #tokens + 1]
   if in_turns then
      for index, token in ipairs(tokens) do
         wrk.headers["Authorization"] = "Bearer " .. token
         requests[index] = wrk.format()
      end
      function request()
         last = last % #requests + 1
         return requests[last]
      end
   end
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\nSUMS {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"p999":%d,' ..
      '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      latency:percentile(99.9),
      errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
