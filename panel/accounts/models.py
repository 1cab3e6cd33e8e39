"""Customers and staff, identified by e-mail address; their API keys, notes about them, mails that must reach them,
sign-ins, and visits of staff.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, Group, UserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from panel.lib.money import MAX_MICROS
from panel.lib.panel_days import panel_day


class EmailUserManager(UserManager["User"]):
    """Create users by e-mail address; there are no user names."""

    def _create_user(self, email: str, password: str | None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:  # type: ignore[override]
        return self._create_user(email, password, **fields)

    def create_superuser(  # type: ignore[override]
        self, email: str, password: str | None = None, **fields: Any
    ) -> User:
        return self._create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})


class User(AbstractUser):
    """A customer; `is_staff` opens the admin as well.

    A closed account (`closed_at`) says of whom it was no more, see panel/account_home/closing.py.
    An invited person who has not accepted yet has an `invited_at`, is not active, and has no password.
    """

    username = None  # type: ignore[assignment]
    email = models.EmailField("e-mail address", unique=True)
    invited_at = models.DateTimeField(null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the customer closed the account for good."
    )
    session_generation = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Raised to end all sessions at once."
    )
    time_zone = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False, help_text="Empty: the browser's."
    )
    blocked_reason = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Why staff blocked the account, in words for the customer; of use only while it is not active.",
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[EmailUserManager] = EmailUserManager()

    class Meta:
        permissions = (
            ("grant_roles", "Can hand out roles"),
            ("change_address", "Can change the e-mail address of an account"),
            ("view_as_customer", "Can view the pages of a customer as the customer sees them"),
        )
        constraints = (
            # Two accounts that differ only in case would look like one person to everybody else.
            models.UniqueConstraint(Lower("email"), name="user_email_unique_ignoring_case"),
        )

    def __str__(self) -> str:
        return self.email

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return the hash that a session must carry. A new generation changes the hash, which ends earlier sessions."""
        carried: str = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]
        if not self.session_generation:
            return carried  # The hash from before generations existed, so that an upgrade signs nobody out.
        salt = "panel.accounts.session_generation"
        return salted_hmac(salt, f"{carried}:{self.session_generation}", secret=secret, algorithm="sha256").hexdigest()


