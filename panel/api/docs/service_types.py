"""`add` by service type, from the same table that orders are checked by: nothing here knows a type by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from catalog.service_types import SPECS, Kind, Param, TypeSpec
from orders.checkout.validation import MAX_INTERVAL, MAX_RUNS
from panel.api.docs.examples import ORDER, Example, Own, charge_of
from panel.lib.money import format_money

LINK = "https://example.com/post"
_WORDS = {
    "hashtag": "travel",
    "hashtags": "travel\nsummer",
    "keywords": "cheap flights\nlast minute",
    "google_keyword": "cheap flights",
    "usernames": "alice\nbob",
    "comments": "Great post!\nLove it",
    "groups": "https://example.com/groups/travel\nhttps://example.com/groups/summer",
}
"""Values that look like what is meant, where the kind alone does not say it."""
_LINES = {"usernames": "user_{}"}
"""One line of many, by number; where it is not told, what a line is and the number."""
_VALUES = {
    Kind.LINE: "alice",
    Kind.LINES: "First line\nSecond line",
    Kind.LINK: "https://example.com/other",
    Kind.NUMBER: "2",
    Kind.COUNTRY: "US",
}
_KINDS = {
    Kind.LINE: "{}, in one line.",
    Kind.LINES: "{}, one on each line.",
    Kind.LINK: "{}: an address.",
    Kind.NUMBER: "{}: a whole number from 1 on.",
    Kind.CHOICE: "{}, one of:",
    Kind.COUNTRY: "{}: two letters.",
}
"""What may stand in a parameter; {} is its label."""


@dataclass(frozen=True, slots=True)
class ParamRow:
    """A parameter as the page's tables list it. `need`: "required", "optional", or when it is required."""

    name: str
    need: str
    words: str
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TypeDocs:
    """How a type is ordered. `row`: the row of `services` that the example orders, and `is_own` whether the customer
    can; `charge` of the example in micro-units."""

    key: str
    spec: TypeSpec
    params: list[ParamRow]
    row: Mapping[str, Any]
    is_own: bool
    example: Example
    charge: int

    @property
    def slug(self) -> str:
        """For the page's addresses."""
        return self.key.replace("_", "-")

    @property
    def warning(self) -> str:
        """What comes of sending the example; "" where nothing does."""
        return self.warning_of()

    def warning_of(self, *, runs: int = 1, also: str = "") -> str:
        """As `warning`, for so many runs of it; `also` is added."""
        if not self.is_own:
            return ""
        charge = format_money(self.charge * runs, settings.PANEL_CURRENCY, exact=True)
        what = f"your service {self.row['service']}, {self.row['name']}"
        if runs > 1:
            return f"Sent with your key, this orders {runs} runs of {what}, for {charge} in all{also}."
        return f"Sent with your key, this orders {what}, for {charge}{also}."

    @property
    def names(self) -> list[str]:
        """What it takes beside the service, for the overview."""
        return [param.name for param in self.params if param.name not in ("service", "request_id")]


def type_docs(*, own: Own, address: str) -> list[TypeDocs]:
    """Every type that can be ordered."""
    return [_docs_of(key, spec, own, address) for key, spec in SPECS.items()]


def _docs_of(key: str, spec: TypeSpec, own: Own, address: str) -> TypeDocs:
    row = own.rows.get(spec.wire)
    is_own = own.has_services and row is not None
    params = example_params(spec=spec, row=row)
    quantity = int(params.get("quantity", "0")) or params.get(spec.lines, "").count("\n") + 1
    return TypeDocs(
        key=key,
        spec=spec,
        params=_rows_of(spec),
        row=row or {},
        is_own=is_own,
        example=Example(spec.wire, address, params, {"order": ORDER}),
        charge=charge_of(row, quantity=quantity, is_package=spec.is_package) if row else 0,
    )


def example_params(*, spec: TypeSpec, row: Mapping[str, Any] | None) -> dict[str, str]:
    """A complete `add`, for as little as the service allows; without a service to order, a word in its place."""
    params = {"action": "add", "service": str(row["service"]) if row else "SERVICE_ID", "link": LINK}
    least = int(row["min"]) if row else 100
    if spec.takes_quantity:
        params["quantity"] = str(least)
    for param in spec.params:
        if param.only_if is None or params.get(param.only_if[0]) == param.only_if[1]:
            value = param.choices[0][0] if param.choices else _WORDS.get(param.name, _VALUES.get(param.kind, ""))
            if param.name == spec.lines and not spec.is_package:
                line = _LINES.get(param.name, f"{param.label.rstrip('s')} {{}}")
                value = "\n".join(line.format(number) for number in range(1, max(least, 2) + 1))
            params[param.name] = value
    return params


def _rows_of(spec: TypeSpec) -> list[ParamRow]:
    rows = [
        ParamRow("service", "required", f"The id of a service whose type is {spec.wire}."),
        ParamRow("link", "required", "What to deliver to: a full address, or an @name."),
    ]
    if spec.takes_quantity:
        each = " Of each run, in a drip-feed." if spec.drips else ""
        rows.append(ParamRow("quantity", "required", f"From the service’s min to its max.{each}"))
    rows += [_row_of(param, spec) for param in spec.params]
    if spec.drips:
        rows += [
            ParamRow("runs", "optional", f"Drip-feed: how many times the quantity is delivered, 2 to {MAX_RUNS:,}."),
            ParamRow("interval", "with runs", f"Minutes from one run to the next, 1 to {MAX_INTERVAL:,}."),
        ]
    rows.append(ParamRow("request_id", "optional", "Your own id of this order: makes a repetition safe."))
    return rows


def _row_of(param: Param, spec: TypeSpec) -> ParamRow:
    words = param.help or _KINDS[param.kind].format(param.label)
    if param.name == spec.lines:
        words += " One package, however many lines." if spec.is_package else " Their number is the quantity."
    need = f"if {param.only_if[0]} is {param.only_if[1]}" if param.only_if else "required"
    return ParamRow(param.name, need, words, param.choices)
