#!/usr/bin/env bash
# A condition on an attribute that is not mapped is left out of the SQL, and the rest of the filter is answered.
#
# Package:   scim2-filter-parser 0.7.0 (PyPI)
# Observed:  2026-11-30
# Seen:      with only userName and active mapped to columns:
#              active eq true and externalId eq "u7"  ->  every active person
#              userName eq "ann" and nickName eq "x"  ->  ann
#              externalId eq "u7"                     ->  no WHERE clause at all
#            Nothing is raised or logged.
# Expected:  RFC 7644 section 3.4.2.2: an attribute without a value makes `eq` false (so no hit), and section 3.12 has
#            the error invalidFilter for attributes and comparisons that a server does not support. `X and unknown`
#            should never match more than the unknown part allows.
# So what:   a look-up before adopting an account can be answered with everybody. Compare each hit with what was asked
#            before linking it, also when there is exactly one hit.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install scim2-filter-parser==0.7.0
"$tmp/venv/bin/python" - >"$tmp/seen" <<'PY'
from scim2_filter_parser.queries import SQLQuery

columns = {("userName", None, None): "people.login", ("active", None, None): "people.active"}
for text in ('active eq true and externalId eq "u7"', 'userName eq "ann" and nickName eq "x"', 'externalId eq "u7"'):
    print(text, "->", SQLQuery(text, "people", columns).where_sql)
PY

cat "$tmp/seen"
cat >"$tmp/wanted" <<'TEXT'
active eq true and externalId eq "u7" -> people.active = {a}
userName eq "ann" and nickName eq "x" -> UPPER(people.login) = UPPER({a})
externalId eq "u7" -> None
TEXT
diff "$tmp/wanted" "$tmp/seen" && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
