from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "panel.site"
    label = "site"
    verbose_name = "Settings"

    def ready(self) -> None:
        from panel.site import checks  # noqa: F401  (registers the checks)
