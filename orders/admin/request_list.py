"""The staff's lists of refills and cancel requests: their lines, filters, search and pages by key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from catalog.models import Provider
from orders.admin.order_list import Tab
from orders.admin.order_search import find_orders
from orders.common.hidden_costs import sees_costs, without_costs
from orders.models import CancelRequest, Order, Refill
from orders.states import CancelState, RefillState
from panel.lib import clock
from panel.lib.admin.lists import MAX_COUNTED, ROWS, count_text, count_up_to
from panel.lib.digits import whole_number
from panel.lib.formats import moment_text, short_duration
from panel.lib.keyset_pagination import KeysetPage, page_of

Request = CancelRequest | Refill

_PLACES = ("after", "before")
OPEN = "open"
VIEWS = {"": "All", OPEN: "Open"}
# The class of the color and the icon of each state; others are quiet.
_LOOKS = {
    RefillState.WAITING: ("is-quiet", "schedule"),
    RefillState.ASKING: ("is-info", "sync"),
    RefillState.PENDING: ("is-quiet", "schedule"),
    RefillState.IN_PROGRESS: ("is-info", "play_circle"),
    RefillState.COMPLETED: ("is-fine", "check_circle"),
    RefillState.REJECTED: ("is-look", "cancel"),
    RefillState.REFUSED: ("is-look", "cancel"),
    RefillState.UNFOLLOWED: ("is-look", "help"),
    CancelState.ACCEPTED: ("is-info", "check"),
    CancelState.ENDED: ("is-quiet", "check_circle"),
}


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One line: the request, its order, and the texts of its cells. `tone` is the class of the state's color."""

    request: Any
    order: Order
    tone: str
    icon: str
    state: str
    age: str
    created: str
    asked: str
    sent: str
    note: str


class _KeyFilter(admin.SimpleListFilter):
    """A filter that the list's own form sets. An empty value is none; one that cannot be read finds nothing."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True


class StateFilter(_KeyFilter):
    title, parameter_name = "State", "state"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        states: Any = queryset.model._meta.get_field("state")
        if self.value() == OPEN:
            kind = RefillState if queryset.model is Refill else CancelState
            return queryset.filter(state__in=kind.open())
        if not self.value():
            return queryset
        return queryset.filter(state=self.value()) if self.value() in dict(states.choices) else queryset.none()


class ProviderFilter(_KeyFilter):
    title, parameter_name = "Provider", "provider"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        number = whole_number(str(self.value()))
        return queryset.none() if number is None else queryset.filter(provider=number)


def find_requests(requests: QuerySet[Any], *, term: str) -> QuerySet[Any]:
    """Return those of `requests` whose order has one of these numbers or providers' ids, and refills with such an id.

    Raise TooManyIds.
    """
    term = term.replace("\0", "")
    orders = list(find_orders(Order.objects.order_by(), term=term).orders.values_list("pk", flat=True)[:MAX_COUNTED])
    found = set(requests.model.objects.filter(order__in=orders).values_list("pk", flat=True))
    if requests.model is Refill:
        providers = list(Provider.objects.values_list("pk", flat=True))
        words = term.replace(",", " ").split()
        by_id = Refill.objects.filter(provider__in=providers, upstream_id__in=words).exclude(upstream_id="")
        found |= set(by_id.order_by().values_list("pk", flat=True)[:MAX_COUNTED])
    return requests.filter(pk__in=found)


class RequestChangeList(ChangeList):
    """Reads a page of requests by key, and counts no further than MAX_COUNTED."""

    keyset: KeysetPage[Any]

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.sees_costs = sees_costs(request)
        super().__init__(request, *args, **kwargs)
        self.has_filters = False

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        left: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in left.items() if name not in _PLACES}

    def get_results(self, request: HttpRequest) -> None:
        places = {name: request.GET.get(name, "") for name in _PLACES}
        self.counted = self.result_count = count_up_to(self.queryset)
        rows = self.queryset
        if self.counted <= MAX_COUNTED:
            # The few are named by key: to have them in order, a database may walk all rows.
            pks = list(rows.order_by().values_list("pk", flat=True)[:MAX_COUNTED])
            rows = self.model._default_manager.filter(pk__in=pks)
        related = ("order__customer", "order__service", "provider", "actor")
        self.keyset = page_of(rows.select_related(*related), params=places, size=ROWS)
        self.result_list = self.keyset.rows
        self.full_result_count = self.result_count
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all = self.show_all = False
        self.multi_page = not self.keyset.is_only
        self.paginator = Paginator(self.result_list, ROWS)

    @property
    def rows(self) -> Iterator[RequestRow]:
        now = clock.now()
        for one in self.result_list:
            tone, icon = _LOOKS[one.state]
            yield RequestRow(
                request=one,
                order=one.order,
                tone=tone,
                icon=icon,
                state=one.get_state_display(),
                age=short_duration(now - one.created_at),
                created=moment_text(one.created_at),
                asked=_asked(one),
                sent=_sent(one),
                note=one.note if self.sees_costs else without_costs(one.note),
            )

    @property
    def shown_count(self) -> str:
        return count_text(self.counted)

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Return the address of the list with other parameters, from its first page on."""
        return super().get_query_string(new_params, [*(remove or ()), *_PLACES])

    @property
    def pages(self) -> list[tuple[str, str, str]]:
        """Return the adjacent pages: the word, the relation and the address of each."""
        query = self.get_query_string()
        sign = "&" if len(query) > 1 else ""
        places = (("Newer", "prev", self.keyset.previous), ("Older", "next", self.keyset.next))
        return [(word, rel, f"{query}{sign}{place[0]}={place[1]}") for word, rel, place in places if place]

    @property
    def tabs(self) -> list[Tab]:
        state = self.params.get("state", "")
        return [
            Tab(name, self.get_query_string({"state": view}) if view else self.get_query_string(remove=["state"]),
                self._count_of(view), view == state)
            for view, name in VIEWS.items()
        ]  # fmt: skip

    def _count_of(self, view: str) -> str:
        if view != OPEN:
            return ""
        kind = RefillState if self.model is Refill else CancelState
        return count_text(count_up_to(self.model._default_manager.filter(state__in=kind.open())))

    @property
    def states(self) -> list[tuple[str, str]]:
        field: Any = self.model._meta.get_field("state")
        return [(value, str(label)) for value, label in field.choices]

    @property
    def providers(self) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Provider.objects.order_by("name").values_list("pk", "name")]

    @property
    def is_narrowed(self) -> bool:
        return bool(self.query or self.params.get("state") or self.params.get("provider"))


def _asked(one: Request) -> str:
    """Return who asked for it."""
    if one.actor is None:
        return "The panel"
    return "Customer" if one.actor_id == one.order.customer_id else str(one.actor)


def _sent(one: Request) -> str:
    """Return when it was sent last, and how often."""
    if one.asked_at is None:
        return "Not sent yet"
    tries = f", try {one.attempts}" if one.attempts > 1 else ""
    return f"Sent {moment_text(one.asked_at)}{tries}"
