#!/usr/bin/env bash
# An escaped asterisk in an LDAP filter is unescaped and then works as a wildcard; an escaped bracket cannot be written back.
#
# Package:   ldap-filter 1.0.1 (PyPI)
# Observed:  2026-11-30
# Seen:      (cn=ops\2a)   matches "ops*" and also "opsadmin"
#            (cn=*\2A*)    matches "plain"; to_string() gives (cn=***)
#            (o=Parens R Us \28for all your parenthetical needs\29)
#                          to_string() gives (o=Parens R Us (for all your parenthetical needs)), which the package itself
#                          refuses to parse (ParseError)
# Expected:  RFC 4515 section 3: \2a, \28 and \29 are the literal characters; the second and third filter are its own
#            examples (section 4).
# So what:   a group filter tested with this package lets in more people than the directory does. Test filters against
#            a directory, not against a re-implementation.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install ldap-filter==1.0.1
"$tmp/venv/bin/python" - >"$tmp/seen" <<'PY'
from ldap_filter import Filter

for text, names in ((r"(cn=ops\2a)", ("ops*", "opsadmin", "dev")), (r"(cn=*\2A*)", ("a*b", "plain"))):
    print(text, "matches", [name for name in names if Filter.parse(text).match({"cn": name})])
for text in (r"(cn=*\2A*)", r"(o=Parens R Us \28for all your parenthetical needs\29)"):
    written = Filter.parse(text).to_string()
    try:
        Filter.parse(written)
        again = "parsed again"
    except Exception as refusal:
        again = type(refusal).__name__
    print(text, "is written as", written, "and", again)
PY

cat "$tmp/seen"
cat >"$tmp/wanted" <<'TEXT'
(cn=ops\2a) matches ['ops*', 'opsadmin']
(cn=*\2A*) matches ['a*b', 'plain']
(cn=*\2A*) is written as (cn=***) and parsed again
(o=Parens R Us \28for all your parenthetical needs\29) is written as (o=Parens R Us (for all your parenthetical needs)) and ParseError
TEXT
diff "$tmp/wanted" "$tmp/seen" && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
