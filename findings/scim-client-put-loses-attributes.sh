#!/usr/bin/env bash
# Read a user, change the display name, write the user back: the title and the phone numbers are gone from the server.
# And a user with an honorific cannot be read at all.
#
# Packages:  scim-client 0.2.3 against scim2-server 0.8.3 with scim2-models 0.12.3 (PyPI)
# Observed:  2026-11-30
# Seen:      before: displayName Ann, title Lead, phoneNumbers 1, department Sales
#            after update_user with another display_name: displayName Ann B., title and phoneNumbers missing,
#            department Sales
#            read_user of somebody with name.honorificPrefix: TypeError: UserName.__init__() got an unexpected keyword
#            argument 'honorific_prefix'
# Expected:  RFC 7644 section 3.5.1: PUT replaces the resource, so a client must send back what it read. The client
#            keeps unknown attributes in `extra_fields` but leaves that out of the request. honorificPrefix is a core
#            sub-attribute (RFC 7643 section 4.1.1).
# So what:   two tools on one app: this one silently undoes the other's attributes with every change. Drift of
#            attributes that nobody touched points to such a writer.
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true; rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install scim-client==0.2.3 scim2-server==0.8.3 scim2-models==0.12.3
cd "$tmp"
port=$("$tmp/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$tmp/venv/bin/scim2-server" --hostname 127.0.0.1 --port "$port" --bearer-token t >server.log 2>&1 &
server=$!
for _ in $(seq 600); do
    curl -s -o /dev/null "http://127.0.0.1:$port/ServiceProviderConfig" && break
    kill -0 "$server" || { cat server.log; exit 1; }
    sleep 0.1
done

"$tmp/venv/bin/python" - "http://127.0.0.1:$port" >seen <<'PY'
import json
import sys
from urllib.request import Request, urlopen
from scim_client import SCIMClient

base = sys.argv[1]
core = "urn:ietf:params:scim:schemas:core:2.0:User"
enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def plain(method, path, body=None):
    headers = {"Authorization": "Bearer t", "Content-Type": "application/scim+json"}
    data = json.dumps(body).encode() if body else None
    return json.load(urlopen(Request(base + path, data=data, method=method, headers=headers)))


def show(when):
    now = plain("GET", "/Users/" + ann["id"])
    print(when, now["displayName"], now.get("title"), len(now.get("phoneNumbers", [])), now[enterprise]["department"])


person = {
    "schemas": [core, enterprise],
    "userName": "ann",
    "externalId": "u1",
    "active": True,
    "displayName": "Ann",
    "title": "Lead",
    "name": {"givenName": "Ann", "familyName": "Example"},
    "emails": [{"value": "ann@example.com", "type": "work"}],
    "phoneNumbers": [{"value": "+1-555-0100", "type": "work"}],
    enterprise: {"department": "Sales"},
}
ann = plain("POST", "/Users", person)
client = SCIMClient(base, "t")
show("before:")
user = client.read_user(ann["id"])
user.display_name = "Ann B."
client.update_user(user)
show("after:")

person.update(userName="bob", name={"givenName": "Bob", "familyName": "Example", "honorificPrefix": "Dr."})
try:
    client.read_user(plain("POST", "/Users", person)["id"])
    print("bob is read")
except TypeError as refusal:
    print("TypeError:", refusal)
PY

cat seen
cat >wanted <<'TEXT'
before: Ann Lead 1 Sales
after: Ann B. None 0 Sales
TypeError: UserName.__init__() got an unexpected keyword argument 'honorific_prefix'
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
