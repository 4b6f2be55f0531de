#!/usr/bin/env bash
# A linter for SCIM payloads calls four users valid that a SCIM server refuses with 400 for breaking the schema.
#
# Packages:  scim-sanity 0.7.4, scim2-server 0.8.3, scim2-models 0.12.3 (PyPI)
# Observed:  2026-11-30
# Seen:                                             scim-sanity    scim2-server
#            two e-mails with "primary": true       valid          400 invalidValue
#            an attribute that no schema has        valid          400 invalidSyntax
#            "name": {"givenName": 3}               valid          400 invalidValue
#            "locale": 3                            valid          400 invalidValue
#            a plain user (for comparison)          valid          201
# Expected:  the linter says that it catches integration bugs before they reach production, against RFC 7643 and 7644.
#            RFC 7643 section 2.4: primary true at most once; sections 4.1 and 8.7.1: givenName and locale are strings.
# So what:   a lint that passes proves little about types and unknown names. Validate what is sent with typed models,
#            and try one record on the real app first.
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true; rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install scim-sanity==0.7.4 scim2-server==0.8.3 scim2-models==0.12.3
cd "$tmp"
port=$("$tmp/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$tmp/venv/bin/scim2-server" --hostname 127.0.0.1 --port "$port" --bearer-token t >server.log 2>&1 &
server=$!
for _ in $(seq 600); do
    curl -s -o /dev/null "http://127.0.0.1:$port/ServiceProviderConfig" && break
    kill -0 "$server" || { cat server.log; exit 1; }
    sleep 0.1
done

try() {
    local lint answer
    printf '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],%s}' "$2" >user.json
    lint=valid
    "$tmp/venv/bin/scim-sanity" user.json >lint.log 2>&1 || lint=refused
    answer=$(curl -s -H "Authorization: Bearer t" -H "Content-Type: application/scim+json" -d @user.json \
        -w '\n{"code":%{http_code}}' "http://127.0.0.1:$port/Users" |
        "$tmp/venv/bin/python" -c 'import json, sys
body, code = map(json.loads, sys.stdin.read().rsplit("\n", 1))
print(code["code"], body.get("scimType", ""))')
    printf '%s: scim-sanity %s, scim2-server %s\n' "$1" "$lint" "${answer% }"
}
{
    try "two primaries" '"userName":"u1","emails":[{"value":"a@example.com","primary":true},{"value":"b@example.com","primary":true}]'
    try "unknown attribute" '"userName":"u2","favouriteColour":"green"'
    try "givenName 3" '"userName":"u3","name":{"givenName":3}'
    try "locale 3" '"userName":"u4","locale":3'
    try "plain user" '"userName":"u5"'
} >seen

cat seen
cat >wanted <<'TEXT'
two primaries: scim-sanity valid, scim2-server 400 invalidValue
unknown attribute: scim-sanity valid, scim2-server 400 invalidSyntax
givenName 3: scim-sanity valid, scim2-server 400 invalidValue
locale 3: scim-sanity valid, scim2-server 400 invalidValue
plain user: scim-sanity valid, scim2-server 201
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
