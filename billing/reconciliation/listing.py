"""A gateway's list as it is stored, and read again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from billing.intake.gateways import Effect, Listed, Seen

# Characters of a text that are stored. An id that is longer is no id of a payment.
MAX_ID, MAX_REF, MAX_CURRENCY, MAX_WORDS = 201, 60, 11, 120


def packed(listed: Sequence[Listed]) -> list[dict[str, Any]]:
    """Return the list as JSON."""
    return [
        {
            "id": _text(one.seen.external_id, MAX_ID),
            "ref": _text(one.our_ref, MAX_REF),
            "amount": one.seen.came_in,
            "currency": _text(one.seen.currency, MAX_CURRENCY),
            "effect": one.seen.effect.value,
            "words": _text(one.seen.words, MAX_WORDS),
            # A time without a zone would stop the comparison of all the others.
            "at": (one.at if one.at.tzinfo else one.at.replace(tzinfo=UTC)).isoformat(),
        }
        for one in listed
    ]


def unpacked(rows: Sequence[Mapping[str, Any]]) -> list[Listed]:
    """Return the list that `packed` returned as JSON."""
    return [
        Listed(
            Seen(row["id"], row["amount"], row["currency"], Effect(row["effect"]), row["words"]),
            row["ref"],
            datetime.fromisoformat(row["at"]),
        )
        for row in rows
    ]


def _text(value: str, longest: int) -> str:
    """Return what every database stores of a text."""
    return value.replace("\0", "").encode("utf-8", "replace").decode()[:longest]
