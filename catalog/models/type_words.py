"""What the owner says that a provider's words for types mean."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from catalog.models.providers import Provider


class TypeWord(models.Model):
    """A word for a type in a provider's list, as a slug ("": no type at all), and the type that the owner says it is.

    Written only by price changes, which also give its type to the services of that word.
    """

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="type_words")
    word = models.CharField(max_length=60, blank=True)
    type = models.CharField(max_length=60, blank=True, help_text="Empty: what the word names by itself.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("provider", "word")
        verbose_name = "provider's type"
        verbose_name_plural = "providers' types"
        constraints = (models.UniqueConstraint(fields=("provider", "word"), name="type_word_unique"),)

    def __str__(self) -> str:
        return f"{self.provider}: {shown_word(self.word)}"


def shown_word(word: str) -> str:
    """Return the word as staff read it: “custom list”, or "no type"."""
    return f"“{word.replace('_', ' ')}”" if word else "no type"
