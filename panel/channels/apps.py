from django.apps import AppConfig


class ChannelsConfig(AppConfig):
    name = "panel.channels"
    label = "channels"
    verbose_name = "Channels"
