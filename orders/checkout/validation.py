"""Checks of a customer's input against a service: link, quantity, parameters and runs. Pure.

Every refusal names its field, and its message is for the customer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.link_kinds import Expected, LinkKind
from catalog.models import Service
from catalog.service_types import SPECS, Kind, Param
from orders.checkout.links import link_problem
from panel.lib.links.texts import trim

MAX_LINE = 500
MAX_TEXT = 100_000
MAX_RUNS = 1_000
# Minutes: 30 days from one run to the next, one year for all runs.
MAX_INTERVAL = 43_200
MAX_DURATION = 365 * 24 * 60

# What a parameter takes that is a link.
ADDRESS = Expected(LinkKind.ADDRESS, is_guess=False)

GONE = gettext_lazy("This service is no longer on sale. Nothing was charged. Choose another.")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")


class OrderRefused(Exception):
    """The order cannot be created; nothing was charged. `field` is the form's field, or "".

    `minimum` or `maximum` is set to the service's limit if the quantity is outside it, `step` if it is no multiple of
    that. `refusals` lists everything that is wrong with the input, beginning with this refusal.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        minimum: int | None = None,
        maximum: int | None = None,
        step: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.minimum = minimum
        self.maximum = maximum
        self.step = step
        self.refusals: list[OrderRefused] = [self]


class BadLink(OrderRefused):
    pass


class BadQuantity(OrderRefused):
    pass


class BadParam(OrderRefused):
    """A parameter of the service type, beyond link and quantity, is wrong; `field` is its name."""


class BadPlan(OrderRefused):
    """The runs of a drip-feed are wrong; `field` is "runs" or "interval"."""


class NotOnSale(OrderRefused):
    pass


@dataclass(frozen=True, slots=True)
class OrderInput:
    """What a customer orders, as it was typed or sent.

    `params` holds the service type's parameters beyond link and quantity, as the API names them. A drip-feed has
    `runs` of that quantity, `interval` minutes apart.
    """

    service_id: int
    link: str
    quantity: int | None
    params: Mapping[str, str]
    runs: int | None = None
    interval: int | None = None

    @property
    def is_drip(self) -> bool:
        return self.runs is not None or self.interval is not None


@dataclass(frozen=True, slots=True)
class CheckedOrder(OrderInput):
    """Input that is cleaned and within the service's limits, as it is stored and sent to the provider."""

    quantity: int
    params: dict[str, str]

    @property
    def plan(self) -> tuple[int, int]:
        """Return the number of runs and the minutes between them: (1, 0) for a single order."""
        return self.runs or 1, self.interval or 0


def check_order(*, service: Service, order_input: OrderInput) -> CheckedOrder:
    """Return the input cleaned for the service, without parameters that its type does not have.

    Raise OrderRefused for the first mistake, with all mistakes in `refusals`.
    """
    spec = SPECS.get(service.type)
    if spec is None:
        raise NotOnSale(_("This service cannot be ordered here. Nothing was charged. Choose another."), field="service")
    link, params, refusals = clean_content(
        service_type=service.type, order_input=order_input, expected=service.expected_link
    )
    quantity = 0
    try:
        if order_input.is_drip:
            check_plan(service=service, runs=order_input.runs, interval=order_input.interval)
    except BadPlan as refusal:
        refusals.insert(0, refusal)  # First, as the API returns only the first: the service may be the wrong one.
    try:
        # Refused lines cannot be counted.
        if not spec.lines or spec.lines in params:
            quantity = check_quantity(service=service, quantity=order_input.quantity, params=params)
    except OrderRefused as refusal:
        refusals.append(refusal)
    if refusals:
        refusals[0].refusals = refusals
        raise refusals[0]
    return CheckedOrder(order_input.service_id, link, quantity, params, order_input.runs, order_input.interval)


def clean_content(
    *, service_type: str, order_input: OrderInput, expected: Expected | None
) -> tuple[str, dict[str, str], list[OrderRefused]]:
    """Return the link ("" if refused), the valid parameters as the API names them, and the refusals.

    Without `expected`, the link is trimmed and not checked.
    """
    refusals: list[OrderRefused] = []
    link = ""
    try:
        link = trim(order_input.link) if expected is None else check_link(order_input.link, expected=expected)
    except BadLink as refusal:
        refusals.append(refusal)
    params: dict[str, str] = {}
    for param in SPECS[service_type].params:
        if param.only_if is None or params.get(param.only_if[0]) == param.only_if[1]:
            try:
                params[param.name] = check_param(param=param, text=order_input.params.get(param.name, ""))
            except BadParam as refusal:
                refusals.append(refusal)
    return link, params, refusals


def check_param(*, param: Param, text: str) -> str:
    """Return one parameter as it is sent to the provider. Raise BadParam if it is missing or not valid."""
    if param.kind is Kind.LINES:
        lines = text_lines(param=param, text=text)
        if not lines:
            raise BadParam(missing_param(param), field=param.name)
        return "\n".join(lines)
    text = text.strip()
    if not text:
        raise BadParam(missing_param(param), field=param.name)
    if param.kind is Kind.LINK:
        try:
            return check_link(text, expected=ADDRESS)
        except BadLink as refusal:
            raise BadParam(refusal.message, field=param.name) from None
    if len(text) > MAX_LINE:
        raise _too_long(param, MAX_LINE)
    if _FORBIDDEN.search(text):
        raise BadParam(_("This holds an invisible character. Type it again."), field=param.name)
    if param.kind is Kind.NUMBER and not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise BadParam(_("Enter a whole number from 1 on."), field=param.name)
    if param.kind is Kind.CHOICE and text not in dict(param.choices):
        raise BadParam(_("Choose one of the list."), field=param.name)
    if param.kind is Kind.COUNTRY:
        if not re.fullmatch("[A-Za-z]{2}", text):
            raise BadParam(_("Write the country's two-letter code, such as DE."), field=param.name)
        return text.upper()
    return text


