"""The panel's own settings under test: no `.env`, loopback providers allowed, fast password hashes."""

import os
import sys
import tempfile
from pathlib import Path

# Some machines say not to keep bytecode; then each of the many processes compiles everything anew, for ten seconds.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

os.environ["ENV_FILE"] = os.devnull
os.environ["DEBUG"] = "false"
os.environ["SECRET_KEY"] = "only-for-tests-" * 5
os.environ["FIELD_ENCRYPTION_KEYS"] = "b25seS1mb3ItdGVzdHMtbm90LWEtcmVhbC1zZWNyZXQ="
os.environ["UPSTREAM_ALLOW_PRIVATE"] = "true"
os.environ["EMAIL_URL"] = "memorymail://"
for name in ("SITE_URL", "PANEL_NAME", "PANEL_CURRENCY", "PANEL_ACCENT"):
    os.environ.pop(name, None)

from panel.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"  # noqa: F405
ACCOUNT_RATE_LIMITS = False
WHITENOISE_AUTOREFRESH = True

if "socket_timeout" in CACHES["default"]["OPTIONS"]:  # noqa: F405
    # A cache that answers late is passed over, and the machine of the tests may be as busy as it likes.
    CACHES["default"]["OPTIONS"].update(socket_connect_timeout=30, socket_timeout=30)  # noqa: F405

if USES_SQLITE:  # noqa: F405
    # The machine never loses its power in a test: waiting for the disk at each commit would prove nothing.
    _options = DATABASES["default"]["OPTIONS"]  # noqa: F405
    _options["init_command"] = _options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    # A file, not memory: threads of a race test need connections of their own. One for each run, so that
    # two runs at once do not meet.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    DATABASES["default"]["TEST"] = {"NAME": Path(tempfile.gettempdir()) / f"panel-test-{run}.sqlite3"}  # noqa: F405
