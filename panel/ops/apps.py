from django.apps import AppConfig


class OpsConfig(AppConfig):
    """The label `ops` is that of the alerts' tables."""

    name = "panel.ops"
    label = "operations"

    def ready(self) -> None:
        from panel.ops import neighbours  # noqa: F401  (registers the check)
