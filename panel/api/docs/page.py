"""What the documentation of the API says, put together for whoever reads it.

Whatever can be taken from the code that answers is taken from there: parameters, limits, texts and shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from orders.states import Status
from panel.api.add import MAX_REQUEST_ID
from panel.api.cancel_refill import RUNS_ASKED, RUNS_ENDED
from panel.api.docs.actions import actions_of
from panel.api.docs.errors import error_groups
from panel.api.docs.examples import Example, Own, drip_answer, first_request, own_of, standings
from panel.api.docs.service_types import TypeDocs, type_docs
from panel.api.docs.snippets import snippets
from panel.api.params import MOST_IDS

_RUNS = 5
"""Of the example of a drip-feed."""
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_RATE = re.compile(r"([0-9]+)/([0-9]*)([smhd])")
_STATUS_WORDS = {
    Status.PENDING: "Taken and paid for; work has not begun.",
    Status.PROCESSING: "The provider has it and prepares it.",
    Status.IN_PROGRESS: "It is being delivered.",
    Status.COMPLETED: "Ended, delivered in full: nothing was given back.",
    Status.PARTIAL: "Ended, and a part of the charge was given back, as a rule that of what was not delivered.",
    Status.CANCELED: "Ended, and the whole charge was given back.",
}


def docs_for(*, customer: Any, address: str) -> dict[str, Any]:
    """The page's context; `customer` is None for a visitor. A dozen queries at most, whatever is on sale."""
    own = own_of(customer)
    types = type_docs(own=own, address=address)
    return {
        "address": address,
        "first_request": first_request(address=address),
        "try_orders": ",".join(map(str, own.told)) if own.has_orders else "",
        "try_refills": ",".join(map(str, own.refills)) if own.has_refills else "",
        "own": own,
        "actions": actions_of(own=own, types=types, address=address),
        "types": types,
        "drip": _drip(own, types, address),
        "drip_ends": {"ended": RUNS_ENDED, "asked": RUNS_ASKED},
        "retry": _retry(types, address),
        "standings": [(status, _STATUS_WORDS[status], answer) for status, answer in standings()],
        "error_groups": error_groups(),
        "snippets": snippets(address=address),
        "limits": {
            "key": rate_in_words(settings.API_RATE_PER_KEY),
            "address": rate_in_words(settings.API_RATE_PER_ADDRESS),
            "is_429": settings.API_RATE_LIMIT_429,
            "window": settings.API_DUPLICATE_WINDOW,
            "ids": MOST_IDS,
            "request_id": MAX_REQUEST_ID,
            "body": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        },
    }


def rate_in_words(rate: str) -> str:
    """ "1200/m" as "1,200 requests a minute"; what it cannot read as it is."""
    if not (found := _RATE.fullmatch(rate)):
        return rate
    count, many, unit = int(found[1]), int(found[2] or 1), _UNITS[found[3]]
    requests = f"{count:,} request{'' if count == 1 else 's'}"
    return f"{requests} in {many} {unit}s" if many > 1 else f"{requests} a{'n' if unit == 'hour' else ''} {unit}"


def _drip(own: Own, types: list[TypeDocs], address: str) -> list[Example]:
    """A drip-feed as it is ordered, and how it is told of."""
    first = next(one for one in types if one.spec.drips)
    params = {**first.example.params, "runs": str(_RUNS), "interval": "60"}
    # Without a service to order there is no price either: 0.25 is that of the other examples.
    answer = drip_answer(runs=_RUNS, quantity=int(params["quantity"]), charge=first.charge or 250_000)
    order = own.made_up[0]
    told = "The order and how far it is are examples."
    return [
        Example("Five runs, one an hour", address, params, {"order": order}, first.warning_of(runs=_RUNS)),
        Example("In the second run", address, {"action": "status", "order": str(order)}, answer, told),
    ]


def _retry(types: list[TypeDocs], address: str) -> Example:
    params: Mapping[str, str] = {**types[0].example.params, "request_id": "my-order-1001"}
    note = types[0].warning_of(also=", once, however often it is sent")
    return Example("Asked twice, ordered once", address, params, types[0].example.value, note)
