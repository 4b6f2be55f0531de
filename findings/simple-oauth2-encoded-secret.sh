#!/usr/bin/env bash
# An OAuth client that encodes its id and secret as the RFC says is refused by a server that does not decode them.
#
# Packages:  simple-oauth2 5.1.0 against @node-oauth/oauth2-server 5.3.0 (npm)
# Observed:  2026-11-30
# Seen:      id "scim client", secret "p+a/ss%word", grant client_credentials, HTTP Basic
#              simple-oauth2 by default                            -> 401 invalid_client; the server was shown
#                                                                     id "scim+client", secret "p%2Ba%2Fss%25word"
#              with options.credentialsEncodingMode = "loose"      -> a token
# Expected:  RFC 6749 section 2.3.1: id and secret are form-encoded before they become the Basic user name and password,
#            so the server has to decode them after base64.
# So what:   generated secrets with + / % work in one tool and not in the next, with the same settings. On a 401 from a
#            token endpoint try a secret of letters and digits before looking for a wrong one; offer a switch.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund simple-oauth2@5.1.0 @node-oauth/oauth2-server@5.3.0
cat >see.cjs <<'JS'
const http = require("node:http");
const OAuth2Server = require("@node-oauth/oauth2-server");
const { ClientCredentials } = require("simple-oauth2");

const client = { id: "scim client", secret: "p+a/ss%word" };
let shown;
const oauth = new OAuth2Server({
  model: {
    getClient: async (id, secret) => {
      shown = JSON.stringify([id, secret]);
      return id === client.id && secret === client.secret ? { id, grants: ["client_credentials"] } : null;
    },
    getUserFromClient: async () => ({}),
    saveToken: async (token, owner, user) => ({ ...token, client: owner, user }),
  },
});
const server = http.createServer((incoming, outgoing) => {
  let text = "";
  incoming.on("data", (part) => (text += part));
  incoming.on("end", async () => {
    const { headers, method } = incoming;
    const request = new OAuth2Server.Request({ headers, method, query: {}, body: Object.fromEntries(new URLSearchParams(text)) });
    const response = new OAuth2Server.Response({});
    await oauth.token(request, response).catch(() => {});
    outgoing.writeHead(response.status, { "Content-Type": "application/json" }).end(JSON.stringify(response.body));
  });
});
server.listen(0, "127.0.0.1", async () => {
  const auth = { tokenHost: `http://127.0.0.1:${server.address().port}`, tokenPath: "/token" };
  for (const [title, options] of [["default", {}], ["loose", { credentialsEncodingMode: "loose" }]]) {
    try {
      const { token } = await new ClientCredentials({ client, auth, options }).getToken({});
      console.log(title, "->", token.token_type, "token; shown", shown);
    } catch (refusal) {
      console.log(title, "->", refusal.output?.statusCode, refusal.data?.payload?.error, "shown", shown);
    }
  }
  server.close();
});
JS
node see.cjs >seen

cat seen
cat >wanted <<'TEXT'
default -> 401 invalid_client shown ["scim+client","p%2Ba%2Fss%25word"]
loose -> Bearer token; shown ["scim client","p+a/ss%word"]
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
