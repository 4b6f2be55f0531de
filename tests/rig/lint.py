#!/usr/bin/env python3
"""Judges what a SCIM client sent, by two implementations of the schemas that others wrote.

In: [{"method", "path", "body"}] on standard input, paths below the base URL; run by the Python of the part
`scim-testers`. Out: [{"request": number, "problem"}], empty when all is well. Only POST, PUT and PATCH of users and
groups have something to judge, in the core and the enterprise schema.
"""

import json
import sys

from pydantic import ValidationError
from scim2_models import Context, EnterpriseUser, Group, PatchOp, User
from scim_sanity.validator import SCIMValidator

MODELS = {"Users": User[EnterpriseUser], "Groups": Group}
CONTEXTS = {"POST": Context.RESOURCE_CREATION_REQUEST, "PUT": Context.RESOURCE_REPLACEMENT_REQUEST}


def problems(method, path, body):
    model = MODELS.get(path.split("/")[1])
    if model is None or method not in ("POST", "PUT", "PATCH") or path.endswith("/.search"):
        return
    resource = json.loads(body)
    patch = method == "PATCH"
    try:
        if patch:
            PatchOp[model].model_validate(resource, scim_ctx=Context.RESOURCE_PATCH_REQUEST)
        else:
            model.model_validate(resource, scim_ctx=CONTEXTS[method])
    except ValidationError as error:
        yield from (f"scim2-models: {detail['loc']}: {detail['msg']}" for detail in error.errors())
    _, errors = SCIMValidator().validate(resource, "patch" if patch else "full")
    yield from (f"scim-sanity: {error}" for error in errors)


def main():
    found = []
    for number, request in enumerate(json.load(sys.stdin)):
        for problem in problems(request["method"], request["path"], request["body"]):
            found.append({"request": number, "problem": problem})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
