"""What Django looks for in an app: the pages of the admin."""

from panel.ops import activity  # noqa: F401  (registers the page)
