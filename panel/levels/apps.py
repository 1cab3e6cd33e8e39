from django.apps import AppConfig


class LevelsConfig(AppConfig):
    name = "panel.levels"
    label = "levels"
    verbose_name = "Levels"
