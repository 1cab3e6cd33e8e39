"""The panel's settings, with the bench's baseline views added to its URLs."""

from __future__ import annotations

import os

from panel.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.served_urls"
# Calls are counted as usual, but the limit is too high to be reached.
API_RATE_PER_KEY = API_RATE_PER_ADDRESS = "1000000000/m"
# The cache and the broker may be shared: the prefix tells which keys to delete afterwards.
BENCH_PREFIX = os.environ["BENCH_PREFIX"]
CACHES["default"]["KEY_PREFIX"] = BENCH_PREFIX  # noqa: F405
# Static files are not collected here, and error pages must work without them.
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"  # noqa: F405
