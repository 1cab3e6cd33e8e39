"""A provider's order ids: opaque text to us, and a number beside it where they are plain numbers."""

from __future__ import annotations

LONGEST_NUMBER = 18


def id_columns(upstream_id: str) -> dict[str, object]:
    """The columns of Order that hold an id."""
    return {"upstream_id": upstream_id, "upstream_number": id_number(upstream_id)}


def id_number(upstream_id: str) -> int | None:
    """The id as a number that a 64-bit column holds; None where it is anything but plain digits."""
    plain = upstream_id.isascii() and upstream_id.isdigit() and len(upstream_id) <= LONGEST_NUMBER
    return int(upstream_id) if plain and str(int(upstream_id)) == upstream_id else None
