#!/usr/bin/env python3
"""Tries out a SCIM server with two testers, scim2-tester and scim-sanity, and prints every check as JSON.

In: the base URL as the only argument, the bearer token in RIG_TOKEN; run by the Python of the part `scim-testers`.
Out: [{"tester", "check", "outcome": "passed" | "skipped" | "failed", "reason"}]. They create, change and delete users
and groups, so the server should be a throw-away one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server


def scim2_tester(base, token):
    headers = {"Authorization": "Bearer " + token}
    with Client(base_url=base, headers=headers, trust_env=False) as client:
        for result in check_server(SyncSCIMClient(client)):
            # DEVIATION breaks a SHOULD, which is within the specification's bounds but not what this project wants.
            failed = result.status in (Status.DEVIATION, Status.ERROR, Status.CRITICAL)
            outcome = "failed" if failed else "skipped" if result.status == Status.SKIPPED else "passed"
            yield {"tester": "scim2-tester", "check": result.title, "outcome": outcome, "reason": result.reason or ""}


def scim_sanity(base, token):
    program = Path(sys.executable).with_name("scim-sanity")
    arguments = ["probe", base, "--token", token, "--i-accept-side-effects", "--json-output"]
    # Exit code 1 means that checks failed, which the report says in more detail.
    report = subprocess.run([program, *arguments], stdout=subprocess.PIPE, check=False, stdin=subprocess.DEVNULL)
    outcomes = {"pass": "passed", "skip": "skipped"}
    for result in json.loads(report.stdout)["results"]:
        yield {
            "tester": "scim-sanity",
            "check": result["name"],
            "outcome": outcomes.get(result["status"], "failed"),
            "reason": result.get("message") or "",
        }


def main():
    base, token = sys.argv[1], os.environ["RIG_TOKEN"]
    json.dump([*scim2_tester(base, token), *scim_sanity(base, token)], sys.stdout)


if __name__ == "__main__":
    main()
