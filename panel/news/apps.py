from django.apps import AppConfig


class NewsConfig(AppConfig):
    name = "panel.news"
    label = "news"
    verbose_name = "News"
