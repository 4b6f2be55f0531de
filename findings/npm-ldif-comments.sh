#!/usr/bin/env bash
# An LDIF parser refuses a folded comment line and an attribute without a value, both of which the format allows.
#
# Package:   ldif 0.5.1 (npm)
# Observed:  2026-11-30
# Seen:      comment on one line     -> 1 entry
#            folded comment          -> Expected DN, WHITESPACE or entry but " " found.
#            "title:" with no value  -> Cannot read properties of null (reading 'type')
# Expected:  RFC 2849: note 2 says that any non-empty line, comment lines included, may be folded, and its grammar has
#            `value-spec = ":" ( FILL 0*1(SAFE-STRING) / … )`, so that the text after the colon may be missing.
#            ldapsearch folds long comment lines (its "# base <…>" and filter lines) by itself.
# So what:   an export that was read yesterday fails when a search base or filter in its header gets longer than a line.
#            Ask the exporting tool not to fold and not to comment (ldapsearch -LLL -o ldif-wrap=no).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund ldif@0.5.1
cat >see.cjs <<'JS'
const ldif = require("ldif");

const files = {
  "comment on one line": "version: 1\n# made by hand\ndn: cn=Ann,dc=example\ncn: Ann\n",
  "folded comment": "version: 1\n# made by\n  hand\ndn: cn=Ann,dc=example\ncn: Ann\n",
  "no value": "version: 1\ndn: cn=Ann,dc=example\ntitle:\ncn: Ann\n",
};
for (const [title, text] of Object.entries(files)) {
  try {
    console.log(title, "->", ldif.parse(text).entries.map((entry) => JSON.stringify(entry.toObject({}))).join(" "));
  } catch (refusal) {
    console.log(title, "->", refusal.message);
  }
}
JS
node see.cjs >seen

cat seen
cat >wanted <<'TEXT'
comment on one line -> {"dn":"cn=Ann,dc=example","attributes":{"cn":"Ann"}}
folded comment -> Expected DN, WHITESPACE or entry but " " found.
no value -> Cannot read properties of null (reading 'type')
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
