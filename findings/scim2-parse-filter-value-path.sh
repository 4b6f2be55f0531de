#!/usr/bin/env bash
# `emails[type eq "work" and value co …]` is true when one e-mail has the type and another one has the value.
#
# Package:   scim2-parse-filter 0.2.10 (npm), its `filter` function
# Observed:  2026-11-30
# Seen:      ann: work a@corp.test, home a@example.com;   bob: work b@example.com
#              emails[type eq "work" and value co "@example.com"]   -> ann bob
# Expected:  RFC 7644 section 3.4.2.2: the filter in brackets is applied to each element, and all its conditions hold
#            for the same element ("work e-mail with @example.com"): bob alone. That is what sets it apart from
#            emails.type eq "work" and emails.value co "@example.com".
# So what:   a look-up by work address can return somebody whose private address it is. Check the element on the
#            client's side before adopting, and prefer userName or externalId for look-ups.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund scim2-parse-filter@0.2.10
cat >see.cjs <<'JS'
const { parse, filter } = require("scim2-parse-filter");

const people = [
  { userName: "ann", emails: [{ type: "work", value: "a@corp.test" }, { type: "home", value: "a@example.com" }] },
  { userName: "bob", emails: [{ type: "work", value: "b@example.com" }] },
];
for (const text of ['emails[type eq "work" and value co "@example.com"]', 'emails[type eq "work" and value eq "b@example.com"]']) {
  console.log(text, "->", people.filter(filter(parse(text))).map((person) => person.userName).join(" "));
}
JS
node see.cjs >seen

cat seen
cat >wanted <<'TEXT'
emails[type eq "work" and value co "@example.com"] -> ann bob
emails[type eq "work" and value eq "b@example.com"] -> bob
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
