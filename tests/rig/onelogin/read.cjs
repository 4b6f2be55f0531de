// Lists apps with the vendor's own JavaScript client and prints them as JSON. That client knows apps only.
const { Client } = require("@onelogin/sdk");

const [base, id] = process.argv.slice(2);
// It prints what it does to standard output, which is for the result.
console.log = console.error;
const client = new Client({
  baseURL: base,
  clientID: process.env.RIG_CLIENT_ID,
  clientSecret: process.env.RIG_CLIENT_SECRET,
});
// It makes every address https; the stand-in is on loopback.
client.client.client.httpClient.defaults.baseURL = base;

(async () => {
  const all = await client.appsRepository.Query({});
  const one = await client.appsRepository.FindByID(Number(id));
  process.stdout.write(JSON.stringify({ apps: all.data.map((app) => app.name), app: one.data }));
})();
