#!/usr/bin/env bash
# After DELETE answered 204 the user can still be read and listed, and cannot be created again under the same name.
#
# Packages:  django-scim2-server 1.1.0 with Django 5.2.19 and scim2-models 0.12.3 (PyPI)
# Observed:  2026-11-30
# Seen:      DELETE /Users/ID -> 204;  GET /Users/ID -> 200, active false;  GET /Users -> totalResults 1;
#            POST of the same userName -> 409 uniqueness
# Expected:  RFC 7644 section 3.6: a provider may keep the data, but must answer 404 to all operations on the deleted
#            resource, must leave it out of query results, and should not count it as a conflict for a new one.
# So what:   404 is no proof that is always available. Somebody who comes back must be looked up and switched on
#            again; a client that only knows "deleted, so create" fails with 409 for ever.
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true; rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install django-scim2-server==1.1.0 django==5.2.19 scim2-models==0.12.3
cd "$tmp"
cat >site_settings.py <<'PY'
from django.urls import include, path

SECRET_KEY = "only for this run"
ROOT_URLCONF = "site_settings"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_scim2_server"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "people.db"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
SCIM2_SERVER_AUTH_CHECK = "site_settings.has_token"


def has_token(request):
    return request.headers.get("Authorization") == "Bearer t"


urlpatterns = [path("scim/v2/", include("django_scim2_server.urls"))]
PY
export DJANGO_SETTINGS_MODULE=site_settings PYTHONPATH="$tmp"
"$tmp/venv/bin/django-admin" migrate -v0
port=$("$tmp/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$tmp/venv/bin/django-admin" runserver --noreload "127.0.0.1:$port" >server.log 2>&1 &
server=$!
for _ in $(seq 600); do
    curl -s -o /dev/null "http://127.0.0.1:$port/" && break
    kill -0 "$server" || { cat server.log; exit 1; }
    sleep 0.1
done

"$tmp/venv/bin/python" - "http://127.0.0.1:$port/scim/v2" >seen <<'PY'
import json
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def call(method, path, body=None):
    headers = {"Authorization": "Bearer t", "Content-Type": "application/scim+json"}
    data = json.dumps(body).encode() if body else None
    try:
        with urlopen(Request(sys.argv[1] + path, data=data, method=method, headers=headers)) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else {}
    except HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())


user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ann"}
_, ann = call("POST", "/Users", user)
print("DELETE:", call("DELETE", "/Users/" + ann["id"])[0])
status, body = call("GET", "/Users/" + ann["id"])
print("GET:", status, "active", body.get("active"))
print("list: totalResults", call("GET", "/Users")[1]["totalResults"])
status, body = call("POST", "/Users", user)
print("POST again:", status, body.get("scimType"))
PY

cat seen
cat >wanted <<'TEXT'
DELETE: 204
GET: 200 active False
list: totalResults 1
POST again: 409 uniqueness
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
