#!/usr/bin/env bash
# A list of users made with the library's own helper is written out with an empty object for each user.
#
# Packages:  pydantic-scim 0.0.8 with pydantic 2.14.4 (PyPI; the package asks for pydantic >= 1.8 without a limit)
# Observed:  2026-11-30
# Seen:      ListResponse.for_users([User(id="1", userName="ann")], 1).model_dump_json(exclude_none=True)
#              -> {"totalResults":1,"startIndex":0,"itemsPerPage":1,"Resources":[{}],…}
#            and startIndex is 0 by default.
# Expected:  RFC 7644 section 3.4.2: "Resources" holds the resources; section 3.4.2.4: startIndex is 1-based. The rows
#            are declared as BaseModel, which has no fields, and pydantic 2 writes the fields of the declared type.
# So what:   a server made with it answers 200, the right total, and objects without id or userName. A reader must treat
#            a row without an id as a failed reading and not as an app without accounts.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install pydantic-scim==0.0.8 pydantic==2.14.4
"$tmp/venv/bin/python" -W ignore - >"$tmp/seen" <<'PY'
from pydanticscim.responses import ListResponse
from pydanticscim.user import User

user = User(id="1", userName="ann")
print("user alone has userName:", '"userName":"ann"' in user.model_dump_json(exclude_none=True))
answer = ListResponse.for_users([user], 1).model_dump(mode="json", exclude_none=True)
print({key: answer[key] for key in ("totalResults", "startIndex", "itemsPerPage", "Resources")})
PY

cat "$tmp/seen"
cat >"$tmp/wanted" <<'TEXT'
user alone has userName: True
{'totalResults': 1, 'startIndex': 0, 'itemsPerPage': 1, 'Resources': [{}]}
TEXT
diff "$tmp/wanted" "$tmp/seen" && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
