#!/usr/bin/env bash
# A SCIMMY server answers one of the RFC's own example filters with 400 and a JavaScript error as the detail.
#
# Packages:  scimmy 1.3.5, scimmy-routers 1.3.2, express 4.21.2 (npm)
# Observed:  2026-11-30
# Seen:      GET /Users?filter=userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")
#              -> 400 invalidValue  Cannot read properties of undefined (reading 'toLowerCase')
#            GET /Users?filter=emails.value co "example.com"  -> 200, one hit
# Expected:  the first filter stands in RFC 7644 section 3.4.2.2 among the examples; "value" is the significant part of
#            such an attribute (RFC 7643 section 2.4), so ann is a hit. If a server does not support the filter, the
#            error is invalidFilter (section 3.12). ServiceProviderConfig says that filters are supported.
# So what:   name the sub-attribute (emails.value); and a 400 for a filter says nothing about the request's data, so it
#            must not be taken for "no such person".
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true; rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund scimmy@1.3.5 scimmy-routers@1.3.2 express@4.21.2
cat >serve.mjs <<'JS'
import { writeFileSync } from "node:fs";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const people = [
  {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
    id: "1",
    userName: "ann",
    userType: "Employee",
    emails: [{ type: "work", value: "ann@example.com" }],
  },
];
SCIMMY.Resources.declare(SCIMMY.Resources.User).egress((asked) =>
  asked.filter ? asked.filter.match(structuredClone(people)) : people,
);
const app = express();
app.use("/scim/v2", new SCIMMYRouters({ type: "bearer", handler: () => "client" }));
const listening = app.listen(0, "127.0.0.1", () => writeFileSync("port", String(listening.address().port)));
JS
node serve.mjs >server.log 2>&1 &
server=$!
for _ in $(seq 600); do
    [ ! -s port ] || break
    kill -0 "$server" || { cat server.log; exit 1; }
    sleep 0.1
done

ask() {
    curl -sG -H "Authorization: Bearer t" --data-urlencode "filter=$1" "http://127.0.0.1:$(cat port)/scim/v2/Users" |
        node -e 'const a = JSON.parse(require("fs").readFileSync(0));
                 console.log(a.status ? `${a.status} ${a.scimType} ${a.detail}` : `${a.totalResults} hit`)'
}
{
    ask 'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")'
    ask 'emails.value co "example.com"'
} >seen

cat seen
cat >wanted <<'TEXT'
400 invalidValue Cannot read properties of undefined (reading 'toLowerCase')
1 hit
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
