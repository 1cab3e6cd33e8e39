"""The seven actions, each with examples of its requests and answers. The text is in templates/api/actions/."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from panel.api.cancel_refill import ASKED
from panel.api.docs.examples import SAMPLE_REFILLS, Example, ExampleData
from panel.api.errors import BAD_ORDER, BAD_REFILL

# An id that belongs to nobody, to show an error among other answers.
BAD_ID = 999_999_999

# The parameters besides `action`, and the answer's JSON value.
Exchange = tuple[Mapping[str, str], Any]


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `of_own`: its examples show the reader's own data."""

    name: str
    examples: list[Example]
    of_own: bool


def actions_of(*, own: ExampleData, add: Example, address: str) -> list[Action]:
    """Return all seven, in the order in which a program uses them; `add` is the example of that action."""

    def action(name: str, *exchanges: Exchange, of_own: bool = False) -> Action:
        examples = [Example(address, {"action": name, **params}, value) for params, value in exchanges]
        return Action(name, examples, of_own)

    def each(of: str, name: str, values: Mapping[int, Any], bad: str) -> list[dict[str, Any]]:
        return [{of: pk, name: value} for pk, value in {**values, BAD_ID: {"error": bad}}.items()]

    one, *_ = own.statuses
    order, orders = str(own.made_up[0]), _listed(own.made_up)
    refill, *_ = own.refills
    asked, *_ = SAMPLE_REFILLS
    return [
        action("services", ({}, [dict(row) for row in own.rows.values()][:1]), of_own=own.has_services),
        Action("add", [add], of_own=add.service is not None),
        action(
            "status",
            ({"order": str(one)}, own.statuses[one]),
            (
                {"orders": _listed(own.statuses)},
                {str(pk): answer for pk, answer in {**own.statuses, BAD_ID: {"error": BAD_ORDER}}.items()},
            ),
            of_own=own.has_orders,
        ),
        action(
            "refill",
            ({"order": order}, {"refill": str(asked)}),
            (
                {"orders": orders},
                each("order", "refill", dict(zip(own.made_up, SAMPLE_REFILLS, strict=True)), BAD_ORDER),
            ),
        ),
        action(
            "refill_status",
            ({"refill": str(refill)}, {"status": own.refills[refill]}),
            ({"refills": _listed(own.refills)}, each("refill", "status", own.refills, BAD_REFILL)),
            of_own=own.has_refills,
        ),
        action(
            "cancel",
            ({"order": order}, {"success": ASKED}),
            ({"orders": orders}, each("order", "cancel", dict.fromkeys(own.made_up, 1), BAD_ORDER)),
        ),
        action("balance", ({}, {"balance": own.balance, "currency": settings.PANEL_CURRENCY}), of_own=True),
    ]


def _listed(ids: Iterable[int]) -> str:
    """Return the ids as text, with one that belongs to nobody."""
    return ",".join(map(str, [*ids, BAD_ID]))
