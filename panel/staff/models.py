"""Limits of staff, what each person moved, and decisions that wait for a second person. Amounts are micro-units."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from panel.lib.money import MAX_MICROS
from panel.staff.kinds import LIMITS, Kind, Reason


class StaffLimit(models.Model):
    """What a role may move alone; without a row the default of `kinds` holds."""

    role = models.CharField(max_length=20)
    kind = models.CharField(max_length=10)
    at_once = models.BigIntegerField()
    a_day = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("role", "kind"), name="staff_limit_one_per_kind"),
            models.CheckConstraint(
                condition=Q(at_once__gte=0, at_once__lte=F("a_day"), a_day__lte=MAX_MICROS), name="staff_limit_range"
            ),
        )

    def __str__(self) -> str:
        return f"{self.role}: {self.kind}"


class StaffDay(models.Model):
    """What a person moved alone on a day. Its row is what two acts at once are counted on, one after the other."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    day = models.DateField(help_text="In the panel's time zone.")
    moved = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("person", "kind", "day"), name="staff_day_one_per_kind"),
            models.CheckConstraint(condition=Q(moved__gte=0), name="staff_day_range"),
        )

    def __str__(self) -> str:
        return f"{self.person_id} on {self.day}: {self.kind}"


class SecondLook(models.Model):
    """What a member of staff asked for above a limit. Nothing moved until `state` is confirmed."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        CONFIRMED = "confirmed", "Confirmed"
        DECLINED = "declined", "Declined"
        LAPSED = "lapsed", "Lapsed"

    act = models.CharField(max_length=30, help_text="Which service carries it out: see panel/staff/acts.py.")
    kind = models.CharField(max_length=10, choices=[*Kind.choices, (LIMITS, "Higher limits")])
    model = models.CharField(max_length=50, help_text='What it is about, such as "billing.wallet".')
    object_id = models.BigIntegerField(help_text="0: the limits.")
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    amount = models.BigIntegerField(help_text="Negative: taken from the customer.")
    params = models.JSONField(default=dict)
    text = models.CharField("what will happen", max_length=500)
    reason = models.CharField(max_length=15, choices=Reason.choices)
    note = models.CharField(max_length=300, blank=True)
    request_key = models.CharField(max_length=200)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    not_before = models.DateTimeField(help_text="When the person who asked may confirm it, if there is nobody else.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    is_alone = models.BooleanField(
        "confirmed alone", default=False, help_text="Confirmed by the person who asked, with a second factor."
    )
    result = models.CharField(max_length=500, blank=True)
    mail_due_at = models.DateTimeField(null=True, blank=True)
    mail_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("-pk",)
        verbose_name = "second look"
        constraints = (
            # A form that is sent twice asks once.
            models.UniqueConstraint(
                fields=("request_key",), condition=Q(state="waiting"), name="second_look_one_waiting_per_key"
            ),
            models.CheckConstraint(
                condition=Q(state__in=("waiting", "lapsed"), decided_by=None)
                | Q(state__in=("confirmed", "declined"), decided_by__isnull=False, decided_at__isnull=False),
                name="second_look_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(state="confirmed", is_alone=False) | ~Q(decided_by=F("asked_by")),
                name="second_look_by_a_second_person",
            ),
        )
        indexes = (
            models.Index(fields=("state", "asked_at"), name="second_look_queue"),
            models.Index(fields=("mail_due_at",), condition=Q(mail_due_at__isnull=False), name="second_look_mail_due"),
        )

    def __str__(self) -> str:
        return f"Second look {self.pk}"


class StaffDeed(models.Model):
    """One movement of a customer's money by a member of staff, written in the transaction that moved it."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    amount = models.BigIntegerField(help_text="Negative: taken from the customer.")
    reason = models.CharField(max_length=15, choices=Reason.choices)
    note = models.CharField(max_length=300, blank=True)
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=50)
    object_id = models.BigIntegerField()
    look = models.ForeignKey(SecondLook, null=True, blank=True, on_delete=models.PROTECT, related_name="deeds")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ("-pk",)
        verbose_name = "deed"
        constraints = (models.CheckConstraint(condition=~Q(amount=0), name="staff_deed_not_zero"),)
        indexes = (models.Index(fields=("person", "created_at"), name="staff_deed_of_person"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.amount}"
