"""Writes a Canaille instance into RIG_DIR: its configuration, its SQLite database and one token for SCIM.

In: RIG_DIR, RIG_PORT, RIG_TOKEN. Then `canaille run` with CANAILLE_CONFIG=$RIG_DIR/canaille.toml serves /scim/v2.
"""

import datetime
import os
import uuid
from pathlib import Path

folder = Path(os.environ["RIG_DIR"])
config = folder / "canaille.toml"
config.write_text(f"""\
SECRET_KEY = "only-for-tests-and-only-on-loopback"
SERVER_NAME = "127.0.0.1:{os.environ["RIG_PORT"]}"
PREFERRED_URL_SCHEME = "http"

[CANAILLE]
DATABASE = "sql"

[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{folder}/app.sqlite"

[CANAILLE_OIDC]

[CANAILLE_SCIM]
ENABLE_SERVER = true
ENABLE_CLIENT = false
""")
os.environ["CANAILLE_CONFIG"] = str(config)

from canaille import create_app  # noqa: E402  (reads the configuration when imported)
from canaille.app import models  # noqa: E402
from canaille.backends import Backend  # noqa: E402

app = create_app()
with app.app_context():
    Backend.instance.install(app)
    with Backend.instance.session():
        client = models.Client(
            client_id="rig",
            client_name="rig",
            client_secret="rig",
            client_uri="http://127.0.0.1",
            scope=["openid", "profile"],
            grant_types=["client_credentials"],
            token_endpoint_auth_method="client_secret_basic",
        )
        Backend.instance.save(client)
        token = models.Token(
            token_id=str(uuid.uuid4()),
            access_token=os.environ["RIG_TOKEN"],
            refresh_token=str(uuid.uuid4()),
            type="access_token",
            client=client,
            subject=None,
            audience=[client],
            scope=["openid", "profile"],
            issue_date=datetime.datetime.now(datetime.timezone.utc),
            lifetime=24 * 60 * 60,
        )
        Backend.instance.save(token)
