#!/usr/bin/env bash
# A SCIM client that meets 429 with `Retry-After: 30` asks again after one second and after two, and then gives up.
#
# Package:   scim-client 0.2.3 (PyPI)
# Observed:  2026-11-30
# Seen:      three times the same POST, each a few seconds at most after the one before (1 s and 2 s), then HTTPError 429
# Expected:  RFC 6585 section 4 and RFC 9110 section 10.2.3: Retry-After says how long to wait; a client that repeats
#            automatically is expected to wait at least that long.
# So what:   beside such a client on the same token the app's budget is used up by repeats that cannot succeed. Do not
#            share a token with other tools, and count on 429 also when the own rate is low.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install scim-client==0.2.3
"$tmp/venv/bin/python" - >"$tmp/seen" 2>"$tmp/log" <<'PY'
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.error import HTTPError
from scim_client import SCIMClient
from scim_client.resources import User

calls = []


class Busy(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        calls.append((time.monotonic(), self.command + " " + self.path))
        self.send_response(429)
        self.send_header("Retry-After", "30")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


app = HTTPServer(("127.0.0.1", 0), Busy)
threading.Thread(target=app.serve_forever, daemon=True).start()
ann = User(id="", external_id="u1", user_name="ann", active=True, display_name="Ann",
           name={"given_name": "Ann", "family_name": "Example"}, emails=[])
try:
    SCIMClient(f"http://127.0.0.1:{app.server_port}", "t").create_user(ann)
except HTTPError as refusal:
    print("gave up with", refusal.code)
print("calls:", [call for _, call in calls])
print("waited less than the 30 s asked for:", all(b - a < 10 for (a, _), (b, _) in zip(calls, calls[1:])))
PY

cat "$tmp/seen"
cat >"$tmp/wanted" <<'TEXT'
gave up with 429
calls: ['POST /Users', 'POST /Users', 'POST /Users']
waited less than the 30 s asked for: True
TEXT
diff "$tmp/wanted" "$tmp/seen" && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
