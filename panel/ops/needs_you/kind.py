"""What is to be said of a kind of waiting item; the kinds are in the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from panel.accounts.models import User
from panel.lib import clock
from panel.lib.formats import short_duration
from panel.lib.money import format_money
from panel.ops.overview.states import Colour

# A label, and what is known.
Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One item in a line.

    `title` and `about` may be safe HTML; `amount` is the money at stake as people read it, `when` its age.
    """

    title: str
    about: str = ""
    amount: str = ""
    when: str = ""


def attribute(name: str) -> Callable[[Any], User | None]:
    """Return a function that reads who decided from a column of the object."""
    return lambda obj: getattr(obj, name)


def last_in_the_log(obj: Model) -> User | None:
    """Return who last did something to the object."""
    kind = ContentType.objects.get_for_model(obj)
    entry = LogEntry.objects.filter(content_type=kind, object_id=str(obj.pk)).select_related("user").order_by("-pk")
    found = entry.first()
    return found.user if found else None


@dataclass(frozen=True, slots=True)
class Kind:
    """How items of one kind are found, shown and decided.

    `waiting` returns what waits for a person, in any order; `moment` is the column by which the oldest is first, which
    is never null there. `pages` names the actions of the model's admin that decide an item, the likeliest first: each
    shows its form, keeps its own permissions and guards, and logs what was done.
    """

    key: str
    words: tuple[str, str]
    model: type[Model]
    permission: str
    icon: str
    colour: Colour
    moment: str
    waiting: Callable[[User], QuerySet[Any]]
    line: Callable[[Any], Line]
    evidence: Callable[[HttpRequest, Any], list[Fact]]
    pages: Callable[[Any], tuple[str, ...]]
    decided_by: Callable[[Any], User | None] = last_in_the_log
    page: Callable[[Any], str] | None = None

    def rows(self, user: User) -> QuerySet[Any]:
        """Return what waits for the person, the oldest first."""
        return self.waiting(user).order_by(self.moment, "pk")

    def page_of(self, obj: Model) -> str:
        """Return the object's own page, or the one that stands for it."""
        if self.page is not None:
            return self.page(obj)
        return reverse(f"admin:{self.model._meta.label_lower.replace('.', '_')}_change", args=[obj.pk])


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits."""

    kind: Kind
    obj: Any

    @property
    def key(self) -> tuple[str, int]:
        return self.kind.key, self.obj.pk

    @property
    def url(self) -> str:
        return reverse("needs_you_item", args=[self.kind.key, self.obj.pk])

    @property
    def later_url(self) -> str:
        return reverse("needs_you_later", args=[self.kind.key, self.obj.pk])

    @property
    def line(self) -> Line:
        return self.kind.line(self.obj)

    @property
    def page(self) -> str:
        return self.kind.page_of(self.obj)


def rounded(micros: int, currency: str | None = None) -> str:
    """Return the amount as it is read in a list; the evidence and the choices show it exactly."""
    return format_money(micros, currency or settings.PANEL_CURRENCY)


def age_of(moment: datetime | None) -> str:
    """Return how long ago that was: "25 min"."""
    return short_duration(max(clock.now() - moment, timedelta(0))) if moment else ""
