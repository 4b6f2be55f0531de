#!/usr/bin/env bash
# A SCIM filter parser refuses two of the example filters of the RFC that it implements: those with `not (…)`
# and with a URN before the attribute's name.
#
# Package:   scim-query-filter-parser 2.0.4 (npm)
# Observed:  2026-11-30
# Seen:      userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")
#              -> Failed to parse!
#            urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"
#              -> Failed to parse!
#            userType ne "Employee"            -> a function
#            userName sw "J"                   -> a function
# Expected:  both stand in RFC 7644 section 3.4.2.2 among the examples; the package's description names that section.
# So what:   extension attributes cannot be asked for at all on such a server (they need the URN), so a look-up by
#            employeeNumber must fall back to listing. Probe with a real filter before relying on it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund scim-query-filter-parser@2.0.4
cat >see.cjs <<'JS'
const { compileFilter } = require("scim-query-filter-parser");

for (const text of [
  'userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")',
  'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"',
  'userType ne "Employee"',
  'userName sw "J"',
]) {
  try {
    console.log(text, "->", typeof compileFilter(text));
  } catch (refusal) {
    console.log(text, "->", refusal.message);
  }
}
JS
node see.cjs >seen

cat seen
cat >wanted <<'TEXT'
userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org") -> Failed to parse!
urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J" -> Failed to parse!
userType ne "Employee" -> function
userName sw "J" -> function
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
