"""Actions on many orders in the admin: a page that shows what would be done, asks, and then tells what was done.

All of them are one view and one template. The page posts the orders' numbers, each with a key of what was shown of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from orders.common.bulk_results import FAILED, BulkResult, OrderResult, TooMany
from orders.common.hidden_costs import sees_costs
from orders.many.actions import (
    MAX_ORDERS,
    BulkAction,
    Data,
    StaffReason,
    carry_out,
    keys_of,
    orders_with,
    plan_for,
)
from orders.models import Order
from panel.accounts.models import User
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import log_own_attempt
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.recent_sign_in import require_recent_sign_in
from panel.staff.forms import WhyForm, take_why
from panel.staff.kinds import Kind
from panel.staff.limits import limit_sentence

PERMISSION = "orders.change_order"
# Of the orders that are left alone for one reason, so many are named.
_NAMED = 10
_MAX_QUERY = 4_000


class SelectionForm(forms.Form):
    """Numbers and keys in one field: a thousand separate fields would exceed Django's limit."""

    orders = forms.RegexField(
        regex=r"\A\d{1,18}+:[0-9a-f]{8}(?:,\d{1,18}+:[0-9a-f]{8})*+\Z",
        max_length=28 * MAX_ORDERS,
        widget=forms.HiddenInput,
    )

    def clean_orders(self) -> dict[int, str]:
        pairs = (one.split(":") for one in self.cleaned_data["orders"].split(","))
        seen = {int(pk): key for pk, key in pairs}
        if len(seen) > MAX_ORDERS:
            raise forms.ValidationError("Too many.")
        return seen


@dataclass(frozen=True, slots=True)
class Way:
    """One thing that an action does to some of its orders: sentences for before and after.

    Both may name {count}, {charged} and {refunded}.
    """

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class BulkPage:
    """An action on many orders as staff see it.

    `button` may name {orders}, such as "3 orders". `choices` are values of the form's field `how` with their labels:
    each has a plan of its own on the page. `kind` is that of the deeds, for whose limit a sentence is shown. `ask` asks
    a second person about orders above the limit, and returns that as a sentence. Whoever signed in long ago confirms
    first that it is them, unless the action `is_routine`.
    """

    name: str
    title: str
    text: str
    button: str
    action: BulkAction
    ways: dict[str, Way]
    form_class: type[forms.Form] = forms.Form
    choices: Sequence[tuple[str, str]] = (("", ""),)
    kind: Kind | None = None
    ask: Callable[[Collection[Order], User, Data], str] | None = None
    is_routine: bool = True
    is_danger: bool = False
    nothing_done: str = "Nothing was changed."


@dataclass(frozen=True, slots=True)
class Left:
    """Orders that are left alone: why, how many, and the first of them."""

    why: str
    count: int
    orders: list[Order]


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """What the page says of one plan. Amounts are texts; `profits` are what the orders earn before and after."""

    title: str
    count: int
    charged: str
    refunded: str
    profits: tuple[str, str] | None
    lines: list[tuple[int, str]]
    left: list[Left] = field(default_factory=list)


