"""`add` by service type, from the table that checks orders: nothing here names a type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.service_types import SPECS, Kind, TypeSpec
from panel.api.docs.examples import ORDER, Example, ExampleData
from panel.lib.money import charge_for, parse_money

LINK = "https://example.com/post"
_VALUES = {
    Kind.LINE: "alice",
    Kind.LINES: "First line\nSecond line",
    Kind.LINK: "https://example.com/other",
    Kind.NUMBER: "2",
    Kind.COUNTRY: "US",
}
# Realistic values for parameters whose kind alone does not suggest one.
_VALUES_OF = {
    "hashtag": "travel",
    "hashtags": "travel\nsummer",
    "keywords": "cheap flights\nlast minute",
    "google_keyword": "cheap flights",
    "usernames": "alice\nbob",
    "comments": "Great post!\nLove it",
    "groups": "https://example.com/groups/travel\nhttps://example.com/groups/summer",
}
# One line of many, with its number; types not listed use the parameter's label and the number.
_LINES = {"usernames": "user_{}"}


@dataclass(frozen=True, slots=True)
class TypeDocs:
    """A type that can be ordered, and an example order."""

    key: str
    spec: TypeSpec
    example: Example

    @property
    def slug(self) -> str:
        """Return the key as used in the page's anchors."""
        return self.key.replace("_", "-")


def type_docs(*, own: ExampleData, address: str) -> list[TypeDocs]:
    """Return every type that can be ordered."""
    return [TypeDocs(key, spec, _example_of(spec, own, address)) for key, spec in SPECS.items()]


def _example_of(spec: TypeSpec, own: ExampleData, address: str) -> Example:
    row = own.rows.get(spec.wire)
    params = _example_params(spec, row)
    if row is None:
        return Example(address, params, {"order": ORDER})
    price = parse_money(row["rate"])
    quantity = int(params.get("quantity", 0)) or len(params.get(spec.lines, "").splitlines())
    charge = price if spec.is_package else charge_for(price, quantity)
    return Example(address, params, {"order": ORDER}, row if own.has_services else None, charge)


def _example_params(spec: TypeSpec, row: Mapping[str, Any] | None) -> dict[str, str]:
    """Return a complete `add` with the smallest quantity; without a service, a placeholder for its id."""
    params = {"action": "add", "service": str(row["service"]) if row else "SERVICE_ID", "link": LINK}
    least = int(row["min"]) if row else 100
    if spec.takes_quantity:
        params["quantity"] = str(least)
    for param in spec.params:
        if param.only_if is None or params.get(param.only_if[0]) == param.only_if[1]:
            value = param.choices[0][0] if param.choices else _VALUES_OF.get(param.name) or _VALUES[param.kind]
            if param.name == spec.lines and not spec.is_package:
                line = _LINES.get(param.name, f"{param.label.rstrip('s')} {{}}")
                value = "\n".join(line.format(number) for number in range(1, max(least, 2) + 1))
            params[param.name] = value
    return params
