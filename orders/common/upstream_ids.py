"""A provider's order ids: opaque text to us, and a number beside it where they are plain numbers."""

from __future__ import annotations

from panel.lib.digits import whole_number


def id_columns(upstream_id: str) -> dict[str, object]:
    """The columns of Order that hold an id."""
    return {"upstream_id": upstream_id, "upstream_number": id_number(upstream_id)}


def id_number(upstream_id: str) -> int | None:
    """The id as a number that a 64-bit column holds; None where it is anything but plain digits."""
    number = whole_number(upstream_id)
    return number if str(number) == upstream_id else None
