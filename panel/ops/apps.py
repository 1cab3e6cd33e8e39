from django.apps import AppConfig


class OpsConfig(AppConfig):
    """The label `ops` is that of the alerts' tables."""

    name = "panel.ops"
    label = "operations"
