"""What providers answered in words, and what the owner says that it means."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from catalog.models.providers import Provider

# What `masked` returns at most.
MAX_TEXT = 200


class Meaning(models.TextChoices):
    """What the owner can say of a provider's words. The first five are of refusals, the others of statuses."""

    NO_MONEY = "no_money", "Our balance there is used up"
    KEY = "key", "It refuses our key"
    SERVICE_GONE = "service_gone", "The service is gone"
    REFUSED = "refused", "Refused for good"
    TRY_LATER = "try_later", "Try again later"
    UNDER_WAY = "in_progress", "Under way"
    COMPLETED = "completed", "Completed"
    PARTIAL = "partial", "Partly delivered"
    CANCELED = "canceled", "Canceled"


class ProviderWord(models.Model):
    """One text of a provider, masked: a refusal of `add`, or a status. Written only by `catalog.words`."""

    class About(models.TextChoices):
        ADD = "add", "Refusal of an order"
        STATUS = "status", "Status of an order"

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="words", db_index=False)
    about = models.CharField(max_length=6, choices=About.choices)
    text = models.CharField(max_length=MAX_TEXT, help_text="With long numbers and addresses masked.")
    example = models.CharField(max_length=500, blank=True, help_text="The last one, as it came.")
    read_as = models.CharField(max_length=20, blank=True, help_text="What the panel makes of it by itself.")
    meaning = models.CharField(max_length=12, choices=Meaning.choices, blank=True, help_text="As the owner taught.")
    proposed = models.CharField(max_length=12, choices=Meaning.choices, blank=True, help_text="By an imported file.")
    seen = models.PositiveBigIntegerField(default=0, help_text="How often.")
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    taught_at = models.DateTimeField(null=True, blank=True)
    taught_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = "provider's word"
        verbose_name_plural = "providers' words"
        ordering = ("provider", "about", "-last_seen_at")
        constraints = (
            models.UniqueConstraint(fields=("provider", "about", "text"), name="provider_word_unique"),
            models.CheckConstraint(
                condition=Q(meaning="") | Q(taught_at__isnull=False), name="provider_word_taught_by_a_person"
            ),
        )

    def __str__(self) -> str:
        return f"“{self.text}”"

    @property
    def is_unknown(self) -> bool:
        """Return True if neither the panel nor the owner knows what it means."""
        return not self.read_as and not self.meaning
