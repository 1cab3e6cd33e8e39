"""Cancels in the admin: one order or a selection of them, each after a page that says what will happen."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import action

from orders.admin.review import find_order, order_or_404
from orders.models import Order
from orders.requests.bulk import FAILED, MAX_STAFF_ORDERS, BulkResult, TooMany, cancel_as_staff, plan_staff_cancels
from orders.review.decisions import review_state_of
from orders.second_looks import WITHDRAW, ask_for_orders
from panel.accounts.signed_in import user_of
from panel.activity.record import Change, record
from panel.lib.admin.actions import ActionRefused, confirm_and_act, is_own_object, log_own_attempt
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.staff.deeds import UNSTATED
from panel.staff.forms import WhyForm, take_why
from panel.staff.kinds import Kind
from panel.staff.limits import limit_sentence

PERMISSION = "orders.change_order"


class SelectionForm(forms.Form):
    """Primary keys in one field: a thousand separate fields would exceed Django's limit."""

    orders = forms.RegexField(
        regex=r"\A\d{1,18}+(?:,\d{1,18}+)*+\Z", max_length=19 * MAX_STAFF_ORDERS, widget=forms.HiddenInput
    )

    def clean_orders(self) -> list[int]:
        pks = sorted({int(pk) for pk in self.cleaned_data["orders"].split(",")})
        if len(pks) > MAX_STAFF_ORDERS:
            raise forms.ValidationError("Too many.")
        return pks


class OrderSelectionForm(SelectionForm, WhyForm):
    """The selection, and why their money moves."""


class CancelAdmin(ReadOnlyAdmin):
    """The list action and the detail action that cancel orders."""

    actions: tuple[str, ...] = ("cancel_many",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.cancel_selected)
        return [path("cancel/", view, name=self._cancel_name), *super().get_urls()]

    @property
    def _cancel_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_cancel_selected"

    def has_cancel_many_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)

    @action(description="Cancel orders", permissions=["cancel_many"])
    def cancel_many(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Show what will happen, without changes yet."""
        pks = list(queryset.order_by("pk").values_list("pk", flat=True)[: MAX_STAFF_ORDERS + 1])
        try:
            return self._preview(request, pks, OrderSelectionForm(initial={"orders": ",".join(map(str, pks))}))
        except TooMany as error:
            messages.error(request, f"{error} Narrow the list down. Nothing was changed.")
            return None

    def _preview(self, request: HttpRequest, pks: list[int], form: OrderSelectionForm) -> HttpResponse:
        user = user_of(request)
        plan = plan_staff_cancels(orders=list(Order.objects.filter(pk__in=pks)), actor=user)
        context = {
            **self.admin_site.each_context(request),
            "title": "Cancel orders",
            "opts": self.opts,
            "plan": plan,
            "refund": shown_money(plan.refunded),
            "at_most": shown_money(plan.asked_for),
            "can_act": bool(plan.able),
            "limit": limit_sentence(user=user, kind=Kind.REFUND) if plan.withdrawn else "",
            "form": form,
            "action": reverse(f"admin:{self._cancel_name}"),
            "back": self._list_url(),
        }
        return TemplateResponse(request, "admin/orders/cancel_many.html", context)

    def cancel_selected(self, request: HttpRequest) -> HttpResponse:
        """Cancel the orders that the preview listed. A second POST finds them canceled."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        form = OrderSelectionForm(request.POST)
        if not form.is_valid():
            if "orders" in form.cleaned_data:
                return self._preview(request, form.cleaned_data["orders"], form)
            messages.error(request, "The selection could not be read. Nothing was changed; select the orders again.")
            return redirect(self._list_url())
        chosen = list(Order.objects.filter(pk__in=form.cleaned_data["orders"]))
        user, why = user_of(request), take_why(form.cleaned_data)
        result = cancel_as_staff(orders=chosen, actor=user, why=why)
        _record(request, result)
        if own := [order for order in chosen if is_own_object(request, order)]:
            log_own_attempt(request=request, objects=own, title="Cancel orders")
        messages.add_message(request, messages.SUCCESS if result.able else messages.WARNING, summary(result))
        if waits := ask_for_orders(act=WITHDRAW, orders=result.above_limit, actor=user, why=why):
            messages.warning(request, waits)
        if result.failed:
            numbers = ", ".join(map(str, result.failed[:20]))
            messages.error(request, f"Not canceled, for an error of ours that the log tells of: orders {numbers}.")
        return redirect(self._list_url())

    def _list_url(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def has_cancel_one_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        if not object_id or not request.user.has_perm(PERMISSION):
            return False
        order = find_order(object_id)
        return order is not None and plan_staff_cancels(orders=[order], actor=None).able != []

    @action(description="Cancel", icon="cancel", permissions=["cancel_one"])
    def cancel_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = order_or_404(object_id)
        user = user_of(request)
        is_unsent = plan_staff_cancels(orders=[order], actor=None).withdrawn > 0

        def act(data: dict[str, Any]) -> str:
            why = take_why(data) if is_unsent else UNSTATED
            result = cancel_as_staff(orders=[order], actor=user, why=why)
            if result.above_limit:
                return ask_for_orders(act=WITHDRAW, orders=result.above_limit, actor=user, why=why)
            if result.withdrawn:
                return f"Canceled; {shown_money(result.refunded)} refunded."
            if result.failed:
                raise ActionRefused(FAILED)
            if not result.asked:
                raise ActionRefused(f"Nothing was done: it is {next(iter(result.left))}.")
            return f"{order.provider.name} is asked to cancel it."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=order,
            form_class=WhyForm if is_unsent else forms.Form,
            title=f"Cancel order {order.pk}",
            explanation=(
                f"It was not sent yet: it is canceled at once, and {shown_money(order.net_charge)} are refunded. "
                f"{limit_sentence(user=user, kind=Kind.REFUND)}"
                if is_unsent
                else f"{order.provider.name} is asked to cancel it. What comes back follows its answer."
            ),
            button="Cancel the order",
            act=act,
            seen=review_state_of(order),
            is_routine=True,
        )


def _record(request: HttpRequest, result: BulkResult) -> None:
    """Write to the activity which orders were canceled, or are to be."""
    refunds = {one.order.pk: one.back for one in result.able if not one.is_asked}

    def refunded(order: Model) -> list[Change]:
        return [Change("refunded", None, refunds[order.pk])]

    actor = user_of(request).pk
    if refunds:
        done = [one.order for one in result.able if not one.is_asked]
        record(actor_id=actor, objects=done, message="Canceled with others, and refunded.", changes=refunded)
    if asked := [one.order for one in result.able if one.is_asked]:
        record(actor_id=actor, objects=asked, message="The provider is asked to cancel it, with others.")


def summary(result: BulkResult) -> str:
    """Return what was done, with numbers, as one sentence."""
    parts = [
        f"{result.withdrawn:,} canceled and {shown_money(result.refunded)} refunded",
        f"providers asked to cancel {result.asked:,} more",
        *(f"{count:,} left alone: {why}" for why, count in result.left.items() if why != FAILED),
    ]
    return f"{'; '.join(parts)}."