class BulkAdmin(ReadOnlyAdmin):
    """A list of orders, or of what belongs to orders, with actions on many of them."""

    bulk_pages: tuple[BulkPage, ...] = ()
    # The column of the list's rows that names the order.
    order_column = "pk"

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"{page.name}/",
                self.admin_site.admin_view(partial(self._confirmed, page=page)),
                name=self.bulk_name_of(page),
            )
            for page in self.bulk_pages
        ]
        return [*own, *super().get_urls()]

    def get_action(self, action: Any) -> Any:
        """Return the list action of a page by its name, such as "cancel_many"."""
        for page in self.bulk_pages:
            if action == f"{page.name}_many":
                return _list_action(page), action, page.title
        return super().get_action(action)

    def has_change_many_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)

    def bulk_name_of(self, page: BulkPage) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page.name}_selected"

    def open_many(self, request: HttpRequest, queryset: QuerySet[Any], *, page: BulkPage) -> HttpResponse | None:
        """Show what would be done to the orders of the selected rows, without changes yet."""
        if not page.is_routine:
            require_recent_sign_in(request, back=self._list_url())
        named = queryset.order_by("-pk").values_list(self.order_column, flat=True)
        pks = set(named[: MAX_ORDERS + 1])
        try:
            return self._preview(request, page, pks, page.form_class(), request.GET.urlencode())
        except TooMany as error:
            messages.error(request, f"{error} Narrow the list down. {page.nothing_done}")
            return None

    def _preview(
        self, request: HttpRequest, page: BulkPage, pks: Collection[int], form: forms.Form, query: str
    ) -> HttpResponse:
        user, orders = user_of(request), list(orders_with(pks))
        plans = [
            (label, plan_for(page.action, orders=orders, actor=user, data={"how": how})) for how, label in page.choices
        ]
        count = max(len(plan.able) for _, plan in plans)
        keys = keys_of(page.action, plans[0][1])
        context = {
            **self.admin_site.each_context(request),
            "title": page.title,
            "opts": self.opts,
            "page": page,
            "plans": [_shown(page, label, plan, with_costs=sees_costs(request)) for label, plan in plans],
            "button": page.button.format(orders=_orders_text(count)) if count else "",
            "limit": limit_sentence(user=user, kind=page.kind) if page.kind and _moves_money(plans) else "",
            "form": form,
            "selection": ",".join(f"{pk}:{key}" for pk, key in keys.items()),
            "query": query,
            "action": reverse(f"admin:{self.bulk_name_of(page)}"),
            "back": self._list_url(query),
        }
        return TemplateResponse(request, "admin/orders/bulk.html", context)

    def _confirmed(self, request: HttpRequest, page: BulkPage) -> HttpResponse:
        """Do what the preview listed. A second POST finds that each order changed since."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        if not page.is_routine:
            require_recent_sign_in(request, back=self._list_url())
        query = QueryDict(request.POST.get("query", "")[:_MAX_QUERY]).urlencode()
        selection, form = SelectionForm(request.POST), page.form_class(request.POST)
        if not selection.is_valid():
            messages.error(request, f"The selection could not be read. {page.nothing_done} Select the orders again.")
            return redirect(self._list_url(query))
        seen = selection.cleaned_data["orders"]
        if not form.is_valid():
            return self._preview(request, page, seen, form, query)
        data = dict(form.cleaned_data)
        if isinstance(form, WhyForm):
            data["why"] = take_why(data)
        user = user_of(request)
        result = carry_out(page.action, orders=list(orders_with(seen)), actor=user, data=data, seen=seen)
        self._tell(request, page, result, data)
        return redirect(self._list_url(query))

    def _tell(self, request: HttpRequest, page: BulkPage, result: BulkResult, data: Data) -> None:
        """Tell what was done, and what was left alone and why."""
        user = user_of(request)
        if own := result.orders_left(StaffReason.OWN):
            log_own_attempt(request=request, objects=own, title=page.title)
        messages.add_message(request, messages.SUCCESS if result.able else messages.WARNING, summary(page, result))
        above = result.orders_left(StaffReason.ABOVE_LIMIT)
        if above and page.ask:
            messages.warning(request, page.ask(above, user, data))
        if result.failed:
            numbers = ", ".join(map(str, result.failed[:20]))
            messages.error(request, f"Not done, for an error of ours that the log tells of: orders {numbers}.")

    def _list_url(self, query: str = "") -> str:
        address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return f"{address}?{query}" if query else address


def summary(page: BulkPage, result: BulkResult) -> str:
    """Return what was done, and what was not, with numbers, as one sentence."""
    parts = [
        way.after.format(**_figures(result.of_way(name))) for name, way in page.ways.items() if result.of_way(name)
    ]
    left = [
        f"{count:,} left alone: {why}{_numbers(result.orders_left(why))}"
        for why, count in result.left.items()
        if why != FAILED
    ]
    text = "; ".join([*(parts or [page.nothing_done.rstrip(".")]), *left])
    return f"{text[:1].upper()}{text[1:]}."


def _list_action(page: BulkPage) -> Callable[..., HttpResponse | None]:
    def open_page(model_admin: BulkAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return model_admin.open_many(request, queryset, page=page)

    open_page.allowed_permissions = ("change_many",)  # type: ignore[attr-defined]
    return open_page


def _shown(page: BulkPage, title: str, plan: BulkResult, *, with_costs: bool) -> ShownPlan:
    able: list[Any] = plan.able
    before = sum(one.order.profit for one in able)
    after = sum(one.order.profit - one.back if one.profit is None else one.profit for one in able)
    return ShownPlan(
        title=title,
        count=len(able),
        charged=shown_money(plan.charged),
        refunded=shown_money(plan.refunded),
        profits=(shown_money(before), shown_money(after)) if with_costs else None,
        lines=list(_lines(page, plan)),
        left=[Left(why, count, plan.orders_left(why)[:_NAMED]) for why, count in plan.left.items()],
    )


def _lines(page: BulkPage, plan: BulkResult) -> Iterator[tuple[int, str]]:
    for name, way in page.ways.items():
        if found := plan.of_way(name):
            yield len(found), way.before.format(**_figures(found))


def _figures(results: Sequence[OrderResult]) -> dict[str, str]:
    return {
        "count": f"{len(results):,}",
        "charged": shown_money(sum(one.order.net_charge for one in results)),
        "refunded": shown_money(sum(one.back for one in results)),
    }


def _orders_text(count: int) -> str:
    return "1 order" if count == 1 else f"{count:,} orders"


def _numbers(orders: Sequence[Order]) -> str:
    """Return the orders' numbers in brackets if they are few enough to read."""
    return f" ({', '.join(str(order.pk) for order in orders)})" if len(orders) <= _NAMED else ""


def _moves_money(plans: Sequence[tuple[str, BulkResult]]) -> bool:
    return any(plan.refunded for _, plan in plans)
