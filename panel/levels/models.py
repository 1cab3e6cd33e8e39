"""Moves between levels, and how far a round has come. Amounts are micro-units."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from panel.lib.formats import percent_text
from panel.lib.money import format_money


class LevelMove(models.Model):
    """A customer whom levels moved, written in the transaction that moved them.

    Groups are kept by name, because they may be renamed or deleted: "" is none. `discount_bp` is that of the new one.
    """

    # Another index begins with it.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="level_moves", db_index=False
    )
    before = models.CharField("from", max_length=80, blank=True)
    after = models.CharField("to", max_length=80, blank=True)
    discount_bp = models.IntegerField("discount")
    spent = models.BigIntegerField()
    period_days = models.PositiveIntegerField(help_text="The days in which it was spent; 0: in all.")
    is_up = models.BooleanField("up")
    moved_at = models.DateTimeField("when")

    class Meta:
        ordering = ("-pk",)
        default_permissions = ("view",)
        permissions = (("change_levels", "Can change levels"),)
        verbose_name = "move between levels"
        verbose_name_plural = "levels"
        indexes = (
            models.Index(fields=("moved_at",), name="level_move_by_age"),
            models.Index(fields=("customer", "-id"), name="level_move_of_customer"),
        )

    def __str__(self) -> str:
        return f"{self.before or 'no level'} → {self.after or 'no level'}"

    @property
    def reason(self) -> str:
        """Return what the move rests on, for staff."""
        spent = format_money(self.spent, settings.PANEL_CURRENCY)
        when = f"in {self.period_days:,} days" if self.period_days else "in all"
        return f"{spent} spent {when}: {percent_text(self.discount_bp)} off"


class LevelSweep(models.Model):
    """How far the customers are gone through: the only row, with primary key 1."""

    after = models.BigIntegerField(default=0, help_text="The customer who was last; 0: begin with the first.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"After customer {self.after}"
