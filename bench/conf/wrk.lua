-- POSTs the file BODY with the fields of HEADERS (one a line), both from the environment; ends with one line of JSON
local file = io.open(os.getenv("BODY"))
wrk.method, wrk.body = "POST", file:read("*a")
file:close()
wrk.headers["Content-Type"] = "application/json"
for line in (os.getenv("HEADERS") or ""):gmatch("[^\n]+") do
  local name, value = line:match("^([^:]+): (.*)$")
  if name then wrk.headers[name] = value end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('JSON {"ok":%d,"bad":%d,"rps":%.1f,"lat_us":{"p50":%d,"p99":%d}}\n',
    summary.requests - e.status, e.status + e.connect + e.read + e.write + e.timeout,
    (summary.requests - e.status) / summary.duration * 1e6, latency:percentile(50), latency:percentile(99)))
end
