-- Asks Tandem who is calling, for haproxy.cfg beside this file. It needs HAProxy 2.6 or newer and no other script.

local VERIFY = "http://127.0.0.1:8082/auth/verify"
local TIMEOUT_MS = 20000

-- What Tandem says about the caller. All four are in each answer.
local IDENTITY = { "x-auth-user-id", "x-auth-external-id", "x-auth-role", "x-auth-scheme" }

-- What Tandem says to the client when the request goes on. haproxy.cfg adds it to the product's answer.
local FOR_CLIENT = { "set-cookie", "deprecation", "sunset", "link" }

-- Headers of the connection between HAProxy and Tandem (RFC 9110, section 7.6.1). The question has no body.
local NOT_ASKED = {
  ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["te"] = true, ["trailer"] = true,
  ["keep-alive"] = true, ["proxy-connection"] = true, ["expect"] = true, ["content-type"] = true, ["content-encoding"] = true,
}
local NOT_ANSWERED = { ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["keep-alive"] = true }

local UNAVAILABLE = '{"type":"urn:tandem:error:service_unavailable","title":"Temporarily unavailable","status":503,"code":"service_unavailable"}'

-- The client's headers, as the HTTP client takes them. haproxy.cfg has set the method and deleted the identity before.
local function question(txn)
  local headers = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not NOT_ASKED[name] then
      headers[name] = {}
      for index = 0, #values do
        headers[name][#headers[name] + 1] = values[index]
      end
    end
  end
  return headers
end

local function refuse(txn, answer)
  local reply = txn:reply({ status = answer.status, body = answer.body or "" })
  for name, values in pairs(answer.headers or {}) do
    if not NOT_ANSWERED[name] then
      for _, value in pairs(values) do
        reply:add_header(name, value)
      end
    end
  end
  txn:done(reply)
end

local function unavailable(txn)
  local reply = txn:reply({ status = 503, body = UNAVAILABLE })
  reply:add_header("content-type", "application/problem+json")
  reply:add_header("cache-control", "no-store")
  reply:add_header("retry-after", "1")
  txn:done(reply)
end

core.register_action("ask_tandem", { "http-req" }, function(txn)
  local answer = core.httpclient():get({ url = VERIFY, headers = question(txn), timeout = TIMEOUT_MS })
  -- 0: no answer. HAProxy's own 5xx has no Retry-After, and Tandem's always has one.
  local status = answer ~= nil and answer.status or 0
  if status == 0 or (status >= 500 and answer.headers["retry-after"] == nil) then
    return unavailable(txn)
  end
  if status < 200 or status > 299 then
    return refuse(txn, answer)
  end
  for _, name in ipairs(IDENTITY) do
    local values = answer.headers[name]
    -- An answer without an identity is not Tandem's.
    if values == nil or values[0] == nil then
      return unavailable(txn)
    end
    txn.http:req_set_header(name, values[0])
  end
  for _, name in ipairs(FOR_CLIENT) do
    local values = answer.headers[name]
    if values ~= nil and values[0] ~= nil then
      txn:set_var("txn.tandem_" .. name:gsub("-", "_"), values[0])
    end
  end
end)
