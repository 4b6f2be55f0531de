// SCIMMY's Express router over two maps. In: RIG_PORT, RIG_TOKEN. The base is /scim/v2. The protocol is all SCIMMY's;
// what an application has to add is here: storage, filters, and unique names in whatever case (409).
import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const { RIG_PORT, RIG_TOKEN } = process.env;

/** Handlers for one resource type, whose `nameAttribute` is unique without regard to case. */
function store(nameAttribute) {
  const byId = new Map();
  const idByName = new Map();
  const fold = (resource) => resource[nameAttribute].toLowerCase();

  function existing(id) {
    if (!byId.has(id)) throw new SCIMMY.Types.Error(404, null, `no resource has the id ${id}`);
    return byId.get(id);
  }
  return {
    ingress(resource, data) {
      const before = resource.id && existing(resource.id);
      const id = before?.id ?? randomUUID();
      const now = new Date().toISOString();
      const after = { ...JSON.parse(JSON.stringify(data)), id };
      after.meta = { created: before?.meta.created ?? now, lastModified: now };
      if ((idByName.get(fold(after)) ?? id) !== id) {
        throw new SCIMMY.Types.Error(409, "uniqueness", `${nameAttribute} ${after[nameAttribute]} is taken`);
      }
      if (before) idByName.delete(fold(before));
      idByName.set(fold(after), id);
      byId.set(id, after);
      return after;
    },
    egress(resource) {
      if (resource.id) return existing(resource.id);
      const all = [...byId.values()];
      return resource.filter ? resource.filter.match(all) : all;
    },
    degress(resource) {
      idByName.delete(fold(existing(resource.id)));
      byId.delete(resource.id);
    },
  };
}

SCIMMY.Resources.declare(SCIMMY.Resources.User, {
  ...store("userName"),
  extensions: [{ schema: SCIMMY.Schemas.EnterpriseUser, required: false }],
});
SCIMMY.Resources.declare(SCIMMY.Resources.Group, store("displayName"));

function authenticate(request) {
  if (request.header("Authorization") !== `Bearer ${RIG_TOKEN}`) throw new Error("this bearer token is not known");
  return "rig";
}
express()
  .use("/scim/v2", new SCIMMYRouters({ type: "bearer", handler: authenticate }))
  .listen(Number(RIG_PORT), "127.0.0.1");
