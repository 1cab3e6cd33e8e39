"""Try the reading actions: one request as the signed-in customer, shown as sent and answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from panel.accounts.models import User
from panel.api.docs.examples import as_curl, as_json
from panel.api.endpoint import Caller, answer
from panel.api.errors import ApiError, Throttled
from panel.api.rate_limit import count_customer
from panel.api.services import PriceList
from panel.site import registry as site

# Services shown in a list: a browser takes seconds to show ten thousand.
MAX_SHOWN = 20
MAX_IDS_LENGTH = 10_000
_IDS_OF = {"status": "order", "refill_status": "refill"}


@dataclass(frozen=True, slots=True)
class Tried:
    """`request` as a curl command, `answer` as indented JSON. `status` is the HTTP status, `took` milliseconds without
    the network. `note`: which part of the answer is not shown.
    """

    request: str
    answer: str
    status: int
    took: int
    is_error: bool = False
    note: str = ""


def try_out(*, customer: User, action: str, ids: str, address: str) -> Tried:
    """Return the answer that the API would give to a read-only key of the customer, within the rate of a key.

    `ids` are ids of orders or refills, separated by commas; other actions take none.
    """
    params = {"action": action}
    ids = ids.strip()[:MAX_IDS_LENGTH]
    if one := _IDS_OF.get(action):
        params[f"{one}s" if "," in ids else one] = ids
    status, note = 200, ""
    started = perf_counter()
    try:
        count_customer(customer.pk)
        # Without a key only the reading actions are answered.
        value = answer(caller=Caller(customer), params=params)
    except ApiError as error:
        value = {"error": str(error)}
        status = 429 if isinstance(error, Throttled) and site.API_RATE_LIMIT_429.value else 200
    took = round((perf_counter() - started) * 1_000)
    if isinstance(value, PriceList):
        value, note = _cut(value)
    return Tried(
        request=as_curl(address=address, params=params),
        answer=as_json(value),
        status=status,
        took=took,
        is_error=isinstance(value, dict) and "error" in value,
        note=note,
    )


def _cut(listed: PriceList) -> tuple[list[Any], str]:
    rows = json.loads(listed.plain())
    if len(rows) <= MAX_SHOWN:
        return rows, ""
    return rows[:MAX_SHOWN], f"The first {MAX_SHOWN} of {len(rows):,} services. A program gets all of them."
