"""WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "panel.settings")

application = get_wsgi_application()

from panel.checks import require_no_neighbours  # noqa: E402  (after the setup)

require_no_neighbours()
