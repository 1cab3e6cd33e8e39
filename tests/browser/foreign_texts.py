"""Every column of text, by who writes it, and texts that would run if a page did not escape them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from itertools import count, cycle
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.utils import timezone

from billing import append_only
from panel.activity import append_only as acts
from tests.unguarded import no_foreign_keys

# Each calls `ran` if a page lets it. The ones for attributes and expressions of Alpine and htmx are of the admin.
PAYLOADS = (
    "<script>ran(1)</script>",
    "<img src=x onerror=ran(2)>",
    '"><script>ran(3)</script>',
    "'><script>ran(4)</script>",
    '" onfocus=ran(5) autofocus x="',
    "' onmouseover=ran(6) autofocus x='",
    "</script><script>ran(7)</script>",
    "</title><script>ran(8)</script>",
    "</textarea><svg onload=ran(9)>",
    "</style><svg onload=ran(10)>",
    "--><img src=x onerror=ran(11)>",
    "]]><svg/onload=ran(12)>",
    "<svg><animate onbegin=ran(13) attributeName=x dur=1s>",
    "<details open ontoggle=ran(14)>",
    "<input autofocus onfocus=ran(15)>",
    "<iframe srcdoc='<script>parent.ran(16)</script>'>",
    "<math><mtext><img src=x onerror=ran(17)>",
    "<form><button formaction=javascript:ran(18)>x",
    "javascript:ran(19)//",
    '<a href="javascript:ran(20)">x</a>',
    "');ran(21);('",
    '");ran(22);("',
    "'+ran(23)+'",
    "${ran(24)}`${ran(24)}`",
    "</option></select><img src=x onerror=ran(25)>",
    "<div x-data x-init=ran(26)>",
    '" x-init=ran(27) x-data x="',
    "<div hx-on:load=ran(28) hx-trigger=load hx-get=/>",
    "{{ ran(29) }}{% ran 29 %}",
    "<base href=//x.invalid/><link rel=stylesheet href=//x.invalid/30>",
)
# For columns that are too short for the others.
SHORT = ("<b x-init=ran(31)>", "<p onload=ran(32)>", "\"x-init=ran(33) '")

# What providers, customers and staff write. Their forms accept less; another way in may accept more.
FOREIGN = {
    # customers
    "accounts.User": "first_name last_name blocked_reason",
    "accounts.CustomerNote": "text",
    "accounts.ApiKey": "name",
    "accounts.SignIn": "typed agent",
    "activity.ActivityDetail": "agent changes",
    "usersessions.UserSession": "user_agent",
    "billing.BankLine": "text note",
    "billing.ComparedDay": "problem listed",
    "billing.Deposit": "reference receipt_name",
    "billing.GatewayCall": "body headers",
    "billing.Invoice": "details last_error",
    "billing.Payment": "external_id reference note",
    "billing.Reversal": "note",
    "orders.DripFeed": "link params",
    "orders.OrderDraft": "typed service_name",
    "orders.SavedView": "name",
    "orders.StaffView": "name",
    "orders.Order": "service_name link params status_note review_note closed_review upstream_service_id",
    # providers
    "catalog.UpstreamService": "name category type_word average_time start_time speed description external_id",
    "catalog.SyncRun": "reason grounds skipped",
    "catalog.TypeWord": "word",
    "catalog.ProviderWord": "text example",
    "ops.Alert": "text",
    "ops.ErrorReport": "message trace where",
    "orders.OrderEvent": "text",
    "orders.PlacementAttempt": "body detail search_note orphans sent",
    "orders.OrderPoll": "unknown_word",
    "orders.Orphan": "upstream_id status_text note",
    "orders.CancelRequest": "note",
    "orders.Refill": "note upstream_id",
    # staff
    "accounts.AccountMail": "",
    "admin.LogEntry": "object_repr change_message",
    "billing.Entry": "memo",
    "billing.PaymentMethod": "name instructions last_error options",
    "catalog.Category": "name",
    "catalog.CustomerGroup": "name",
    "catalog.PriceChange": "summary before",
    "catalog.Provider": "name probe_note pause_reason",
    "catalog.Service": "name description",
    "channels.Channel": "name last_error",
    "channels.Delivery": "subject text log",
    "orders.MoneyEntry": "note",
    "orders.SendingStop": "text",
    "site.SettingChange": "old new",
    "levels.LevelMove": "before after",
    "news.NewsItem": "name",
    "staff.SecondLook": "text note result",
    "staff.StaffDeed": "note",
    "site.SiteFile": "name",
}
# What the panel writes, or what foreigners write and a check lets through only in a form in which nothing is markup:
# codes of currencies, addresses, digests, names of parameters.
OURS = {
    "accounts.User": "password email time_zone",
    "accounts.ApiKey": "digest ending networks last_address request_key",
    "accounts.CustomerNote": "request_key",
    "accounts.AccountMail": "recipient old new subject body facts",
    "accounts.SignIn": "address",
    "activity.ActivityDetail": "address",
    "account.EmailAddress": "email",
    "account.EmailConfirmation": "key",
    "auth.Group": "name",
    "auth.Permission": "name codename",
    "contenttypes.ContentType": "app_label model",
    "sessions.Session": "session_key session_data",
    "mfa.Authenticator": "data",
    "admin.LogEntry": "object_id",
    "billing.BankLine": "digest",
    "billing.Coupon": "code",
    "billing.Deposit": "code option receipt note request_key tiers",
    "billing.Entry": "key",
    "billing.GatewayCall": "address call_id problem",
    "billing.Invoice": "currency external_id our_ref told url",
    "billing.Payment": "currency",
    "billing.PaymentMethod": "kind credentials_encrypted tiers",
    "billing.SigningSecret": "secret_encrypted",
    "catalog.CatalogChange": "old new",
    "catalog.CatalogVersion": "token",
    "catalog.PriceChange": "edits",
    "catalog.Provider": "api_url api_key_encrypted currency request_id_parameter pause_kind balance_currency dialect",
    "catalog.ProviderWord": "read_as",
    "catalog.ServiceFigures": "borrowed_from",
    "catalog.TypeWord": "type",
    "catalog.UpstreamService": "type",
    "channels.Channel": "target secret_encrypted old_secret_encrypted topics",
    "channels.Delivery": "uid key payload",
    "news.NewsItem": "key word",
    "ops.Alert": "cause",
    "ops.ErrorReport": "number group kind place",
    "ops.Heartbeat": "task",
    "ops.Process": "machine",
    "ops.Round": "task",
    "ops.WrongClock": "machine",
    "orders.CancelRequest": "claim_token",
    "orders.DatabaseIdentity": "token covered unknown_marks site_url",
    "orders.DripFeed": "service_name",
    "orders.MoneyDay": "currency",
    "orders.MoneyEntry": "currency key",
    "orders.Order": "service_type link_key request_key currency claim_token upstream_id review_finding closed_finding",
    "orders.OrderColumns": "keys",
    "orders.OrderDraft": "request_key",
    "orders.OrderEvent": "kind old new",
    "orders.OrderPoll": "held_status",
    "orders.Orphan": "status currency",
    "orders.PlacementAttempt": "token phase account request_id request_scope",
    "orders.ProviderMoney": "account currency base_attempts",
    "orders.PruningProgress": "name",
    "orders.Refill": "claim_token",
    "orders.SavedView": "query",
    "orders.StaffView": "query",
    "site.SettingChange": "name",
    "site.SiteFile": "digest content content_type",
    "site.StoredSetting": "name value",
    "staff.SecondLook": "act model params request_key",
    "staff.StaffDeed": "model",
    "staff.StaffLimit": "role kind",
    "usersessions.UserSession": "data ip session_key",
}
_TEXTS = (
    *(models.CharField, models.TextField, models.JSONField, models.BinaryField, models.FileField),
    models.GenericIPAddressField,
)
# The shapes of JSON that the pages read.
_SHAPES: dict[str, Callable[[str], Any]] = {
    "orders.DripFeed.params": lambda text: {"comments": text},
    "orders.Order.params": lambda text: {"comments": text},
    "orders.OrderDraft.typed": lambda text: {"link": text, "comments": text},
    "orders.PlacementAttempt.orphans": lambda text: [
        {"id": text, "status": text, "remains": text, "charge": text, "agrees": True}
    ],
    "orders.PlacementAttempt.sent": lambda text: {"host": text, "header": text, "fields": [[text, text]]},
    "billing.GatewayCall.body": lambda text: text.encode(),
    "billing.GatewayCall.headers": lambda text: {"user-agent": text},
    "billing.ComparedDay.listed": lambda text: [
        {
            "id": text,
            "ref": text,
            "amount": 1,
            "currency": text,
            "effect": "credit",
            "words": text,
            "at": datetime.combine(timezone.localdate(), time(12), UTC).isoformat(),
        }
    ],
    "billing.Invoice.details": lambda text: dict.fromkeys(("Network", "address", "amount", "coin", "memo"), text),
    "billing.PaymentMethod.options": lambda text: [{"code": text, "label": text, "network": text, "minimum": 1}],
    "catalog.SyncRun.skipped": lambda text: [[1, text, text]],
    "catalog.SyncRun.grounds": lambda text: {
        "examples": {"gone": [[text, text]], "rates": [[text, text, 1_000, 2_000]]},
        "gone": [text],
        "rates": {text: [1_000, 2_000]},
    },
    "catalog.PriceChange.before": lambda text: [],
    "channels.Delivery.log": lambda text: [{"at": text, "result": text, "text": text, "ms": 5}],
    "activity.ActivityDetail.changes": lambda text: [{"column": text, "before": text, "after": text}],
}


def columns() -> dict[str, set[str]]:
    """Return the columns of text of each model, without those that hold one of a few choices."""
    found: dict[str, set[str]] = {}
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.proxy and model._meta.app_label != "sandbox":
            texts = {one.name for one in model._meta.concrete_fields if isinstance(one, _TEXTS) and not one.choices}
            if texts:
                found[model._meta.label] = texts
    return found


def texts(longest: int | None) -> Callable[[], str]:
    """Return a function that returns another text at each call: as many payloads as fit, and each in its turn."""
    turn = cycle(range(len(PAYLOADS)))
    shorts = cycle(SHORT)

    def following() -> str:
        start, text = next(turn), ""
        for payload in (*PAYLOADS[start:], *PAYLOADS[:start]):
            if longest is None or len(text) + len(payload) <= longest:
                text += payload
        return text or next(shorts)[:longest]

    return following


def fill() -> set[str]:
    """Write such texts into every foreign column of every row. Return the columns that have a row."""
    filled = set()
    with no_foreign_keys(), transaction.atomic(), _no_append_only():
        for label, names in FOREIGN.items():
            model = apps.get_model(label)
            for name in names.split():
                field = model._meta.get_field(name)
                unique = count(1)
                longest = getattr(field, "max_length", None)
                following = texts(longest and longest - 3)
                for pk in model._base_manager.order_by("pk").values_list("pk", flat=True):
                    # Numbers keep unique columns unique.
                    text = following() + str(next(unique))
                    value = _SHAPES.get(f"{label}.{name}", str)(text)
                    models.QuerySet(model).filter(pk=pk).update(**{name: value})
                    filled.add(f"{label}.{name}")
    return filled


@contextmanager
def _no_append_only() -> Iterator[None]:
    """Remove SQLite's triggers on entries and acts within the block. PostgreSQL's are off with the foreign keys."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        for statement in (*append_only.REMOVE["sqlite"], *acts.REMOVE["sqlite"]):
            cursor.execute(statement)
        yield
        for statement in (*append_only.INSTALL["sqlite"], *acts.INSTALL["sqlite"]):
            cursor.execute(statement)
