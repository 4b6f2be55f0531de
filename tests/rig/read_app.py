#!/usr/bin/env python3
"""Reads every user and group of a SCIM app and prints them as one JSON document.

In: the base URL as the only argument, the bearer token in RIG_TOKEN. Out:
{"users": [{...}], "groups": [{"displayName", "members": [userName], "dangling": [value], ...}]}; `raw` in each is the
resource as the app gave it. It shares nothing with the program under test: standard library only, no filter, no count,
no attribute selection, so it reads apps that understand none of these. Anything odd ends it with a message and exit 1.
"""

import json
import os
import sys
import urllib.error
import urllib.request

TIME_LIMIT = 60  # seconds for one answer


def get(url, token):
    request = urllib.request.Request(
        url, headers={"Authorization": "Bearer " + token, "Accept": "application/scim+json, application/json"}
    )
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with no_proxy.open(request, timeout=TIME_LIMIT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"GET {url}: {error.code}: {error.read(500)!r}")
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        sys.exit(f"GET {url}: {error}")


def read_all(base, endpoint, token):
    """Every resource of one type, in the app's order, each once."""
    url = f"{base}/{endpoint}"
    by_id = {}
    page = get(url, token)
    while True:
        known = len(by_id)
        for resource in page.get("Resources") or []:
            by_id.setdefault(resource["id"], resource)
        # Some apps answer a page past the end with rows again, so a page without news is an end too.
        if len(by_id) >= page["totalResults"] or len(by_id) == known:
            break
        # Where pages are so small that hundreds would be needed, larger ones are asked for; an app may ignore it.
        count = "&count=1000" if page["totalResults"] > 10 * len(page["Resources"]) else ""
        page = get(f"{url}?startIndex={len(by_id) + 1}{count}", token)
    if len(by_id) != page["totalResults"]:
        sys.exit(f"{url}: {page['totalResults']} announced, {len(by_id)} read")
    return list(by_id.values())


def user(resource):
    name = resource.get("name") or {}
    return {
        "id": resource["id"],
        "userName": resource["userName"],
        "externalId": resource.get("externalId"),
        "active": resource.get("active"),
        "displayName": resource.get("displayName"),
        "givenName": name.get("givenName"),
        "familyName": name.get("familyName"),
        "emails": [email["value"] for email in resource.get("emails") or []],
        "raw": resource,
    }


def group(resource, base, token, name_by_value):
    # A listing may leave members out; only the single resource says that there are none.
    if not resource.get("members"):
        resource = get(f"{base}/Groups/{urllib.request.quote(resource['id'], safe='')}", token)
    values = [member["value"] for member in resource.get("members") or []]
    return {
        "id": resource["id"],
        "displayName": resource["displayName"],
        "externalId": resource.get("externalId"),
        "members": sorted(name_by_value[value] for value in values if value in name_by_value),
        "dangling": sorted(value for value in values if value not in name_by_value),
        "raw": resource,
    }


def main():
    base, token = sys.argv[1].rstrip("/"), os.environ["RIG_TOKEN"]
    users = [user(resource) for resource in read_all(base, "Users", token)]
    # A member's value is the user's id; one known app gives the user name in its place.
    name_by_value = {user["userName"]: user["userName"] for user in users}
    name_by_value |= {user["id"]: user["userName"] for user in users}
    groups = [group(resource, base, token, name_by_value) for resource in read_all(base, "Groups", token)]
    json.dump({"users": users, "groups": groups}, sys.stdout)


if __name__ == "__main__":
    main()
