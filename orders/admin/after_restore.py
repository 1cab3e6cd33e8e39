"""The staff's page after a restore: the queue first, then one provider after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from orders.common.stops import open_stops, resume_sending
from orders.models import Order, Orphan, SendingStop
from orders.recovery.after_restore import (
    NotConfirmable,
    NotStopped,
    balance_stops,
    begin_after_restore,
    confirm_latest,
    last_known,
    restore_stops,
)
from orders.recovery.doubts import (
    MAX_DECIDED,
    Decided,
    Doubts,
    Group,
    bind_found,
    doubts_after_restore,
    refund_doubts,
    send_doubts_again,
)
from orders.recovery.orphans import (
    OrphanError,
    add_orphan,
    close_known_orphans,
    search_orphans,
)
from orders.second_looks import REFUND_MANY, ask_for_orders
from orders.states import StopReason, Submission
from panel.accounts.models import User
from panel.accounts.signed_in import user_of
from panel.lib.admin.base import shown_money
from panel.staff.forms import WhyForm, take_why

# The right to set up providers: it belongs to owners.
PERMISSION = "catalog.connect_provider"
PAGE = "admin:orders_after_restore"


class SureForm(forms.Form):
    """A checkbox that starts empty: staff confirm what they did."""

    sure = forms.BooleanField(
        widget=UnfoldBooleanWidget(check_test=lambda value: False),
        error_messages={"required": "Tick this only if it is so."},
    )

    def __init__(self, *args: Any, label: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sure"].label = label


class RefundForm(SureForm, WhyForm):
    note = forms.CharField(
        label="Reason",
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="The customers read it.",
    )
    field_order = ("note", "why", "why_note", "sure")


class IdForm(forms.Form):
    upstream_id = forms.CharField(
        label="The provider's order id", max_length=64, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )


@dataclass(frozen=True, slots=True)
class Card:
    """One choice: what it is for, its form, and the orders that it is about, as they were shown."""

    choice: str
    title: str
    text: str
    button: str
    form: forms.Form
    stop: SendingStop | None = None
    seen: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A choice that was posted and not carried out: the form has the errors."""

    choice: str
    stop: SendingStop | None
    seen: str
    form: forms.Form


@dataclass(frozen=True, slots=True)
class ProviderPart:
    """What is left to do at one provider."""

    stop: SendingStop
    facts: list[tuple[str, str]]
    orphans_url: str
    reviews_url: str
    cards: list[Card]


# -- the page ----------------------------------------------------------------------------------------


