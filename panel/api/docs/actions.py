"""The seven actions as the documentation describes them, each with what it is sent and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from panel.api.cancel_refill import ASKED, CANCELED, RUNS_ASKED, RUNS_ENDED
from panel.api.docs.examples import SAMPLE_REFILLS, Example, Own
from panel.api.docs.service_types import ParamRow, TypeDocs
from panel.api.endpoint import READING
from panel.api.errors import BAD_ORDER, BAD_REFILL
from panel.api.params import MOST_IDS

BAD_ID = "999999999"
"""An id that is nobody's, to show what comes of one among others."""

SERVICE_FIELDS = (
    ("service", "The id to order it by. A whole number."),
    ("name", "Its name."),
    ("type", "Which parameters its orders take: see add by service type."),
    ("category", "The shelf that it stands on."),
    ("rate", "Your price of 1,000; of a package the price of the package. Decimal text."),
    ("min", "The smallest quantity, as text."),
    ("max", "The largest quantity, as text."),
    ("refill", "Whether refill can be asked for."),
    ("cancel", "Whether cancel can be asked for once the order was sent on."),
    ("dripfeed", "Whether it takes runs and interval."),
    ("desc", "What there is to know about it: plain text, perhaps of several lines."),
)
STATUS_FIELDS = (
    ("charge", "What the order costs you, less what was given back. Decimal text."),
    ("start_count", "The count before the delivery began; 0 while it is not known."),
    ("status", "One of the statuses below."),
    ("remains", "What is still to be delivered; after the end, what was given back for."),
    ("currency", "Of the charge."),
)
CANCEL_FIELDS = (
    (CANCELED, "It has ended, and its charge was given back."),
    (ASKED, "It goes on until the provider says: follow its status."),
    (RUNS_ENDED, "Of a drip-feed: the runs to come were given back; those under way cannot be canceled."),
    (RUNS_ASKED, "Of a drip-feed: the runs to come were given back, and those under way may end early."),
)
"""What `success` may say."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `of_own`: its examples show what is the reader's own."""

    name: str
    words: str
    params: list[ParamRow]
    examples: list[Example]
    of_own: bool = False
    note: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    """What stands in the answer, where its names do not say it."""

    @property
    def is_reading(self) -> bool:
        return self.name in READING


def actions_of(*, own: Own, types: list[TypeDocs], address: str) -> list[Action]:
    """All seven, in the order of a program's day; `types` with Default first."""

    def example(label: str, value: Any, **params: str) -> Example:
        return Example(label, address, params, value)

    rows = [dict(row) for row in own.rows.values()][:1]
    told = {str(pk): dict(answer) for pk, answer in own.told.items()}
    one = next(iter(told))
    change, asked = own.made_up[0], next(iter(SAMPLE_REFILLS))
    refill = next(iter(own.refills))
    changes, refills = ",".join(map(str, own.made_up)), ",".join(map(str, own.refills))
    bad_order, bad_refill = {"error": BAD_ORDER}, {"error": BAD_REFILL}
    bad = int(BAD_ID)
    first = types[0]
    return [
        Action(
            "services",
            "All that you can order now, at your prices. Keep the list and read it again every few minutes: "
            "prices change, services come and go.",
            [],
            [example("The list, with its first service", rows, action="services")],
            of_own=own.has_services,
            fields=SERVICE_FIELDS,
        ),
        Action(
            "add",
            "Places an order and takes its charge from your balance. What is asked for follows from the type of the "
            "service.",
            first.params,
            [first.example],
            of_own=first.is_own,
            note=first.warning,
        ),
        Action(
            "status",
            "How orders stand. Ask for many at once, once a minute.",
            [
                ParamRow("order", "or orders", "The id of one order."),
                ParamRow("orders", "or order", f"Up to {MOST_IDS} ids, with commas between. Answered by id."),
            ],
            [
                example("One order", told[one], action="status", order=one),
                example(
                    "Many orders",
                    {**told, BAD_ID: bad_order},
                    action="status",
                    orders=",".join([*told, BAD_ID]),
                ),
            ],
            of_own=own.has_orders,
            fields=STATUS_FIELDS,
        ),
        Action(
            "refill",
            "Asks to deliver again what dropped after an order was completed. Possible where the service’s refill is "
            "true, once a day for each order. Answers with the id of the refill.",
            [
                ParamRow("order", "or orders", "The id of one order."),
                ParamRow("orders", "or order", f"Up to {MOST_IDS} ids, with commas between. Answered as a list."),
            ],
            [
                example("One order", {"refill": str(asked)}, action="refill", order=str(change)),
                example(
                    "Many orders",
                    [{"order": pk, "refill": asked + n} for n, pk in enumerate(own.made_up)]
                    + [{"order": bad, "refill": bad_order}],
                    action="refill",
                    orders=f"{changes},{BAD_ID}",
                ),
            ],
        ),
        Action(
            "refill_status",
            "How refills stand: Pending, In progress, Completed or Rejected.",
            [
                ParamRow("refill", "or refills", "The id of one refill, as refill answered."),
                ParamRow("refills", "or refill", f"Up to {MOST_IDS} ids, with commas between. Answered as a list."),
            ],
            [
                example(
                    "One refill",
                    {"status": own.refills[refill]},
                    action="refill_status",
                    refill=str(refill),
                ),
                example(
                    "Many refills",
                    [{"refill": pk, "status": status} for pk, status in own.refills.items()]
                    + [{"refill": bad, "status": bad_refill}],
                    action="refill_status",
                    refills=f"{refills},{BAD_ID}",
                ),
            ],
            of_own=own.has_refills,
        ),
        Action(
            "cancel",
            "Asks to end orders early. What was not delivered is given back when the order ends: follow its status. "
            "Asking twice does no harm.",
            [
                ParamRow("order", "or orders", "The id of one order."),
                ParamRow("orders", "or order", f"Up to {MOST_IDS} ids, with commas between. Answered as a list."),
            ],
            [
                example("One order", {"success": ASKED}, action="cancel", order=str(change)),
                example(
                    "Many orders",
                    [{"order": pk, "cancel": 1} for pk in own.made_up] + [{"order": bad, "cancel": bad_order}],
                    action="cancel",
                    orders=f"{changes},{BAD_ID}",
                ),
            ],
            note="For many orders, 1 means that the wish was taken, not that the order has ended.",
            fields=CANCEL_FIELDS,
        ),
        Action(
            "balance",
            "What you can spend, as plain decimal text: your balance and, if you have one, your credit limit.",
            [],
            [example("Your balance", {"balance": own.balance, "currency": settings.PANEL_CURRENCY}, action="balance")],
            of_own=True,
        ),
    ]
