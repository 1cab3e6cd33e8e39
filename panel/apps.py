from django.apps import AppConfig


class PanelConfig(AppConfig):
    """Holds what the pages share: template tags, system checks, the demo command."""

    name = "panel"

    def ready(self) -> None:
        from panel import checks, deploy_checks  # noqa: F401  (registers the checks)
