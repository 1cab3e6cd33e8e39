"""Admin of the inbox: what providers changed, until somebody accepts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.decorators import action, display

from catalog.admin.refill_windows import refills_view
from catalog.admin.shared import admin_badge, safe_address
from catalog.admin.type_words import unsold_types
from catalog.imports.inbox import Accepted, accept_changes
from catalog.models import CatalogChange
from catalog.prices.refill_proposals import count_proposals
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, act_once, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.lib.admin.questions import MAX_UNASKED, Question, asks_first
from panel.lib.formats import change_text, moment_text
from panel.lib.templatetags.display import ago

_Kind, _Action = CatalogChange.Kind, CatalogChange.Action

KIND_BADGES = {
    _Kind.NEW: ("info", "add_circle"),
    _Kind.GONE: ("warning", "remove_circle"),
    _Kind.RETURNED: ("success", "undo"),
    _Kind.RATE_UP: ("warning", "trending_up"),
    _Kind.RATE_DOWN: ("success", "trending_down"),
    _Kind.LIMITS: ("neutral", "straighten"),
    _Kind.FLAGS: ("neutral", "flag"),
    _Kind.TEXT: ("neutral", "edit"),
    _Kind.CANCELED: ("danger", "cancel"),
}

DONE = {_Action.REPRICED: ("info", "sell"), _Action.OFF_SALE: ("warning", "visibility_off")}

LABELS = {
    "min_quantity": "at least",
    "max_quantity": "at most",
    "refill": "refill",
    "cancel": "cancel",
    "dripfeed": "drip-feed",
    "type": "type",
    "name": "name",
    "category": "category",
}
LISTING = {
    _Kind.NEW: "It is new in the list.",
    _Kind.GONE: "It is not in the list any more, and cannot be ordered.",
    _Kind.RETURNED: "It is in the list again.",
}


def changed_words(change: CatalogChange) -> Iterator[str]:
    """Yield one line for each column that the provider changed. The texts are the provider's: escape them."""
    if change.kind in LISTING:
        yield LISTING[_Kind(change.kind)]
        return
    if change.kind == _Kind.CANCELED:
        yield f"The provider canceled {change.new['canceled']} of the last {change.new['ended']} orders that ended."
        return
    for column, value in change.new.items():
        before = change.old.get(column)
        if column == "rate":
            yield _rate_words(before, value, change.provider.currency)
        else:
            yield f"{LABELS.get(column, column)} {_shown(before)} → {_shown(value)}"


def _rate_words(before: Any, after: int, currency: str) -> str:
    words = f"rate {shown_money(before, currency)} → {shown_money(after, currency)}"
    if not before:
        return words
    return f"{words} ({change_text(old=before, new=after)})"


