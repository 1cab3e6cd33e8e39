"""The served API in the admin."""

from panel.api.keys.admin import ApiKeyAdmin

__all__ = ("ApiKeyAdmin",)
