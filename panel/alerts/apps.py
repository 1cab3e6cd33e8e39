from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """The label is that of the tables, which were named before the app was."""

    name = "panel.alerts"
    label = "ops"
    verbose_name = "Operations"
