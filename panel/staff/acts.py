"""What a second look can carry out: each app says how, in a module that this one finds by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from panel.staff.deeds import Why
from panel.staff.models import SecondLook

# Each has ACTS. By name, because the apps import this one.
MODULES = ("billing.second_looks", "orders.second_looks", "panel.staff.raising")


class ActRefused(Exception):
    """It cannot be carried out as it was asked, because something changed since. The message is for staff."""


@dataclass(frozen=True, slots=True)
class Act:
    """`run` carries out a confirmed look in the caller's transaction and returns what was done, as a sentence.

    It raises ActRefused. `permission` is what both persons need.
    """

    name: str
    permission: str
    run: Callable[[SecondLook, Why], str]


@cache
def acts() -> dict[str, Act]:
    """Return every act by its name."""
    return {act.name: act for module in MODULES for act in import_module(module).ACTS}
