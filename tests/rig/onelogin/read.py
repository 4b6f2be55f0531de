"""Reads users, roles, apps and events with the vendor's own Python client, page by page, and prints them as JSON."""

import json
import os
import sys

import onelogin
from onelogin.api import apps_api, events_api, o_auth2_api, roles_api, users_v2_api
from onelogin.models.generate_token_request import GenerateTokenRequest

FIELDS = "id,username,email,firstname,lastname,status,state,role_ids,custom_attributes,manager_user_id"
host, application = sys.argv[1], int(sys.argv[2])
credentials = onelogin.Configuration(
    host=host, username=os.environ["RIG_CLIENT_ID"], password=os.environ["RIG_CLIENT_SECRET"]
)
with onelogin.ApiClient(credentials) as client:
    token = o_auth2_api.OAuth2Api(client).generate_token(
        GenerateTokenRequest(grant_type="client_credentials"), content_type="application/json"
    )


def pages(call, first, later):
    """Everything of a list, and how many pages it had."""
    found, count, cursor = [], 0, None
    while True:
        answer = call(**(first if cursor is None else {"cursor": cursor, **later}))
        found += answer.data
        count += 1
        cursor = answer.headers.get("After-Cursor")
        if not cursor:
            assert int(answer.headers["Total-Count"]) == len(found), answer.headers
            return found, count


reader = onelogin.Configuration(host=host)
# Its constructor forgets the token it is given.
reader.access_token = token.access_token
with onelogin.ApiClient(reader) as client:
    users = users_v2_api.UsersV2Api(client)
    roles = roles_api.RolesApi(client)
    apps = apps_api.AppsApi(client)
    people, people_pages = pages(
        users.list_users2_with_http_info, {"limit": 50, "fields": FIELDS}, {"fields": FIELDS}
    )
    all_roles, _ = pages(roles.list_roles_with_http_info, {"limit": 100}, {})
    members = {
        role.name: sorted(
            user.id for user in pages(roles.get_role_users_with_http_info, {"role_id": str(role.id), "limit": 100},
                                      {"role_id": str(role.id)})[0]
        )
        for role in all_roles
    }
    app = apps.get_app(application)
    kinds = events_api.EventsApi(client).get_event_types()
    document = {
        "users": [user.to_dict() for user in people],
        "pages": people_pages,
        "roles": members,
        "apps": [app.name for app in apps.list_apps()],
        "app_roles": app.role_ids,
        "app_users": sorted(user.id for user in apps.get_app_users(application)),
        "event_types": [kind.name for kind in kinds.data],
        "one": users.get_user2(people[0].id).to_dict() if people else None,
    }
json.dump(document, sys.stdout)
