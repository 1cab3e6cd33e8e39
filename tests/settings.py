"""The panel's settings for tests: no `.env`, providers on loopback allowed, fast password hashes."""

import os
import sys
import tempfile
from pathlib import Path

# Some machines forbid bytecode files; each of the many processes would then compile everything again, in ten seconds.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

os.environ["ENV_FILE"] = os.devnull
os.environ["DEBUG"] = "false"
os.environ["SECRET_KEY"] = "only-for-tests-" * 5
os.environ["FIELD_ENCRYPTION_KEYS"] = "b25seS1mb3ItdGVzdHMtbm90LWEtcmVhbC1zZWNyZXQ="
os.environ["UPSTREAM_ALLOW_PRIVATE"] = "true"
os.environ["EMAIL_URL"] = "memorymail://"
# Tests of the watch start it themselves.
os.environ["WATCH"] = "false"
# Nothing listens there: tests start a server of their own.
os.environ["TELEGRAM_API_URL"] = "http://127.0.0.1:9"
for name in ("SITE_URL", "PANEL_NAME", "PANEL_CURRENCY", "PANEL_ACCENT"):
    os.environ.pop(name, None)

from panel.logging import LOGGING  # noqa: E402
from panel.settings import *  # noqa: E402, F403

# Its thread would write beside the transactions of tests; those of errors switch it on.
LOGGING["root"]["handlers"] = ["console"]

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"  # noqa: F405
ACCOUNT_RATE_LIMITS = False
WHITENOISE_AUTOREFRESH = True

if "socket_timeout" in CACHES["default"]["OPTIONS"]:  # noqa: F405
    # The product ignores a cache that answers late; on a busy machine tests would fail by that.
    CACHES["default"]["OPTIONS"].update(socket_connect_timeout=30, socket_timeout=30)  # noqa: F405

if USES_SQLITE:  # noqa: F405
    # No test loses power: waiting for the disk at each commit would prove nothing.
    _options = DATABASES["default"]["OPTIONS"]  # noqa: F405
    _options["init_command"] = _options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    # All tests together make some hundred kinds of statements: compile each once.
    _options["cached_statements"] = 2_000
    # A file, because threads of race tests need their own connections, which memory does not allow. One for each run,
    # so that two runs at the same time stay apart.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    DATABASES["default"]["TEST"] = {"NAME": Path(tempfile.gettempdir()) / f"panel-test-{run}.sqlite3"}  # noqa: F405
