#!/usr/bin/env bash
# A deactivation with the full attribute name is answered with 200, and the person stays active.
#
# Packages:  django-scim2-server 1.1.0 with Django 5.2.19 and scim2-models 0.12.3 (PyPI)
# Observed:  2026-11-30
# Seen:      PATCH replace urn:ietf:params:scim:schemas:core:2.0:User:active = false  -> 200, active true
#            PATCH replace Active = false                                             -> 200, active true
#            PATCH replace emails[type eq "home"].value = …                           -> 200, e-mail as before
#            PATCH replace active = false                                             -> 200, active false
# Expected:  RFC 7644 section 3.10: an attribute may be named with its schema's URN in front (for core attributes clients
#            may leave it out); RFC 7643 section 2.1: attribute names are case insensitive. A path that a server does not support is
#            an error, 400 with invalidPath or noTarget (section 3.12), and not a success.
# So what:   200 to a PATCH is no proof. Read the answer's `active` after a deactivation, and send the short names.
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
from urllib.request import Request, urlopen


def call(method, path, body):
    headers = {"Authorization": "Bearer t", "Content-Type": "application/scim+json"}
    with urlopen(Request(sys.argv[1] + path, data=json.dumps(body).encode(), method=method, headers=headers)) as answer:
        return answer.status, json.load(answer)


_, ann = call("POST", "/Users", {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ann",
    "emails": [{"value": "ann@example.com", "type": "work"}],
})
for path, value in (("urn:ietf:params:scim:schemas:core:2.0:User:active", False), ("Active", False),
                    ('emails[type eq "home"].value', "home@example.com"), ("active", False)):
    status, now = call("PATCH", "/Users/" + ann["id"], {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": path, "value": value}],
    })
    print(path, "->", status, "active", now["active"], now["emails"][0]["value"])
PY

cat seen
cat >wanted <<'TEXT'
urn:ietf:params:scim:schemas:core:2.0:User:active -> 200 active True ann@example.com
Active -> 200 active True ann@example.com
emails[type eq "home"].value -> 200 active True ann@example.com
active -> 200 active False ann@example.com
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
