"""The data for the API documentation, by reader; the text is in templates/api/.

Parameters, limits, error texts and shapes are taken from the code that answers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings

from orders.checkout.validation import MAX_INTERVAL, MAX_RUNS
from panel.accounts.models import User
from panel.api.add import MAX_REQUEST_ID
from panel.api.cancel_refill import ASKED, CANCELED, RUNS_ASKED, RUNS_ENDED
from panel.api.docs.actions import actions_of
from panel.api.docs.errors import error_texts, fields_of_add
from panel.api.docs.examples import Example, ExampleData, drip_answer, example_data_of, example_statuses, first_request
from panel.api.docs.service_types import TypeDocs, type_docs
from panel.api.docs.snippets import snippets
from panel.api.endpoint import READING
from panel.api.params import MAX_IDS
from panel.site import registry as site
from panel.site.names import key_variable

# Runs of the example drip-feed.
_RUNS = 5
_UNITS = {"s": "a second", "m": "a minute", "h": "an hour", "d": "a day"}


def docs_for(*, customer: User | None, address: str) -> dict[str, Any]:
    """Return the page's context; `customer` is None for a visitor. At most a dozen queries, however many services."""
    own = example_data_of(customer)
    types = type_docs(own=own, address=address)
    add = types[0].example
    return {
        "address": address,
        "key_variable": key_variable(),
        "first_request": first_request(address=address),
        "reading": list(READING),
        "try_orders": ",".join(map(str, own.statuses)) if own.has_orders else "",
        "try_refills": ",".join(map(str, own.refills)) if own.has_refills else "",
        "actions": actions_of(own=own, add=add, address=address),
        "success": {"canceled": CANCELED, "asked": ASKED, "runs_ended": RUNS_ENDED, "runs_asked": RUNS_ASKED},
        "types": types,
        "drip": _drip(own, types, address),
        "retry": replace(add, params={**add.params, "request_id": "my-order-1001"}),
        "example_statuses": example_statuses(),
        "errors": error_texts(),
        "fields_of_add": ", ".join(fields_of_add()),
        "snippets": snippets(address=address),
        "limits": {
            "key": rate_in_words(site.API_RATE_PER_KEY.value),
            "address": rate_in_words(site.API_RATE_PER_ADDRESS.value),
            "is_429": site.API_RATE_LIMIT_429.value,
            "window": site.API_DUPLICATE_WINDOW.value,
            "ids": MAX_IDS,
            "request_id": MAX_REQUEST_ID,
            "body": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
            "runs": MAX_RUNS,
            "interval": MAX_INTERVAL,
        },
    }


def rate_in_words(rate: str) -> str:
    """Return "1200/m" as "1,200 requests a minute"."""
    count, _, unit = rate.partition("/")
    return f"{int(count):,} request{'' if count == '1' else 's'} {_UNITS[unit]}"


def _drip(own: ExampleData, types: list[TypeDocs], address: str) -> list[Example]:
    """Return examples of ordering a drip-feed and of its status."""
    one = next(one.example for one in types if one.spec.drips)
    order, params = own.made_up[0], {**one.params, "runs": str(_RUNS), "interval": "60"}
    # Without a service there is no price: use 0.25, as in the other examples.
    answer = drip_answer(runs=_RUNS, quantity=int(params["quantity"]), charge=one.charge or 250_000)
    return [
        replace(one, params=params, value={"order": order}, charge=one.charge * _RUNS),
        Example(address, {"action": "status", "order": str(order)}, answer),
    ]