def _shown(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"“{Truncator(value).chars(100)}”"


_KEEPS = ("seen_until",)


def _ask_to_accept(button: str) -> Callable[[Any, HttpRequest, QuerySet[CatalogChange]], Question]:
    def question(model_admin: Any, request: HttpRequest, queryset: QuerySet[CatalogChange]) -> Question:
        seen_until = _moment(request.POST.get("seen_until", ""))
        waiting = queryset.filter(accepted_at=None)
        newer = waiting.filter(changed_at__gt=seen_until).order_by().count() if seen_until else 0
        return Question(
            rows=waiting.filter(changed_at__lte=seen_until) if seen_until else queryset.none(),
            nouns=("change", "changes"),
            button=button,
            consequence="They leave the inbox. Accepting changes no price.",
            left=((newer, "changed since you opened the page, so they still wait"),),
        )

    return question


class WaitingFilter(admin.SimpleListFilter):
    """Shows open changes by default."""

    title = "seen"
    parameter_name = "seen"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", "Accepted"), ("all", "All")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for value, label in ((None, "Waiting"), *self.lookup_choices):
            query = changelist.get_query_string({self.parameter_name: value}, [] if value else [self.parameter_name])
            yield {"selected": self.value() == value, "query_string": query, "display": label}

    def queryset(self, request: HttpRequest, queryset: QuerySet[CatalogChange]) -> QuerySet[CatalogChange]:
        if self.value() == "all":
            return queryset
        return queryset.filter(accepted_at__isnull=self.value() != "yes")


@admin.register(CatalogChange)
class CatalogChangeAdmin(ReadOnlyAdmin):
    """Open changes, urgent ones first. Accepting removes them from the inbox and changes no price."""

    change_list_template = "admin/catalog/inbox.html"
    list_display = ("shown_kind", "shown_service", "what", "when", "buttons")
    list_display_links = None
    list_filter = (WaitingFilter, "kind", "is_urgent", "provider")
    search_fields = ("upstream__name", "=upstream__external_id", "service__name")
    search_help_text = "Name, or the provider's id"
    list_select_related = ("provider", "upstream", "service")
    ordering = ("-is_urgent", "-changed_at", "-pk")
    actions = ("accept_selected", "accept_selected_on_sale")
    actions_detail = ("accept", "accept_on_sale")
    fields = readonly_fields = ("shown_kind", "shown_service", "provider", "what", "when", "accepted")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(refills_view)
        return [path("refills/", view, name="catalog_catalogchange_refills"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CatalogChange]:
        return super().get_queryset(request).defer("upstream__description", "service__description")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        # Read before the list: changes from now on are not on it.
        seen = CatalogChange.objects.filter(accepted_at=None).order_by("-changed_at").values_list("changed_at")[:1]
        seen_until = seen[0][0].isoformat() if request.method == "GET" and seen else ""
        notes = {"unsold_types": unsold_types(request), "refill_proposals": count_proposals()}
        return super().changelist_view(request, {**(extra_context or {}), "seen_until": seen_until, **notes})

    # -- cells ---------------------------------------------------------------------------------------

    @display(description="What", ordering="kind")
    def shown_kind(self, change: CatalogChange) -> SafeString:
        kind = admin_badge(*KIND_BADGES[_Kind(change.kind)], str(_Kind(change.kind).label))
        if not change.is_urgent:
            return kind
        return format_html(
            '<div class="flex flex-col gap-1 items-start">{}{}</div>',
            admin_badge("danger", "priority_high", "Urgent"),
            kind,
        )

    @display(description="Service", ordering="upstream__name")
    def shown_service(self, change: CatalogChange) -> SafeString:
        service, upstream = change.service, change.upstream
        full = service.name if service else upstream.name
        name = Truncator(full).chars(80)
        if service:
            url = reverse("admin:catalog_service_change", args=[service.pk])
            main = format_html(
                '<a class="font-semibold underline" href="{}" title="{}"><bdi>{}</bdi></a>', url, full, name
            )
        else:
            main = format_html('<bdi class="font-semibold" title="{}">{}</bdi>', full, name)
        return format_html(
            '<div class="inbox-name">{}<div class="text-xs">{} · {}</div></div>',
            main,
            change.provider.name,
            upstream.external_id,
        )

    @display(description="Changed")
    def what(self, change: CatalogChange) -> SafeString:
        lines = list(changed_words(change))
        if change.price_before is not None and change.price_after is not None:
            lines.append(f"price {shown_money(change.price_before)} → {shown_money(change.price_after)}")
        if change.rose_too_far:
            lines.append("The rate rose by more than the limit in the settings.")
        elif change.is_urgent and change.topic != CatalogChange.Topic.ORDERS:
            lines.append("Less than the minimum margin at the old price.")
        words = format_html_join("", "<div><bdi>{}</bdi></div>", ((line,) for line in lines))
        done = admin_badge(*DONE[_Action(change.action)], str(_Action(change.action).label)) if change.action else ""
        return format_html('<div class="inbox-words">{}{}</div>', words, done)

    @display(description="When", ordering="changed_at")
    def when(self, change: CatalogChange) -> SafeString:
        return ago(change.changed_at)

    @display(description="Accepted")
    def accepted(self, change: CatalogChange) -> str:
        if change.accepted_at is None:
            return "Not yet"
        when = moment_text(change.accepted_at)
        return f"{when}, by {change.accepted_by}" if change.accepted_by else f"{when}: it went back by itself"

    @display(description="")
    def buttons(self, change: CatalogChange) -> SafeString:
        if change.accepted_at is not None:
            return format_html('<span class="text-xs">{}</span>', self.accepted(change))
        offered = [("accept", "Accept", "check")]
        if change.service is not None and not change.service.is_on_sale and change.upstream.is_listed:
            offered.append(("accept_on_sale", "Put on sale", "visibility"))
        rows = (
            (reverse(f"admin:catalog_catalogchange_{name}", args=[change.pk]), inbox_state_of(change), icon, label)
            for name, label, icon in offered
        )
        # Buttons in the form of the list: a link would change data with a GET.
        return format_html(
            '<div class="flex flex-wrap gap-2">{}</div>',
            format_html_join(
                "",
                '<button type="submit" formaction="{}" name="seen" value="{}" class="border border-base-200 '
                "cursor-pointer font-medium inline-flex items-center gap-1 px-2 py-1 rounded-default text-important "
                'whitespace-nowrap dark:border-base-700"><span class="material-symbols-outlined text-sm" '
                'aria-hidden="true">{}</span>{}</button>',
                rows,
            ),
        )

    # -- accepting -----------------------------------------------------------------------------------

    def has_accept_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("catalog.change_catalogchange")

    def has_put_on_sale_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.has_accept_permission(request) and request.user.has_perm("catalog.change_service")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[object]:
        """Return no buttons for an accepted change."""
        waiting = CatalogChange.objects.filter(pk=object_id, accepted_at=None).exists()
        return super().get_actions_detail(request, object_id) if waiting else []

    @action(description="Accept", permissions=["accept"])
    @asks_first(_ask_to_accept("Accept {}"), above=MAX_UNASKED, keeps=_KEEPS)
    def accept_selected(self, request: HttpRequest, queryset: QuerySet[CatalogChange]) -> None:
        self._accept_many(request, queryset, put_on_sale=False)

    @action(description="Accept and put on sale", permissions=["put_on_sale"])
    @asks_first(_ask_to_accept("Accept {} and put their services on sale"), above=MAX_UNASKED, keeps=_KEEPS)
    def accept_selected_on_sale(self, request: HttpRequest, queryset: QuerySet[CatalogChange]) -> None:
        self._accept_many(request, queryset, put_on_sale=True)

    def _accept_many(self, request: HttpRequest, queryset: QuerySet[CatalogChange], *, put_on_sale: bool) -> None:
        """Accept the selected changes, except those that changed since the list was shown."""
        seen_until = _moment(request.POST.get("seen_until", ""))
        if seen_until is None:
            messages.error(request, "The page was not complete. Nothing was accepted; load it again.")
            return
        waiting = queryset.filter(accepted_at=None)
        seen = waiting.filter(changed_at__lte=seen_until)
        first = seen.first()
        done = accept_changes(changes=seen, actor=user_of(request), put_on_sale=put_on_sale)
        if first is not None and done.accepted:
            self.log_change(request, first, f"Accepted with {done.accepted - 1:,} others. {_accepted_text(done)}")
        messages.success(request, _accepted_text(done))

    @action(description="Accept", icon="check", permissions=["accept"])
    def accept(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._accept_one(request, object_id, put_on_sale=False)

    @action(description="Accept and put on sale", icon="visibility", permissions=["put_on_sale"])
    def accept_on_sale(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._accept_one(request, object_id, put_on_sale=True)

    def _accept_one(self, request: HttpRequest, object_id: str, *, put_on_sale: bool) -> HttpResponse:
        found = CatalogChange.objects.select_related("upstream", "provider", "service")
        change = get_object_or_404(found, pk=object_id)

        def act(data: dict[str, Any]) -> str:
            one = CatalogChange.objects.filter(pk=change.pk, changed_at=change.changed_at)
            done = accept_changes(changes=one, actor=user_of(request), put_on_sale=put_on_sale)
            if not done.accepted:
                raise ActionRefused("It was accepted already. Nothing was done.")
            return _accepted_text(done)

        title = f"{change.get_kind_display()}: {change.upstream.name[:80]}"
        if request.method == "POST":
            form = forms.Form(request.POST)
            if not act_once(
                request=request,
                model_admin=self,
                obj=change,
                form=form,
                title=title,
                act=act,
                seen=inbox_state_of(change),
                is_routine=True,
            ):
                messages.error(request, " ".join(map(str, form.non_field_errors())))
            return redirect(safe_address(request, "next") or "admin:catalog_catalogchange_changelist")
        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=change,
            form_class=forms.Form,
            title=title,
            explanation=" ".join(changed_words(change)),
            button="Accept and put on sale" if put_on_sale else "Accept",
            act=act,
            is_routine=True,
            seen=inbox_state_of(change),
        )


def inbox_state_of(change: CatalogChange) -> str:
    """Return the state that somebody saw: it differs once the change is updated."""
    return change.changed_at.isoformat()


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found and timezone.is_aware(found) else None


def _accepted_text(done: Accepted) -> str:
    parts = [f"{done.accepted:,} accepted."]
    if done.put_on_sale:
        parts.append(f"{done.put_on_sale:,} put on sale.")
    if done.not_sellable:
        parts.append(
            f"{done.not_sellable:,} could not be: not listed, no valid price, or a type that cannot be ordered."
        )
    return " ".join(parts)
