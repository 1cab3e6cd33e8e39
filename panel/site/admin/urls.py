"""The addresses of the page "Settings"."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from panel.site.admin.page import settings_history, settings_look, settings_page, settings_undo

urlpatterns = [
    path("", admin.site.admin_view(settings_page), name="settings"),
    path("history/", admin.site.admin_view(settings_history), name="settings_history"),
    path("look/", admin.site.admin_view(settings_look), name="settings_look"),
    path("undo/<int:pk>/", admin.site.admin_view(settings_undo), name="settings_undo"),
]