def after_restore_page(*, request: HttpRequest, model_admin: admin.ModelAdmin) -> HttpResponse:
    """Show what has to be decided after a restore, and carry out the choice that was posted."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    refused: Refused | None = None
    if request.method == "POST":
        refused = _act(request, model_admin)
        if refused is None:
            return redirect(PAGE)
    stops = list(restore_stops()) or list(balance_stops())
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "After a restore",
        "stops": stops,
        "known": last_known(),
        "cards": _with(refused, _panel_cards()) if stops else [],
        "parts": [] if stops else [_part(stop, refused) for stop in _provider_stops()],
    }
    return TemplateResponse(request, "admin/orders/after_restore.html", context)


def _with(refused: Refused | None, cards: list[Card]) -> list[Card]:
    """Return the cards; the one that was refused has its errors and the orders that it was about."""
    if refused is None:
        return cards
    return [
        replace(card, form=refused.form, seen=refused.seen)
        if (card.choice, card.stop) == (refused.choice, refused.stop)
        else card
        for card in cards
    ]


def _provider_stops() -> list[SendingStop]:
    return list(open_stops().filter(provider__isnull=False, reason=StopReason.RESTORED))


def _panel_cards() -> list[Card]:
    queued = Order.objects.filter(submission=Submission.QUEUED)
    charged = queued.aggregate(sum=Sum("charge"))["sum"] or 0
    cards = [
        Card(
            "begin",
            "It was restored from a backup",
            f"{queued.count():,} orders for {shown_money(charged)} are in the queue. Those from before the restore may "
            "have been sent since the backup. They become doubts, which nothing refunds or sends by itself. Then you "
            "compare one provider after the other.",
            "Put the queue in doubt",
            SureForm(label="Orders and payments since the backup are missing here, and I will look for them."),
            variant="danger",
        )
    ]
    others = restore_stops()
    if others.exists() and not others.filter(reason__in=(StopReason.OLDER, StopReason.RESTORED)).exists():
        cards.append(
            Card(
                "latest",
                "It is the latest database",
                "The panel moved to another machine or address, and no other copy of it runs. The queue is sent.",
                "Resume sending",
                SureForm(label="No backup was restored, and the old machine sends nothing any more."),
            )
        )
    return cards


def _part(stop: SendingStop, refused: Refused | None) -> ProviderPart:
    assert stop.provider is not None
    close_known_orphans(provider=stop.provider)
    doubts = doubts_after_restore(provider=stop.provider)
    orphans = Orphan.objects.filter(provider=stop.provider, state=Orphan.State.OPEN).count()
    facts = [
        ("Orders in doubt", _sum(Group([*doubts.found.orders, *doubts.missing.orders, *doubts.unclear.orders]))),
        ("Found there by id", _sum(doubts.found)),
        ("Not among the ids searched", _sum(doubts.missing) if stop.searched_to else "Not searched yet"),
        ("Unclear", _sum(doubts.unclear)),
        ("Orphans", f"{orphans:,} open" if stop.searched_to or orphans else "Not searched yet"),
        ("Ids searched up to", f"{stop.searched_to}" if stop.searched_to else "—"),
    ]
    url = reverse("admin:orders_orphan_changelist") + f"?provider__id__exact={stop.provider.pk}&state__exact=open"
    reviews = reverse("admin:orders_orderinreview_changelist") + f"?provider__id__exact={stop.provider.pk}"
    return ProviderPart(stop, facts, url, reviews, _with(refused, _provider_cards(stop, doubts, orphans)))


def _sum(group: Group) -> str:
    return f"{group.count:,} for {shown_money(group.charged)}" if group.count else "None"


def _provider_cards(stop: SendingStop, doubts: Doubts, orphans: int) -> list[Card]:
    provider = stop.provider
    text = "Asks for the status of the next 2,000 ids, and lists the orders of ours that are missing here."
    cards = [
        Card("search", "Search its ids", text, "Search", forms.Form(), stop),
        Card(
            "add",
            "Add an order by its id",
            "For an order that you see in the provider's own list, and that is missing here.",
            "Add it",
            IdForm(),
            stop,
        ),
    ]
    if doubts.found.count:
        text = f"{_sum(doubts.found)}: each agrees with one orphan alone, in quantity and charge."
        cards.append(Card("bind", "Bind those found", text, "Bind them", forms.Form(), stop, _keys(doubts.found)))
    rest = Group([*doubts.missing.orders, *doubts.unclear.orders])
    missing = doubts.missing
    if missing.count:
        cost = shown_money(missing.cost)
        text = f"{_sum(missing)}. Compare them with the provider's own list first. Sent again, they cost {cost}."
        form = SureForm(label=f"{provider} has none of them.")
        title = "Send those not found again"
        cards.append(Card("send", title, text, "Send them again", form, stop, _keys(missing), "danger"))
    if rest.count:
        text = f"{_sum(rest)} are canceled, and their customers get the money back."
        form = RefundForm(label="They shall not be delivered, or have been paid back otherwise.")
        cards.append(Card("refund", "Refund the others", text, "Refund them", form, stop, _keys(rest), "danger"))
    counts = ((rest.count + doubts.found.count, "doubts"), (orphans, "orphans"))
    left = [f"{count:,} {what}" for count, what in counts if count]
    text = "New orders are sent to it from then on."
    text += f" {' and '.join(left).capitalize()} are still open: they stay for you." if left else ""
    form = SureForm(label="I compared its list of orders and its balance with what is here.")
    cards.append(Card("resume", "Resume sending to it", text, "Resume", form, stop))
    return cards


def _keys(group: Group) -> str:
    return ",".join(str(order.pk) for order in group.orders[:MAX_DECIDED])


# -- the choices -------------------------------------------------------------------------------------


def _act(request: HttpRequest, model_admin: admin.ModelAdmin) -> Refused | None:
    """Carry out the choice that was posted, or return it with the errors."""
    choice = request.POST.get("choice", "")
    stop = _stop_of(request)
    if choice not in _CHOICES or (stop is None) != (choice in _OF_THE_PANEL):
        raise Http404("No such choice")
    logged = stop or restore_stops().first() or balance_stops().first()
    form = _FORMS.get(choice, forms.Form)(request.POST)
    if form.is_valid():
        try:
            done = _CHOICES[choice](stop, form.cleaned_data, _seen(request), user_of(request))
        except (OrphanError, NotStopped, NotConfirmable) as error:
            form.add_error(None, str(error))
        else:
            if logged is not None:
                model_admin.log_change(request, logged, done)
            messages.success(request, done)
            return None
    return Refused(choice, stop, request.POST.get("orders", ""), form)


def _stop_of(request: HttpRequest) -> SendingStop | None:
    value = request.POST.get("stop", "")
    if not value:
        return None
    stop = next((one for one in _provider_stops() if str(one.pk) == value), None)
    if stop is None:
        raise Http404("This provider was resumed already.")
    return stop


def _seen(request: HttpRequest) -> list[int]:
    return [int(part) for part in request.POST.get("orders", "").split(",") if part.isdecimal()]


def _begin(stop: None, data: dict[str, Any], seen: list[int], actor: User) -> str:
    done = begin_after_restore(actor=actor)
    return f"{done.doubts:,} orders are in doubt now. Compare {done.providers:,} providers with them, one by one."


def _latest(stop: None, data: dict[str, Any], seen: list[int], actor: User) -> str:
    confirm_latest(actor=actor)
    return "Sending goes on."


def _search(stop: SendingStop, data: dict[str, Any], seen: list[int], actor: User) -> str:
    found = search_orphans(stop=stop, actor=actor)
    return f"Ids {found.first} to {found.last} were searched: {found.found:,} orphans are new."


def _add(stop: SendingStop, data: dict[str, Any], seen: list[int], actor: User) -> str:
    assert stop.provider is not None
    orphan = add_orphan(provider=stop.provider, upstream_id=data["upstream_id"])
    return f"{orphan.upstream_id} is among the orphans now."


def _bind(stop: SendingStop, data: dict[str, Any], seen: list[int], actor: User) -> str:
    assert stop.provider is not None
    return _summary("bound", bind_found(provider=stop.provider, seen=seen, actor=actor))


def _refund(stop: SendingStop, data: dict[str, Any], seen: list[int], actor: User) -> str:
    assert stop.provider is not None
    why, note = take_why(data), data["note"]
    done = refund_doubts(provider=stop.provider, seen=seen, note=note, actor=actor, why=why)
    waits = ask_for_orders(act=REFUND_MANY, orders=done.above_limit, actor=actor, why=why, note=note)
    return f"{_summary('refunded', done)} {waits}".strip()


def _send(stop: SendingStop, data: dict[str, Any], seen: list[int], actor: User) -> str:
    assert stop.provider is not None
    return _summary("queued again", send_doubts_again(provider=stop.provider, seen=seen, actor=actor))


def _resume(stop: SendingStop, data: dict[str, Any], seen: list[int], actor: User) -> str:
    resume_sending(stop=stop, actor=actor)
    return f"Orders are sent to {stop.provider} again."


def _summary(what: str, decided: Decided) -> str:
    left = "".join(f" {count:,} left: {why}" for why, count in decided.left.items())
    return f"{decided.count:,} orders {what}, {shown_money(decided.charged)} in all.{left}"


_FORMS: dict[str, type[forms.Form]] = {
    "begin": SureForm,
    "latest": SureForm,
    "send": SureForm,
    "refund": RefundForm,
    "resume": SureForm,
    "add": IdForm,
}
_OF_THE_PANEL = ("begin", "latest")
_CHOICES: dict[str, Callable[[Any, dict[str, Any], list[int], User], str]] = {
    "begin": _begin,
    "latest": _latest,
    "search": _search,
    "add": _add,
    "bind": _bind,
    "refund": _refund,
    "send": _send,
    "resume": _resume,
}
