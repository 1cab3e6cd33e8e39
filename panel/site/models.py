"""Settings that the owner changed, their history, and the files of the branding."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class StoredSetting(models.Model):
    """The text of one setting. A row without a value stands for the default, and keeps counting its changes."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.TextField(null=True)
    version = models.PositiveIntegerField(default=0, help_text="How often it was changed.")
    updated_at = models.DateTimeField(db_default=Now())
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name = "setting"
        default_permissions = ()
        permissions = (
            ("change_settings", "Can change settings"),
            ("change_money_settings", "Can change settings that touch money"),
        )

    def __str__(self) -> str:
        return self.name


class SettingChange(models.Model):
    """One change of one setting. Only ever added. Null stands for the default; secrets are left out on both sides."""

    name = models.CharField(max_length=60)
    # The version of the setting that this change made.
    version = models.PositiveIntegerField()
    old = models.TextField(null=True)
    new = models.TextField(null=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    changed_at = models.DateTimeField(db_default=Now())
    undo_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by")

    class Meta:
        ordering = ("-pk",)
        default_permissions = ()
        constraints = (
            # Two editors that saw the same value cannot both change it.
            models.UniqueConstraint(fields=("name", "version"), name="setting_change_once_a_version"),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class SiteFile(models.Model):
    """A logo or favicon by the digest of its bytes. In the database, so that every host serves the same."""

    digest = models.CharField(max_length=64, primary_key=True)
    content = models.BinaryField()
    content_type = models.CharField(max_length=40)
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
