"""The smallest Django application that has SCIM. In: RIG_PORT, RIG_TOKEN, RIG_DIR. The base is /scim/v2."""

import os
from pathlib import Path

SECRET_KEY = "only-for-tests-and-only-on-loopback"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "accounts", "django_scim"]
MIDDLEWARE = ["accounts.middleware.bearer", "django_scim.middleware.SCIMAuthCheckMiddleware"]
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(os.environ["RIG_DIR"]) / "app.sqlite",
        "OPTIONS": {"timeout": 20},
    }
}
# The tables are made from the models as they are: a database that lives for one test has no history to migrate.
MIGRATION_MODULES = {"accounts": None, "auth": None, "contenttypes": None}

SCIM_SERVICE_PROVIDER = {
    "SCHEME": "http",
    "NETLOC": f"127.0.0.1:{os.environ['RIG_PORT']}",
    "USER_ADAPTER": "django_scim.adapters.SCIMUser",
    "GROUP_ADAPTER": "django_scim.adapters.SCIMGroup",
    "GROUP_MODEL": "accounts.models.Group",
    "WWW_AUTHENTICATE_HEADER": "Bearer",
    "AUTHENTICATION_SCHEMES": [{"type": "oauthbearertoken", "name": "Bearer", "description": "one fixed token"}],
}