class Role(Group):
    """A role of staff, with a page of its own. Only who may hand out roles sees it, so it has no permissions."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = "role"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def in_use(self) -> ApiKeyQuerySet:
        """Return the keys that are not revoked, also those that are off until the customer confirms them."""
        return self.filter(revoked_at=None)


class ApiKey(models.Model):
    """A key of the served API. The secret is shown once and never stored.

    Keys are revoked, never deleted: orders refer to them by number. Amounts are micro-units.
    """

    customer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the secret.")
    ending = models.CharField(max_length=4, help_text="The last characters of the secret, to tell keys apart.")
    is_read_only = models.BooleanField("read only", default=False)
    networks = models.JSONField(default=list, blank=True, help_text="From where it may be used; empty: anywhere.")
    daily_limit = models.BigIntegerField(null=True, blank=True, help_text="Of the charges of a day; empty: none.")
    spent = models.BigIntegerField(default=0, help_text="The charges of the day `spent_on`.")
    spent_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True, blank=True)
    off_since = models.DateTimeField(
        null=True, blank=True, help_text="When a new password switched it off, until the customer confirms it."
    )
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_address = models.GenericIPAddressField(null=True, blank=True)
    request_key = models.CharField(
        max_length=64, null=True, blank=True, help_text="One API key per customer and form: a double click."
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        verbose_name = "API key"
        constraints = (
            models.UniqueConstraint(fields=("customer", "request_key"), name="api_key_one_per_request"),
            models.CheckConstraint(
                condition=Q(daily_limit=None) | Q(daily_limit__gt=0, daily_limit__lte=MAX_MICROS),
                name="api_key_limit_range",
            ),
            models.CheckConstraint(condition=Q(spent__gte=0), name="api_key_spent_range"),
        )

    def __str__(self) -> str:
        return f"{self.name} (…{self.ending})"

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    @property
    def spent_today(self) -> int:
        """Return what the key spent today (panel time zone), in micro-units. Counted only with a daily limit."""
        return self.spent if self.spent_on == panel_day() else 0

    @property
    def is_near_limit(self) -> bool:
        """Return True if nine tenths of the daily limit are spent."""
        return self.daily_limit is not None and self.spent_today * 10 >= self.daily_limit * 9

    @property
    def addresses(self) -> list[str]:
        """Return `networks` as people write them: "192.0.2.7", not "192.0.2.7/32"."""
        return [one.removesuffix("/128" if ":" in one else "/32") for one in self.networks]


class AccountMail(models.Model):
    """A mail that must reach somebody; `mail_due_at` is null once it was sent.

    An address change, from `old` to `new`, is mailed to both. An invitation mail has the link valid when it is sent.
    A notice, such as of a new password, was written when it happened, as `subject` and `body`.
    `facts` are those of a mail to owners, as `panel.accounts.owner_notices` writes them.
    """

    class Kind(models.TextChoices):
        ADDRESS = "address", "The address was changed"
        INVITATION = "invitation", "Invitation"
        NOTICE = "notice", "Notice"
        OWNERS = "owners", "News for owners"

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="mails")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    recipient = models.EmailField()
    old = models.EmailField(blank=True)
    new = models.EmailField(blank=True)
    subject = models.CharField(max_length=250, blank=True, default="", db_default="")
    body = models.TextField(blank=True, default="", db_default="")
    facts = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    mail_due_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    mail_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = (
            models.Index(fields=("mail_due_at",), condition=Q(mail_due_at__isnull=False), name="account_mail_due"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.recipient}"


class CustomerNote(models.Model):
    """What staff wrote about a customer, for staff alone. Only ever added: nobody changes what somebody else wrote.

    Notes are the owner's own record, as the activity is: what a customer downloads of themselves is without them. A
    closed account has none any more: they are free text, which may say who the customer was.
    """

    # Another index begins with it.
    customer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="notes", db_index=False)
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=2_000)
    request_key = models.CharField(max_length=64, help_text="One note per customer and form: a double click.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-pk",)
        default_permissions = ("view", "add")
        verbose_name = "note about a customer"
        verbose_name_plural = "notes about customers"
        constraints = (models.UniqueConstraint(fields=("customer", "request_key"), name="note_one_per_request"),)
        indexes = (models.Index(fields=("customer", "-id"), name="note_of_customer"),)

    def __str__(self) -> str:
        return f"Note {self.pk}"


class SignIn(models.Model):
    """An attempt to sign in, or several that failed in the same way within an hour. Never what was typed as password.

    `user` is null if no account has the address that was typed.
    """

    class Outcome(models.TextChoices):
        SIGNED_IN = "signed_in", "Signed in"
        WRONG_PASSWORD = "wrong_password", "Wrong password"
        WRONG_CODE = "wrong_code", "Wrong code"
        TOO_MANY = "too_many", "Too many attempts"
        FURTHER = "further", "Further failures"

    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="sign_ins")
    typed = models.CharField("address typed", max_length=254, blank=True)
    outcome = models.CharField(max_length=20, choices=Outcome.choices)
    address = models.GenericIPAddressField("from", null=True, blank=True)
    agent = models.CharField("browser", max_length=200, blank=True)
    is_new_device = models.BooleanField("new device", default=False)
    times = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField("when", default=timezone.now)
    last_at = models.DateTimeField("last", default=timezone.now)

    class Meta:
        verbose_name = "sign-in"
        indexes = (
            models.Index(fields=("created_at",), name="sign_in_created"),
            # The failures of an account within an hour are counted at each further one.
            models.Index(fields=("user", "created_at"), name="sign_in_user_created"),
        )
        constraints = (models.CheckConstraint(condition=Q(times__gte=1), name="sign_in_times_range"),)

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}: {self.user or self.typed or 'several addresses'}"


class Visit(models.Model):
    """A person of the staff views the pages of a customer, reading only, until it is ended or `until` has come.

    One that ran out while nobody looked is never marked as ended. The session of the staff holds the number of its
    visit; whether the visit is still on is decided here, as a session may be stored again as it was read before.
    """

    class End(models.TextChoices):
        LEFT = "left", "they left"
        SIGNED_OUT = "signed_out", "they signed out"
        IDLE = "idle", "they were signed out, being away for long"
        SESSIONS = "sessions", "their password or address changed, or they ended their sessions"
        AGAIN = "again", "they opened them again"
        ANOTHER = "another", "another customer's pages were opened"
        TIME = "time", "the 15 minutes are over"
        RIGHT = "right", "it is not allowed any more"
        ACCOUNT = "account", "the account is not a customer's any more"

    staff = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    began_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    how_it_ended = models.CharField(max_length=10, choices=End.choices, blank=True, default="", db_default="")

    class Meta:
        default_permissions = ()
        indexes = (models.Index(fields=("until",), name="visit_until"),)
        constraints = (
            models.CheckConstraint(condition=Q(until__gt=models.F("began_at")), name="visit_until_after_began"),
            models.CheckConstraint(
                condition=Q(ended_at=None, how_it_ended="") | Q(ended_at__isnull=False) & ~Q(how_it_ended=""),
                name="visit_ended_with_a_reason",
            ),
        )

    def __str__(self) -> str:
        return f"Visit {self.pk}"

    @property
    def end_text(self) -> str:
        """Return until when, as "14:05 CEST": in the panel's zone, in which staff speak with each other."""
        return f"{self.until.astimezone(timezone.get_default_timezone()):%H:%M %Z}"
