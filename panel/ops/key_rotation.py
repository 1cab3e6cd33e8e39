"""Encrypt what is stored encrypted again with the newest key, so that an older key can be taken away.

Sessions hold secrets for minutes only, and are left alone: after the old key is gone, their owners begin again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Model

from billing.models import PaymentMethod, SigningSecret
from catalog.models import Provider
from panel.channels.models import Channel
from panel.lib.crypto import Undecryptable, encrypt, has_newest_key, is_ciphertext, reencrypt
from panel.site.groups import SETTINGS
from panel.site.models import StoredSetting

# Rows of one transaction.
BATCH = 200
# Rows that cannot be read and are named, of each kind.
MAX_NAMED = 20

Change = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One column that holds secrets. `apply` returns a value of it with each of its secrets changed."""

    label: str
    model: type[Model]
    column: str
    apply: Callable[[Any, Change], Any]
    # Rows from before their secrets were encrypted are still read.
    may_be_plain: bool = False
    # What else the rows must match.
    rows: Callable[[], dict[str, Any]] = dict


@dataclass(slots=True)
class Count:
    """What was found of one kind, in rows. `unreadable` has no key; `unreadable_rows` are the first of them."""

    kind: Kind
    rotated: int = 0
    old: int = 0
    plain: int = 0
    unreadable: int = 0
    unreadable_rows: list[Any] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return not (self.old or self.plain or self.unreadable)


def _apply_to_factor(data: dict[str, Any], change: Change) -> dict[str, Any]:
    changed: dict[str, Any] = {name: change(data[name]) for name in ("secret", "seed") if name in data}
    if "migrated_codes" in data:
        changed["migrated_codes"] = [change(code) for code in data["migrated_codes"]]
    return {**data, **changed}


def _apply_to_text(text: str, change: Change) -> str:
    return change(text) if text else text


def _secret_settings() -> dict[str, Any]:
    secret = [name for name, setting in SETTINGS.items() if setting.is_secret]
    return {"name__in": secret, "value__isnull": False}


KINDS = (
    Kind("API keys of providers", Provider, "api_key_encrypted", _apply_to_text),
    Kind("Second factors", Authenticator, "data", _apply_to_factor, may_be_plain=True),
    Kind("Secrets of channels", Channel, "secret_encrypted", _apply_to_text),
    Kind("Old secrets of channels", Channel, "old_secret_encrypted", _apply_to_text),
    Kind("Credentials of payment methods", PaymentMethod, "credentials_encrypted", _apply_to_text),
    Kind("Secrets of payment methods", SigningSecret, "secret_encrypted", _apply_to_text),
    Kind("Secret settings", StoredSetting, "value", _apply_to_text, rows=_secret_settings),
)


def rotate_keys() -> list[Count]:
    """Encrypt every stored secret with the newest key. Return what was done, and what is left after it.

    A secret that is changed meanwhile keeps its change. May run beside itself, be killed, and run again.
    """
    rotated = {kind: _rotate(kind) for kind in KINDS}
    counts = count_keys()
    for count in counts:
        count.rotated = rotated[count.kind]
    return counts


def count_keys() -> list[Count]:
    """Return under which keys the stored secrets are. Changes nothing."""
    return [_count(kind) for kind in KINDS]


def _rotate(kind: Kind) -> int:
    rotated = 0
    for rows in _batches(kind):
        with transaction.atomic():
            rotated += sum(_rotate_row(kind, pk, value) for pk, value in rows)
    return rotated


def _rotate_row(kind: Kind, pk: Any, value: Any) -> int:
    try:
        renewed = kind.apply(value, lambda text: _renewed(kind, text))
    except Undecryptable:
        return 0
    if renewed == value:
        return 0
    # Only if the row is as it was read: whoever saved another secret meanwhile used the newest key.
    unchanged = kind.model._default_manager.filter(**{"pk": pk, kind.column: value})
    return unchanged.update(**{kind.column: renewed})


def _renewed(kind: Kind, text: str) -> str:
    if has_newest_key(text):
        return text
    if kind.may_be_plain and not is_ciphertext(text):
        return encrypt(text)
    return reencrypt(text)


def _count(kind: Kind) -> Count:
    count = Count(kind)
    for rows in _batches(kind):
        for pk, value in rows:
            _count_row(count, pk, value)
    return count


def _count_row(count: Count, pk: Any, value: Any) -> None:
    old = plain = False

    def look(text: str) -> str:
        nonlocal old, plain
        if has_newest_key(text):
            return text
        if count.kind.may_be_plain and not is_ciphertext(text):
            plain = True
        else:
            reencrypt(text)
            old = True
        return text

    try:
        count.kind.apply(value, look)
    except Undecryptable:
        count.unreadable += 1
        if len(count.unreadable_rows) < MAX_NAMED:
            count.unreadable_rows.append(pk)
    else:
        count.old += old
        count.plain += plain


def _batches(kind: Kind) -> Iterator[list[tuple[Any, Any]]]:
    """Yield the rows of a kind as primary keys and values, in the order of the keys."""
    rows = kind.model._default_manager.filter(**kind.rows()).order_by("pk").values_list("pk", kind.column)
    batch = list(rows[:BATCH])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1][0])[:BATCH])
