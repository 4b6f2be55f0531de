#!/usr/bin/env bash
# SCIMMY turns `not (A or B)` into `not A or not B`: a filter that should match nobody matches everybody, and a PATCH
# that should remove nothing empties the attribute.
#
# Package:   scimmy 1.3.5 (npm)
# Observed:  2026-11-30
# Seen:      people ann, bob:     not (userName eq "ann" or userName eq "bob")   -> ann bob
#                                 not (userName eq "ann" and active eq true)     -> nobody (bob is missing)
#            roles viewer, editor: remove roles[not (value eq "viewer" or value eq "editor")]
#                                                                                -> both roles are gone
# Expected:  RFC 7644 section 3.4.2.2, grouping and "not": the whole group is negated, so nobody, bob, and no change.
#            The RFC's own list of examples has this form (userType ne … and not (emails co … or emails.value co …)).
# So what:   never send `not (… or …)` or `not (… and …)` to an app; above all not in the path of a removal. Remove by
#            naming what should go, and read back.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund scimmy@1.3.5
cat >see.mjs <<'JS'
import SCIMMY from "scimmy";

const people = [
  { userName: "ann", active: true },
  { userName: "bob", active: true },
];
for (const text of ['not (userName eq "ann" or userName eq "bob")', 'not (userName eq "ann" and active eq true)']) {
  const hits = new SCIMMY.Types.Filter(text).match(structuredClone(people));
  console.log(text, "->", hits.map((person) => person.userName).join(" ") || "nobody");
}
const ann = new SCIMMY.Schemas.User(
  {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
    id: "1",
    userName: "ann",
    roles: [{ value: "viewer" }, { value: "editor" }],
  },
  "out",
);
const patch = new SCIMMY.Messages.PatchOp({
  schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  Operations: [{ op: "remove", path: 'roles[not (value eq "viewer" or value eq "editor")]' }],
});
const after = await patch.apply(ann, (changed) => changed);
console.log("roles after the removal ->", JSON.stringify(after ? (after.roles ?? null) : "unchanged"));
JS
node see.mjs >seen

cat seen
cat >wanted <<'TEXT'
not (userName eq "ann" or userName eq "bob") -> ann bob
not (userName eq "ann" and active eq true) -> nobody
roles after the removal -> null
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
