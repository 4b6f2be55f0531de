#!/usr/bin/env bash
# The first e-mail address sent becomes the only one and is shown as primary, though another was marked as primary.
#
# Packages:  django-scim2-server 1.1.0 with Django 5.2.19 and scim2-models 0.12.3 (PyPI)
# Observed:  2026-11-30
# Seen:      POST emails: private@example.net (home), ann@example.com (work, primary true)
#              -> 201, emails: [{"value":"private@example.net","primary":true}]
#            the same two in the other order
#              -> 201, emails: [{"value":"ann@example.com","primary":true}]
# Expected:  RFC 7643 section 2.4: "primary" says which value is the preferred one, and here it was said. A server that
#            stores one address should keep that one, and should not move the mark to a value that did not have it.
# So what:   the app may write to somebody's private address. Send a single address where an app keeps one, or put the
#            primary one first, and compare the answer with what was sent.
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

home = {"value": "private@example.net", "type": "home"}
work = {"value": "ann@example.com", "type": "work", "primary": True}
for name, emails in (("ann", [home, work]), ("ann2", [work, home])):
    user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "emails": emails}
    headers = {"Authorization": "Bearer t", "Content-Type": "application/scim+json"}
    with urlopen(Request(sys.argv[1] + "/Users", data=json.dumps(user).encode(), headers=headers)) as answer:
        print(answer.status, json.dumps(json.load(answer)["emails"]))
PY

cat seen
cat >wanted <<'TEXT'
201 [{"value": "private@example.net", "primary": true}]
201 [{"value": "ann@example.com", "primary": true}]
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
