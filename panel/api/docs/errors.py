"""What may stand in {"error": …}, what it means, and what a program does about it.

The texts are those that `panel.api.errors` answers with; the tests hold this list against what is answered.
"""

from __future__ import annotations

from dataclasses import dataclass

from catalog.service_types import SPECS
from orders.checkout.validation import BadQuantity
from orders.requests.refill import RefillRefusal
from panel.api import errors

STOP, MEND, LATER, AGAIN = "stop", "mend", "later", "again"
LOOKS = {
    STOP: ("danger", "Stop and tell a person"),
    MEND: ("warning", "Do not repeat as it is"),
    LATER: ("info", "Wait, then repeat"),
    AGAIN: ("info", "Repeat with the same request_id"),
}
"""What to do as colour and words."""


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """`text` is how the message begins. `do`: one of LOOKS, as "do_words" tells more of."""

    text: str
    means: str
    do: str
    do_words: str = ""

    @property
    def look(self) -> str:
        return LOOKS[self.do][0]

    @property
    def advice(self) -> str:
        return LOOKS[self.do][1]


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    slug: str
    title: str
    errors: list[ErrorWords]


def error_groups() -> list[ErrorGroup]:
    """All errors, by what was asked."""
    return [
        ErrorGroup("all", "Any action", _of_all()),
        ErrorGroup("add", "add", _of_add()),
        ErrorGroup("refill", "refill", _of_refill()),
        ErrorGroup("cancel", "cancel", _of_cancel()),
    ]


def fields_of_add() -> list[str]:
    """The parameters that "Incorrect …" may name, each once."""
    of_types = [param.name for spec in SPECS.values() for param in spec.params]
    return list(dict.fromkeys(["link", "quantity", "runs", "interval", *of_types]))


def _of_all() -> list[ErrorWords]:
    throttled = str(errors.Throttled(retry_after=30))
    return [
        ErrorWords(errors.BAD_KEY, "The key is missing, unknown or revoked, or the account is switched off.", STOP),
        ErrorWords(errors.WRONG_ADDRESS, "The key is tied to addresses, and this one is not among them.", STOP),
        ErrorWords(errors.READ_ONLY, "A read-only key cannot add, refill or cancel.", STOP),
        ErrorWords(
            throttled, "The rate limit is reached; nothing was done.", LATER, "The seconds are in Retry-After, too."
        ),
        ErrorWords(
            errors.BAD_REQUEST,
            "There is no such action, or the request cannot be read. What is wrong may follow after a colon.",
            MEND,
        ),
        ErrorWords(errors.BAD_ORDER, "No order of yours has this id.", MEND),
        ErrorWords(errors.BAD_REFILL, "No refill of yours has this id.", MEND),
        ErrorWords(
            errors.INTERNAL,
            "Something broke here: it says nothing about what was done. For add it comes with HTTP status 500.",
            AGAIN,
        ),
    ]


def _of_add() -> list[ErrorWords]:
    low = str(errors.refused_order(BadQuantity("", field="quantity", minimum=10)))
    high = str(errors.refused_order(BadQuantity("", field="quantity", maximum=10_000)))
    wrong = str(errors.refused_order(BadQuantity("", field="…")))
    return [
        ErrorWords(
            errors.NO_FUNDS,
            "The balance does not cover the charge, or the key’s daily limit is reached: then that follows.",
            STOP,
            "Add funds, then repeat.",
        ),
        ErrorWords(errors.BAD_SERVICE, "The service is unknown or no longer on sale.", MEND, "Read services again."),
        ErrorWords(low, "Below the service’s min.", MEND),
        ErrorWords(high, "Above the service’s max.", MEND),
        ErrorWords(wrong, f"This parameter is missing or wrong: {', '.join(fields_of_add())}.", MEND),
        ErrorWords(
            errors.LINK_BUSY,
            "The same service, link, quantity and parameters were just ordered with this key, this time without a "
            "request_id.",
            LATER,
        ),
        ErrorWords(
            f"{errors.BAD_REQUEST}: this request_id was used for another order",
            "The same request_id came with other parameters before. The first order stands.",
            MEND,
        ),
    ]


def _of_refill() -> list[ErrorWords]:
    words = {
        RefillRefusal.NOT_COMPLETED: ("Only what was completed can be refilled.", MEND),
        RefillRefusal.NO_REFILL: ("The service has no refill, as services tells.", MEND),
        RefillRefusal.ASKED_LATELY: ("A refill is under way, or was asked for within a day.", LATER),
        RefillRefusal.REFUSED_LATELY: ("It was refused a short while ago.", LATER),
    }
    return [ErrorWords(str(errors.refused_refill(reason)), means, do) for reason, (means, do) in words.items()]


def _of_cancel() -> list[ErrorWords]:
    return [
        ErrorWords(errors.COMPLETED, "It has ended: there is nothing left to cancel.", MEND),
        ErrorWords("Cannot cancel", "Why follows after a colon: the service cannot be canceled, for example.", MEND),
    ]
