#!/usr/bin/env bash
# A value filter whose text contains a colon, such as roles[value eq "app:admin"], is refused as an invalid path.
#
# Package:   scim-patch 0.8.3 (npm)
# Observed:  2026-11-30
# Seen:      remove roles[value eq "viewer"]     -> only app:admin is left
#            remove roles[value eq "app:admin"]  -> InvalidScimPatchOp: … This part of the path roles[value eq "app is
#                                                   invalid for SCIM patch request.
#            The last colon of the path is taken for the end of a schema URN, also inside the quotes.
# Expected:  RFC 7644 section 3.5.2, figure 7: PATH = attrPath / valuePath [subAttr]; the compared value is any JSON
#            string. Role and entitlement values, URNs and URLs commonly have colons.
# So what:   such a role can be added and never be removed by name. When a removal by filter is refused with 400, write
#            the attribute's whole list with `replace` and read it back.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund scim-patch@0.8.3
cat >see.cjs <<'JS'
const { scimPatch, patchBodyValidation } = require("scim-patch");

for (const value of ["viewer", "app:admin"]) {
  const person = {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
    userName: "ann",
    roles: [{ value: "app:admin" }, { value: "viewer" }],
  };
  const operation = { op: "remove", path: `roles[value eq "${value}"]` };
  patchBodyValidation({ schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], Operations: [operation] });
  try {
    console.log(operation.path, "->", JSON.stringify(scimPatch(person, [operation]).roles));
  } catch (refusal) {
    console.log(operation.path, "->", refusal.constructor.name, refusal.message);
  }
}
JS
node see.cjs >seen

cat seen
cat >wanted <<'TEXT'
roles[value eq "viewer"] -> [{"value":"app:admin"}]
roles[value eq "app:admin"] -> InvalidScimPatchOp Invalid SCIM Patch: This part of the path roles[value eq "app is invalid for SCIM patch request.
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
