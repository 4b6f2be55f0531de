// Better Auth with its SCIM plugin on a SQLite file. In: RIG_PORT, RIG_TOKEN, RIG_DIR. The base is /api/auth/scim/v2.
import { webcrypto } from "node:crypto";
import http from "node:http";
import path from "node:path";
import { scim } from "@better-auth/scim";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { SqliteDialect } from "kysely";
import Database from "libsql";

// Node 18 has it, but not as a global.
globalThis.crypto ??= webcrypto;
const { RIG_PORT, RIG_TOKEN, RIG_DIR } = process.env;

const auth = betterAuth({
  baseURL: `http://127.0.0.1:${RIG_PORT}`,
  basePath: "/api/auth",
  secret: "only-for-tests-and-only-on-loopback-0123456789",
  // libsql speaks better-sqlite3's interface and comes compiled; the SCIM plugin insists on real transactions.
  database: {
    dialect: new SqliteDialect({ database: new Database(path.join(RIG_DIR, "app.sqlite")) }),
    type: "sqlite",
    transaction: true,
  },
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [
    scim({ connections: [{ id: "rig", credentials: [{ type: "bearer", id: "rig", token: RIG_TOKEN }] }] }),
  ],
});

await (await getMigrations(auth.options)).runMigrations();
http.createServer(toNodeHandler(auth)).listen(Number(RIG_PORT), "127.0.0.1");
