-- wrk's side of a row: the same POST again and again, and the sums on one line for a program.
-- Arguments: the file that holds the body, and, if requests carry tokens, a file with one a line,
-- which they take in turns. Without tokens there is no `request` function, and wrk builds the
-- request once; without a `response` function it runs no Lua for answers.

function init(arguments)
   local file = assert(io.open(arguments[1], "rb"))
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
   wrk.body = file:read("*a")
   file:close()
   if arguments[2] then
      local requests, last = {}, 0
      for token in io.lines(arguments[2]) do
         wrk.headers["Authorization"] = "Bearer " .. token
         table.insert(requests, wrk.format())
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
      '\nSUMS {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,' ..
      '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
