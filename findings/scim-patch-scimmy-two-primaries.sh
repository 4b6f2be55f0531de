#!/usr/bin/env bash
# Two PATCH implementations leave two e-mail addresses marked as primary after a new primary one was added.
#
# Packages:  scim-patch 0.8.3, scimmy 1.3.5 (npm)
# Observed:  2026-11-30
# Seen:      ann has a@example.com (primary); add emails [{"value":"b@example.com","primary":true}]
#              scim-patch -> primary: a@example.com b@example.com
#              SCIMMY     -> primary: a@example.com b@example.com
# Expected:  RFC 7644 section 3.5.2: an operation that sets a value's "primary" to true makes the server set "primary"
#            of the other values to false; RFC 7643 section 2.4: true must appear no more than once.
# So what:   the next reader gets a resource that strict models refuse (scim2-models does). Send the old value's
#            "primary": false in the same request, or replace the whole list.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund scim-patch@0.8.3 scimmy@1.3.5
cat >see.mjs <<'JS'
import scimPatchPackage from "scim-patch";
import SCIMMY from "scimmy";

const person = {
  schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
  id: "1",
  userName: "ann",
  emails: [{ value: "a@example.com", type: "work", primary: true }],
};
const operation = { op: "add", path: "emails", value: [{ value: "b@example.com", type: "home", primary: true }] };
const show = (name, changed) =>
  console.log(name, "-> primary:", changed.emails.filter((email) => email.primary).map((email) => email.value).join(" "));

show("scim-patch", scimPatchPackage.scimPatch(structuredClone(person), [structuredClone(operation)]));
const message = new SCIMMY.Messages.PatchOp({
  schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  Operations: [structuredClone(operation)],
});
show("SCIMMY", await message.apply(new SCIMMY.Schemas.User(structuredClone(person), "out"), (changed) => changed));
JS
node see.mjs >seen

cat seen
cat >wanted <<'TEXT'
scim-patch -> primary: a@example.com b@example.com
SCIMMY -> primary: a@example.com b@example.com
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
