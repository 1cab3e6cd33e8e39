from django.apps import AppConfig


class StaffConfig(AppConfig):
    name = "panel.staff"
    label = "staff"
