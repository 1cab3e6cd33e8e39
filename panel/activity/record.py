"""Write acts of people, with what they changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db import transaction
from django.db.models import Model

from panel.activity.models import ActivityDetail
from panel.activity.origin import current_origin

__all__ = ["ADDITION", "CHANGE", "DELETION", "Change", "differences", "record", "snapshot"]

# Columns whose values are kept nowhere. That they changed is.
SECRETS = {"password", "secret", "data", "digest", "api_key_encrypted", "api_key", "session_data", "claim_token"}
# Bookkeeping that no person means to change.
_UNTOLD = {"updated_at", "mail_due_at", "mail_attempts", "session_generation"}
HIDDEN = "(hidden)"
REPLACED = "(hidden, replaced)"
MAX_CHANGES = 100
MAX_TEXT = 5_000


class Change(NamedTuple):
    """A value before and after an act: numbers, texts, truths, None, or lists of texts."""

    column: str
    before: Any
    after: Any


def record(
    *,
    actor_id: int | None,
    objects: Iterable[Model],
    flag: int = CHANGE,
    message: Any = "",
    changes: Sequence[Change] | Callable[[Model], Sequence[Change]] = (),
) -> list[LogEntry]:
    """Write that a person did something to each of `objects`, in the caller's transaction if there is one.

    `message` is as for Django's log: a text, or the list that a form makes. `changes` are those of each object, or a
    function that returns those of one.
    """
    chosen = list(objects)
    origin = current_origin()
    with transaction.atomic():
        entries: list[LogEntry] = LogEntry.objects.log_actions(str(actor_id), chosen, flag, message)
        ActivityDetail.objects.bulk_create(
            ActivityDetail(
                entry=entry,
                address=origin.address,
                agent=origin.agent,
                changes=_stored(changes(one) if callable(changes) else changes),
            )
            for entry, one in zip(entries, chosen, strict=True)
        )
    return entries


def snapshot(obj: Model) -> dict[str, Any]:
    """Return the object's row as it is in the database; {} if it is gone."""
    return type(obj)._base_manager.filter(pk=obj.pk).values().first() or {}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return what differs between two snapshots of an object."""
    columns = [name for name in dict.fromkeys((*before, *after)) if name not in _UNTOLD]
    return [Change(name, before.get(name), after.get(name)) for name in columns if before.get(name) != after.get(name)]


def _stored(changes: Iterable[Change]) -> list[dict[str, Any]]:
    return [
        {
            "column": one.column,
            "before": _plain(one.column, one.before, HIDDEN),
            "after": _plain(one.column, one.after, REPLACED if one.before else HIDDEN),
        }
        for one in list(changes)[:MAX_CHANGES]
    ]


def _plain(column: str, value: Any, secret: str) -> Any:
    """Return the value as JSON can hold it, without secrets."""
    if value is None or isinstance(value, bool):
        return value
    if column in SECRETS:
        return secret if value else ""
    if isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(str(name), one, secret) for name, one in list(value.items())[:MAX_CHANGES]}
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, Iterable) and not isinstance(value, Model | bytes):
        return [str(one)[:MAX_TEXT] for one, _ in zip(value, range(MAX_CHANGES), strict=False)]
    return str(value)[:MAX_TEXT]
