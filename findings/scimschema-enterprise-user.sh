#!/usr/bin/env bash
# A validator of SCIM responses refuses every user that has the enterprise extension, the RFC's own example included.
#
# Package:   scimschema 0.3.1 (PyPI)
# Observed:  2026-11-30
# Seen:      schemas [core User]                         -> valid
#            schemas [core User, enterprise User]        -> AssertionError: Response must specify exactly one core schema
#                                                           - urn:…:core:2.0:User, urn:…:extension:enterprise:2.0:User
# Expected:  RFC 7643 section 3.3: extensions are listed in "schemas" beside the one base schema; section 8.3 shows a
#            user with just these two URNs. The package carries both schemas among those it calls core.
# So what:   nobody who sends department or manager can use this check as a gate for what an app answers.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install scimschema==0.3.1
"$tmp/venv/bin/python" - >"$tmp/seen" <<'PY'
from scimschema import validate

core = "urn:ietf:params:scim:schemas:core:2.0:User"
enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
plain = {
    "schemas": [core],
    "id": "1",
    "userName": "ann",
    "meta": {
        "resourceType": "User",
        "created": "2026-11-01T08:00:00Z",
        "lastModified": "2026-11-01T08:00:00Z",
        "location": "https://app.example.com/v2/Users/1",
    },
}
for user in (plain, {**plain, "schemas": [core, enterprise], enterprise: {"employeeNumber": "7", "department": "Sales"}}):
    try:
        validate(data=user, extension_schema_definitions={})
        print(len(user["schemas"]), "schema URNs: valid")
    except AssertionError as refusal:
        print(len(user["schemas"]), "schema URNs:", str(refusal).splitlines()[0])
PY

cat "$tmp/seen"
cat >"$tmp/wanted" <<'TEXT'
1 schema URNs: valid
2 schema URNs: Response must specify exactly one core schema - urn:ietf:params:scim:schemas:core:2.0:User, urn:ietf:params:scim:schemas:extension:enterprise:2.0:User
TEXT
diff "$tmp/wanted" "$tmp/seen" && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
