"""The service types of the protocol: what each asks of the customer, and what is priced how.

A type that is not listed in SPECS is imported and shown to the owner, but not sold: the panel would not
know what to ask for, or (Subscriptions) what it could cost.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """How a type is ordered. `lines` names the parameter whose non-empty lines are the quantity."""

    label: str
    takes_quantity: bool = True
    lines: str = ""
    is_package: bool = False


DEFAULT = "default"
PACKAGE = "package"
CUSTOM_COMMENTS = "custom_comments"
CUSTOM_COMMENTS_PACKAGE = "custom_comments_package"

SPECS: dict[str, TypeSpec] = {
    DEFAULT: TypeSpec("Default"),
    CUSTOM_COMMENTS: TypeSpec("Custom comments", takes_quantity=False, lines="comments"),
    PACKAGE: TypeSpec("Package", takes_quantity=False, is_package=True),
    CUSTOM_COMMENTS_PACKAGE: TypeSpec(
        "Custom comments package", takes_quantity=False, lines="comments", is_package=True
    ),
}


def is_sellable(service_type: str) -> bool:
    """Whether the order form knows what this type needs."""
    return service_type in SPECS
