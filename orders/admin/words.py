"""Providers' words: the list, the page that says what one means, and the files to take them elsewhere."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from catalog.models import Meaning, Provider, ProviderWord
from catalog.words.exchange import MAX_BYTES, BadFile, propose, read_file, words_file
from catalog.words.meanings import REFUSALS, meanings_for
from orders.admin.review import Card, review_page_of
from orders.dispatch.outcomes import PERMANENT
from orders.dispatch.taught_words import MAX_ORDERS, Decided, Waiting, decide_waiting, teach, waiting_for, why_of
from orders.second_looks import REFUND_WORD, ask_for_orders
from panel.accounts.models import User
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import act_once
from panel.lib.admin.base import ReadOnlyAdmin, shown_money

FORGET = "forget"
_LATER = {
    Meaning.NO_MONEY: "Orders wait until our balance at {there} suffices; you are told to top it up.",
    Meaning.KEY: "Orders wait until {there} takes our key; you are told to enter it again.",
    Meaning.SERVICE_GONE: "Orders that get this answer are canceled and refunded: the service is gone.",
    Meaning.REFUSED: "Orders that get this answer are canceled and refunded.",
    Meaning.TRY_LATER: "Orders that get this answer wait, and are sent again later.",
    Meaning.UNDER_WAY: "Orders with this status are in progress.",
    Meaning.COMPLETED: "Orders with this status are completed, unless remains and charge say otherwise.",
    Meaning.PARTIAL: "Orders with this status have ended, and what remains is refunded.",
    Meaning.CANCELED: "Orders with this status are canceled and refunded. One that was charged goes to review.",
}
_SHOWN_ORDERS = 10


class TeachForm(forms.Form):
    decide = forms.BooleanField(required=False, initial=True, widget=UnfoldBooleanSwitchWidget)

    def __init__(self, data: Any = None, *, waiting: int, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        if waiting:
            orders = "the order that waits" if waiting == 1 else f"the {waiting:,} orders that wait"
            self.fields["decide"].label = f"Decide about {orders}"
        else:
            del self.fields["decide"]


class ImportForm(forms.Form):
    provider = forms.ModelChoiceField(Provider.objects.order_by("name"), widget=UnfoldAdminSelectWidget)
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget, help_text="A file that this page exported, here or in another panel."
    )

    def clean_file(self) -> Any:
        try:
            return read_file(self.cleaned_data["file"].read(MAX_BYTES + 1))
        except BadFile as error:
            raise forms.ValidationError(str(error)) from error


@admin.register(ProviderWord)
class ProviderWordAdmin(ReadOnlyAdmin):
    is_short = True
    list_display = ("shown_text", "provider", "about", "seen", "shown_meaning", "last_seen_at")
    list_filter = ("provider", "about")
    search_fields = ("text",)
    list_select_related = ("provider",)
    actions_list = ("export_words", "import_words")

    # First those that nobody knows.
    ordering = (Case(When(read_as="", meaning="", then=Value(0)), default=Value(1)), "-last_seen_at")

    @display(description="What it answered")
    def shown_text(self, word: ProviderWord) -> str:
        return word.text

    @display(
        description="What it means", label={"unknown": "danger", "proposed": "warning", "taught": "success", "": "info"}
    )
    def shown_meaning(self, word: ProviderWord) -> tuple[str, str]:
        if word.meaning:
            return "taught", f"{word.get_meaning_display()} (you said)"
        if word.proposed:
            return "proposed", f"{word.get_proposed_display()}? (proposed)"
        return ("", word.read_as.replace("_", " ").capitalize()) if word.read_as else ("unknown", "Unknown")

    def has_teach_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("catalog.change_providerword")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what waits for the word and what each meaning would do; a POST teaches one."""
        has_right = self.has_teach_permission(request)
        if not (has_right if request.method == "POST" else self.has_view_permission(request)):
            raise PermissionDenied
        word: ProviderWord | None = self.get_object(request, object_id)
        if word is None:
            raise Http404
        waiting = waiting_for(word=word)
        choice = request.POST.get("choice", "")
        posted: dict[str, forms.Form] = {}
        if choice in [*meanings_for(word.about), FORGET]:
            posted[choice] = form = TeachForm(request.POST, waiting=0 if choice == FORGET else len(waiting.orders))
            title = f"{word}: {choice}"
            act = partial(_teach, word, None if choice == FORGET else Meaning(choice), user_of(request))
            if act_once(
                request=request,
                model_admin=self,
                obj=word,
                form=form,
                title=title,
                act=act,
                seen=_state_of(word),
                is_routine=True,
            ):
                return redirect(reverse("admin:catalog_providerword_change", args=[word.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"What “{word.text}” means",
            "original": word,
            "opts": word._meta,
            "seen": _state_of(word),
            "waiting": waiting,
            "waiting_charge": shown_money(waiting.charge),
            "shown": [
                (order, shown_money(order.net_charge), review_page_of(order))
                for order in waiting.orders[:_SHOWN_ORDERS]
            ],
            "unsure": len(waiting.unsure),
            "read_as": self.shown_meaning(word)[1],
            "cards": _cards(word, waiting, posted) if has_right else (),
        }
        return TemplateResponse(request, "admin/orders/word.html", context)

    @action(description="Export", icon="download", permissions=["teach"])
    def export_words(self, request: HttpRequest) -> HttpResponse:
        text = words_file(words=ProviderWord.objects.exclude(meaning=""))
        response = HttpResponse(text, content_type="application/json; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="words.json"'
        return response

    @action(description="Import", icon="upload", permissions=["teach"])
    def import_words(self, request: HttpRequest) -> HttpResponse:
        if not self.has_teach_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        back = reverse("admin:catalog_providerword_changelist")
        if request.method == "POST" and form.is_valid():
            provider = form.cleaned_data["provider"]
            count = propose(provider=provider, proposals=form.cleaned_data["file"])
            words = "1 word has" if count == 1 else f"{count:,} words have"
            self.message_user(request, f"{words} a new proposal. None counts before you say so.")
            return redirect(f"{back}?provider__id__exact={provider.pk}")
        context = {
            **self.admin_site.each_context(request),
            "title": "Import words",
            "explanation": (
                "Each word of the file becomes a proposal for this provider. Nothing changes until you open the word "
                "and say what it means."
            ),
            "button": "Import as proposals",
            "form": form,
            "opts": self.model._meta,
            "back": back,
        }
        return TemplateResponse(request, "admin/confirm_and_act.html", context)


def _state_of(word: ProviderWord) -> str:
    """Return a key of what the page showed: a form that was opened before another decision is refused."""
    return f"{word.meaning}:{word.taught_at}"


def _teach(word: ProviderWord, meaning: Meaning | None, actor: User, data: dict[str, Any]) -> str:
    teach(word=word, meaning=meaning, actor=actor)
    if meaning is None:
        return f"{word} means nothing any more but what the panel makes of it."
    said = f"{word} means: {meaning.label}."
    if not data.get("decide"):
        return said
    done = decide_waiting(word=word, actor=actor)
    waits = ask_for_orders(act=REFUND_WORD, orders=done.above_limit, actor=actor, why=why_of(word), word=word)
    return " ".join(filter(None, (said, _told(done), waits)))


def _told(done: Decided) -> str:
    """Return what was done about the waiting orders, in one sentence each."""
    told = (
        (done.refunded_orders, f"Refunded: {done.refunded_orders:,}, {shown_money(done.refunded)} in all."),
        (done.queued, f"Back in the queue: {done.queued:,}."),
        (done.searched, f"Searched for first: {done.searched:,}."),
        (done.polled, f"Asked about again now: {done.polled:,}."),
        (done.left, f"Left as they were: {done.left:,}; open this page again to see them."),
    )
    return " ".join(text for count, text in told if count)


def _cards(word: ProviderWord, waiting: Waiting, posted: dict[str, forms.Form]) -> list[Card]:
    count = len(waiting.orders)
    cards = [
        Card(
            choice=meaning.value,
            title=meaning.label,
            text=_LATER[meaning].format(there=word.provider.name),
            button="It means this",
            variant="danger" if REFUSALS.get(meaning) in PERMANENT else "default",
            form=posted.get(meaning.value) or TeachForm(waiting=count),
            warning=_consequence(meaning, waiting),
        )
        for meaning in meanings_for(word.about)
    ]
    first = word.meaning or word.proposed
    cards.sort(key=lambda card: card.choice != first)
    if word.meaning:
        text = "The panel reads it as it did before. Nothing that was decided changes."
        form = posted.get(FORGET) or TeachForm(waiting=0)
        cards.append(Card(FORGET, "Forget what I said", text, "Forget it", "default", form))
    return cards


def _consequence(meaning: Meaning, waiting: Waiting) -> str:
    """Return what happens to the waiting orders, with their sum; "" if none waits."""
    if not waiting.orders:
        return ""
    sure, paid = len(waiting.sure), shown_money(waiting.sure_charge)
    orders = "1 order" if sure == 1 else f"{sure:,} orders"
    if meaning not in REFUSALS:
        return f"{orders} for {paid} are asked about again at once, and read so."
    what = "canceled and refunded, for good" if REFUSALS[meaning] in PERMANENT else "sent again"
    told = f"Now: {orders} for {paid} {'is' if sure == 1 else 'are'} {what}." if sure else ""
    if waiting.unsure:
        told += f" {len(waiting.unsure):,} may have been accepted by another sending, and are searched for first."
    if len(waiting.orders) == MAX_ORDERS:
        told += " More orders wait; they come next."
    return told.strip()
