#!/usr/bin/env bash
# A PATCH without a path that carries the enterprise extension as an object leaves the extension as it was and grows a
# new attribute under a URN that is cut off before its last part.
#
# Package:   scim-patch 0.8.3 (npm)
# Observed:  2026-11-30
# Seen:      {"op":"replace","value":{"urn:…:enterprise:2.0:User":{"department":"Sales"}}} applied to a person of
#            department Support:
#              urn:…:enterprise:2.0:User -> {"department":"Support","organization":"Acme"}   (unchanged)
#              urn:…:enterprise:2.0      -> {"User":{"department":"Sales"}}                  (new)
#            Nothing is raised. The flat form, {"urn:…:2.0:User:department":"Sales"}, works.
# Expected:  RFC 7644 section 3.5.2.3: without a path, the value holds the attributes to replace; extension attributes
#            are held in an object named by the extension's URN, as in every resource (RFC 7643 section 3.3).
# So what:   an app built on this answers 200, keeps the old department and shows a key nobody sent. Send extension
#            attributes with a path each, and read the answer for the value that was sent.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund scim-patch@0.8.3
cat >see.cjs <<'JS'
const { scimPatch, patchBodyValidation } = require("scim-patch");

const urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const show = (title, operation) => {
  const person = {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User", urn],
    userName: "ann",
    [urn]: { department: "Support", organization: "Acme" },
  };
  patchBodyValidation({ schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], Operations: [operation] });
  const { schemas, userName, ...rest } = scimPatch(person, [operation]);
  console.log(title);
  for (const [key, value] of Object.entries(rest)) console.log("  ", key, JSON.stringify(value));
};
show("object:", { op: "replace", value: { [urn]: { department: "Sales" } } });
show("flat:", { op: "replace", value: { [`${urn}:department`]: "Sales" } });
JS
node see.cjs >seen

cat seen
cat >wanted <<'TEXT'
object:
   urn:ietf:params:scim:schemas:extension:enterprise:2.0:User {"department":"Support","organization":"Acme"}
   urn:ietf:params:scim:schemas:extension:enterprise:2.0 {"User":{"department":"Sales"}}
flat:
   urn:ietf:params:scim:schemas:extension:enterprise:2.0:User {"department":"Sales","organization":"Acme"}
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
