"""What happened for a customer, which of it they want by mail, the mails, and how far it was collected."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop as _


class NewsKind(models.TextChoices):
    ORDER_ENDED = "order_ended", _("Orders that ended")
    REFUNDED = "refunded", _("Refunds")
    REFILL_ENDED = "refill_ended", _("Refills that ended")
    ORDER_OFFERED = "order_offered", _("Canceled orders that our team offers again")
    DEPOSIT_DECIDED = "deposit_decided", _("Deposits that were decided")
    FAVOURITE_PRICE = "favourite_price", _("Prices of favorites")
    LEVEL_UP = "level_up", _("Levels that you reach")


class NewsMail(models.Model):
    """A mail about one or several items. The rows are the queue; `mail_due_at` is null once it was sent."""

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="news_mails")
    created_at = models.DateTimeField(default=timezone.now)
    mail_due_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    mail_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        default_permissions = ()
        indexes = (
            models.Index(fields=("mail_due_at",), condition=Q(mail_due_at__isnull=False), name="news_mail_due"),
            models.Index(fields=("created_at",), name="news_mail_by_age"),
        )

    def __str__(self) -> str:
        return f"News mail {self.pk}"


class NewsItem(models.Model):
    """One line of a customer's news: what happened within the same ten minutes and is alike is one item.

    `word` is the status or state in question, `count` how many orders, refills or services. `number` is the order,
    deposit or service if it is only one, and `name` its service. Of a level, `name` and `change_bp` are its name and
    its discount. `mail_at` is when it is to go into a mail, null if in none or in `mail` already.
    """

    # Other indexes begin with it.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="news", db_index=False
    )
    kind = models.CharField(max_length=16, choices=NewsKind.choices)
    key = models.CharField(max_length=60, help_text="One item per customer and key.")
    word = models.CharField(max_length=12, blank=True)
    count = models.PositiveIntegerField(default=1)
    number = models.BigIntegerField(null=True, blank=True)
    name = models.CharField(max_length=200, blank=True)
    amount = models.BigIntegerField(null=True, blank=True, help_text="Micro-units that came in, or were refused.")
    change_bp = models.BigIntegerField(null=True, blank=True, help_text="How a price changed, in basis points.")
    happened_at = models.DateTimeField(help_text="When the last of it happened.")
    seen_at = models.DateTimeField(null=True, blank=True)
    mail_at = models.DateTimeField(null=True, blank=True)
    mail = models.ForeignKey(NewsMail, null=True, blank=True, on_delete=models.SET_NULL, related_name="items")

    class Meta:
        ordering = ("-happened_at", "-pk")
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("customer", "key"), name="news_item_once"),)
        indexes = (
            models.Index(fields=("customer", "-happened_at", "-id"), name="news_of_customer"),
            models.Index(fields=("customer",), condition=Q(seen_at=None), name="news_unread"),
            models.Index(fields=("happened_at",), name="news_by_age"),
            models.Index(fields=("mail_at",), condition=Q(mail_at__isnull=False), name="news_to_mail"),
        )

    def __str__(self) -> str:
        return f"{self.key} of {self.customer_id}"


class NewsChoice(models.Model):
    """What a customer wants by mail. A customer without a row gets no mails."""

    class Pace(models.TextChoices):
        NEVER = "never", _("No mail")
        AT_ONCE = "at_once", _("At once")
        DAILY = "daily", _("In a mail each day")

    customer = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="news_choice"
    )
    order_ended = models.CharField(max_length=8, choices=Pace.choices, default=Pace.NEVER)
    refunded = models.CharField(max_length=8, choices=Pace.choices, default=Pace.NEVER)
    refill_ended = models.CharField(max_length=8, choices=Pace.choices, default=Pace.NEVER)
    favourite_price = models.CharField(max_length=8, choices=Pace.choices, default=Pace.NEVER)
    order_offered = models.CharField(max_length=8, choices=Pace.choices, default=Pace.NEVER, db_default="never")
    level_up = models.CharField(max_length=8, choices=Pace.choices, default=Pace.NEVER, db_default="never")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Mails to {self.customer_id}"


class NewsProgress(models.Model):
    """Since when news are collected, and until when they were: the only row, with primary key 1.

    What ended before `started_at` is nobody's news.
    """

    started_at = models.DateTimeField()
    collected_until = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Collected until {self.collected_until}"
