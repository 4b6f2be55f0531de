#!/usr/bin/env bash
# `userName sw "ann_"` also finds "annika": the underscore reaches SQL's LIKE as a wildcard.
#
# Package:   scim2-filter-parser 0.7.0 (PyPI)
# Observed:  2026-11-30
# Seen:      userName sw "ann_"   -> ann_k annika     (LIKE 'ann_%', nothing escaped)
#            userName co "100%"   -> team100%x team1000 (LIKE '%100%%')
#            userName eq "ann_k"  -> ann_k
# Expected:  RFC 7644 table 3: sw and co compare with the literal text of the filter value; "_" and "%" mean nothing
#            special in a SCIM filter. Escaping them (and an ESCAPE clause) is the transpiler's part.
# So what:   underscores are common in login names. Use `eq` where one person is meant; after `sw` or `co`, test each
#            hit on the client's side.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install scim2-filter-parser==0.7.0
"$tmp/venv/bin/python" - >"$tmp/seen" <<'PY'
import sqlite3
from scim2_filter_parser.queries import SQLQuery

db = sqlite3.connect(":memory:")
db.execute("create table people (login text)")
db.executemany("insert into people values (?)", [("ann_k",), ("annika",), ("team100%x",), ("team1000",)])
for text in ('userName sw "ann_"', 'userName co "100%"', 'userName eq "ann_k"'):
    query = SQLQuery(text, "people", {("userName", None, None): "people.login"})
    where, values = query.where_sql, dict(query.params_dict)
    for key in values:
        where = where.replace("{%s}" % key, ":" + key)
    print(text, "->", " ".join(login for (login,) in db.execute("select login from people where " + where, values)))
PY

cat "$tmp/seen"
cat >"$tmp/wanted" <<'TEXT'
userName sw "ann_" -> ann_k annika
userName co "100%" -> team100%x team1000
userName eq "ann_k" -> ann_k
TEXT
diff "$tmp/wanted" "$tmp/seen" && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
