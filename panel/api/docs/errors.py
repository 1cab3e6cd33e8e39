"""The texts that can appear in {"error": …}, taken from the code that answers with them.

templates/api/_errors.html explains them; tests compare that page with the answers.
"""

from __future__ import annotations

from catalog.service_types import SPECS
from orders.checkout.create import AlreadyOrdered
from orders.checkout.validation import BadQuantity
from orders.models import Order
from panel.api import errors


def error_texts() -> dict[str, str]:
    """Return how each error begins, in lower case, by the name of its constant or of the refusal behind it."""
    constants = {name: text for name, text in vars(errors).items() if name.isupper() and isinstance(text, str)}
    refills = {reason.name: text for reason, text in errors.REFILL_REFUSED.items()}
    refused = {
        "too_few": BadQuantity("", field="quantity", minimum=10),
        "too_many": BadQuantity("", field="quantity", maximum=10_000),
        "bad_field": BadQuantity("", field="…"),
        "already_ordered": AlreadyOrdered(Order()),
    }
    return {
        **{name.lower(): text for name, text in (constants | refills).items()},
        **{name: str(errors.refused_order(refusal)) for name, refusal in refused.items()},
        "throttled": str(errors.Throttled(retry_after=30)),
    }


def fields_of_add() -> list[str]:
    """Return the parameters that "Incorrect …" may name, each once."""
    of_types = [param.name for spec in SPECS.values() for param in spec.params]
    return list(dict.fromkeys(["link", "quantity", "runs", "interval", *of_types]))
