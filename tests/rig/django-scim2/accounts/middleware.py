import os
from types import SimpleNamespace


def bearer(get_response):
    """Signs the request in when it carries the one token there is; django-scim2 asks no more of a user."""
    expected = "Bearer " + os.environ["RIG_TOKEN"]

    def middleware(request):
        known = request.headers.get("Authorization") == expected
        request.user = SimpleNamespace(is_authenticated=known, is_anonymous=not known)
        return get_response(request)

    return middleware
