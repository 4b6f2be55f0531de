#!/usr/bin/env bash
# A SCIM client's search with its default arguments is refused by a SCIM server: the client counts from 0, the server
# answers 400 instead of counting from 1.
#
# Packages:  scim-client 0.2.3 against django-scim2-server 1.1.0 with Django 5.2.19, scim2-models 0.12.3 (PyPI)
# Observed:  2026-11-30
# Seen:      search_users('userName eq "ann"')                 -> HTTPError 400: startIndex must be >= 1
#            with start_index=1 the server answers; but then the hit itself stops the client:
#              TypeError: User.__init__() missing 1 required keyword-only argument: 'display_name'
# Expected:  RFC 7644 section 3.4.2.4: the index is 1-based, so a client should not send 0; and a value less than 1 SHALL
#            be interpreted as 1, so a server must not refuse it. Both sides are wrong by a little, and meet.
#            displayName is optional (RFC 7643 section 4.1.1), and this server has none.
# So what:   send startIndex only when it is not 1, and never take a 400 to a listing for "the app has nobody".
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true; rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install scim-client==0.2.3 django-scim2-server==1.1.0 django==5.2.19 scim2-models==0.12.3
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
from scim_client import SCIMClient

user = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ann",
    "externalId": "u1",
    "name": {"givenName": "Ann", "familyName": "Example"},
    "emails": [{"value": "ann@example.com"}],
}
headers = {"Authorization": "Bearer t", "Content-Type": "application/scim+json"}
urlopen(Request(sys.argv[1] + "/Users", data=json.dumps(user).encode(), headers=headers)).close()
query = SCIMClient(sys.argv[1], "t").search_users
for login, arguments in (("ann", {}), ("nobody", {"start_index": 1}), ("ann", {"start_index": 1})):
    name = f"{login} {arguments or 'default'}"
    try:
        print(name, "->", query(f'userName eq "{login}"', **arguments).total_results, "hits")
    except HTTPError as refusal:
        print(name, "->", refusal.code, json.load(refusal)["detail"])
    except TypeError as refusal:
        print(name, "->", "TypeError", refusal)
PY

cat seen
cat >wanted <<'TEXT'
ann default -> 400 startIndex must be >= 1
nobody {'start_index': 1} -> 0 hits
ann {'start_index': 1} -> TypeError User.__init__() missing 1 required keyword-only argument: 'display_name'
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
