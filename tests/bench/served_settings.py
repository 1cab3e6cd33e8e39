"""The panel's own settings, with the bench's baselines beside its pages."""

from __future__ import annotations

import os

from panel.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.served_urls"
# Requests are counted as ever; a load generator alone comes this often.
API_RATE_PER_KEY = API_RATE_PER_ADDRESS = "1000000000/m"
# A cache and a broker that others use as well: what is left there has a name to be taken away by.
BENCH_PREFIX = os.environ["BENCH_PREFIX"]
CACHES["default"]["KEY_PREFIX"] = BENCH_PREFIX  # noqa: F405
# No files were collected for this panel, and an error page needs none.
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"  # noqa: F405
