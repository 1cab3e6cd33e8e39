"""The panel's settings, with the bench's baseline views added to its URLs."""

from __future__ import annotations

from panel.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.served_urls"
# Calls are counted as usual, but the limit is too high to be reached.
API_RATE_PER_KEY = API_RATE_PER_ADDRESS = "1000000000/m"
# Static files are not collected here, and error pages must work without them.
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"  # noqa: F405