def _too_long(param: Param, most: int) -> BadParam:
    text = ngettext(
        "This is too long: %(most)s character at most.", "This is too long: %(most)s characters at most.", most
    )
    return BadParam(text % {"most": f"{most:,}"}, field=param.name)


def missing_param(param: Param) -> str:
    """Return the message for a parameter that is empty."""
    if param.kind is Kind.LINES:
        return _("Fill in “%(label)s”, one on each line.") % {"label": _(param.label)}
    if param.kind is Kind.CHOICE:
        return _("Choose one of the list.")
    return _("Fill in “%(label)s”.") % {"label": _(param.label)}


def check_quantity(*, service: Service, quantity: int | None, params: Mapping[str, str]) -> int:
    """Return the quantity; for a type that counts lines, their number in the checked `params`.

    Raise BadQuantity if it is missing, BadQuantity or BadParam if it is outside the service's limits or between its
    steps.
    """
    spec = SPECS[service.type]
    if spec.is_package:
        return 1
    amount = amount_of(service_type=service.type, quantity=quantity, params=params)
    if amount is None:
        raise BadQuantity(_("Enter a quantity."), field="quantity")
    low, high, step = service.lowest_quantity, service.highest_quantity, service.quantity_step
    if low <= amount <= high:
        if amount % step:
            error = BadParam if spec.lines else BadQuantity
            raise error(between_steps(amount=amount, step=step), field=spec.lines or "quantity", step=step)
        return amount
    crossed = {"minimum": low} if amount < low else {"maximum": high}
    limits = {"low": f"{low:,}", "high": f"{high:,}"}
    if spec.lines:
        text = ngettext(
            "Write %(low)s to %(high)s lines; this is %(count)s.",
            "Write %(low)s to %(high)s lines; these are %(count)s.",
            amount,
        )
        raise BadParam(text % {**limits, "count": f"{amount:,}"}, field=spec.lines, **crossed)
    raise BadQuantity(_("Order between %(low)s and %(high)s of this service.") % limits, field="quantity", **crossed)


def between_steps(*, amount: int, step: int) -> str:
    """Return the message for an amount within the limits that is no multiple of the step."""
    below = amount // step * step
    return _("Order a multiple of %(step)s of this service, such as %(below)s or %(above)s.") % {
        "step": f"{step:,}",
        "below": f"{below:,}",
        "above": f"{below + step:,}",
    }


def amount_of(*, service_type: str, quantity: int | None, params: Mapping[str, str]) -> int | None:
    """Return the quantity as the type counts it, without limits; None if it is missing. `params` must be checked."""
    spec = SPECS[service_type]
    if spec.is_package:
        return 1
    return params[spec.lines].count("\n") + 1 if spec.lines else quantity


def check_plan(*, service: Service, runs: int | None, interval: int | None) -> tuple[int, int]:
    """Return `runs` and `interval` (minutes) unchanged. Raise BadPlan if they are missing or outside the limits."""
    if not SPECS[service.type].drips:
        raise BadPlan(_("This service cannot be ordered in several runs."), field="runs")
    if runs is None or not 2 <= runs <= MAX_RUNS:
        raise BadPlan(_("Enter 2 to %(most)s runs.") % {"most": f"{MAX_RUNS:,}"}, field="runs")
    if interval is None or not 1 <= interval <= MAX_INTERVAL:
        raise BadPlan(_("Enter 1 to %(most)s minutes.") % {"most": f"{MAX_INTERVAL:,}"}, field="interval")
    if runs * interval > MAX_DURATION:
        raise BadPlan(_("All runs must begin within a year."), field="interval")
    return runs, interval


def check_link(link: str, *, expected: Expected) -> str:
    """Return the link without spaces and invisible marks at its ends. Raise BadLink if the service cannot take it."""
    link = trim(link)
    if problem := link_problem(link=link, expected=expected):
        raise BadLink(problem, field="link")
    return link


def text_lines(*, param: Param, text: str) -> list[str]:
    """Return the non-empty lines, trimmed. Raise BadParam for characters that no provider accepts."""
    if len(text) > MAX_TEXT:
        raise _too_long(param, MAX_TEXT)
    # Split at Unicode line ends too: a provider that splits there would bill more lines than were paid.
    lines = [line.strip() for line in re.split("\r\n|[\r\n\x85\u2028\u2029]", text)]
    lines = [line for line in lines if line]
    for number, line in enumerate(lines, start=1):
        if _FORBIDDEN.search(line):
            text = _("Line %(number)s holds an invisible character. Type it again.") % {"number": number}
            raise BadParam(text, field=param.name)
    return lines


def add_params(
    *, service_type: str, upstream_service_id: str, link: str, quantity: int, params: dict[str, str]
) -> dict[str, str]:
    """Return the parameters of `add` as they are sent to the provider (protocol: "add, by service type")."""
    spec = SPECS[service_type]
    fields = {"service": upstream_service_id, "link": link}
    if spec.takes_quantity:
        fields["quantity"] = str(quantity)
    return {**fields, **params}
