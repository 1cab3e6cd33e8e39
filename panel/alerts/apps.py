from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """The label is that of the tables, which are older than the app."""

    name = "panel.alerts"
    label = "ops"
    verbose_name = "Operations"
