-- wrk's side of a row: the same POST again and again, and the sums on one line for a program.
-- Arguments: the file that holds the body. Without a `request` function wrk builds the request
-- once, and without a `response` function it runs no Lua while it measures.

function init(arguments)
   local file = assert(io.open(arguments[1], "rb"))
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
   wrk.body = file:read("*a")
   file:close()
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\nSUMS {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,' ..
      '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
