"""Admin of the words for types that name none by themselves: the owner says what they are, per provider."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from catalog.admin.price_changes import show_draft
from catalog.models import PriceChange, Provider, TypeWord
from catalog.models.type_words import shown_word
from catalog.prices.changes import ChangeRefused
from catalog.prices.type_words import UnknownWord, draft_type, unknown_words, without_type
from catalog.service_types import SPECS
from panel.accounts.signed_in import user_of
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.digits import whole_number

PERMISSION = "catalog.change_typeword"
# Words that a note on another page names.
MAX_LINES = 5


class TypeForm(forms.Form):
    """What one word of one provider means."""

    provider = forms.ModelChoiceField(Provider.objects.all(), widget=forms.HiddenInput)
    word = forms.CharField(required=False, max_length=60, strip=False, widget=forms.HiddenInput)
    type = forms.ChoiceField(label="Sell as", required=False, widget=UnfoldAdminSelectWidget)
    put_on_sale = forms.BooleanField(label="Put them on sale", required=False, widget=UnfoldBooleanSwitchWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [
            (key, f"{spec.label}, {'a package' if spec.is_package else 'per 1,000'}") for key, spec in SPECS.items()
        ]
        self.fields["type"].choices = [("", "Not sold"), *choices]  # type: ignore[attr-defined]


class WordRow:
    """A word on the page, with its form."""

    def __init__(self, found: UnknownWord, number: int) -> None:
        self.found = found
        self.form = TypeForm(
            initial={
                "provider": found.provider.pk,
                "word": found.word,
                "type": found.type,
                "put_on_sale": not found.type and found.provider.publish_new,
            },
            auto_id=f"word-{number}-%s",
        )


@admin.register(TypeWord)
class TypeWordAdmin(ReadOnlyAdmin):
    """One page with all words. Its changes are price changes: previewed, kept in the history, undone from there."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        """Show the words; on POST, show what a type for one of them would do."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        provider = _provider(request)
        here = reverse("admin:catalog_typeword_changelist") + (f"?provider={provider.pk}" if provider else "")
        if request.method == "POST":
            if not request.user.has_perms([PERMISSION, "catalog.change_pricechange", "catalog.change_service"]):
                raise PermissionDenied
            return self._preview(request, here)
        rows = [WordRow(found, number) for number, found in enumerate(unknown_words(provider=provider))]
        context = {
            **self.admin_site.each_context(request),
            "title": "Providers' types",
            "opts": self.opts,
            "groups": [(one, list(words)) for one, words in groupby(rows, key=lambda row: row.found.provider)],
            "only": provider,
            "may_change": request.user.has_perm(PERMISSION),
            "last": last_change(request),
        }
        return TemplateResponse(request, "admin/catalog/type_words.html", context)

    def _preview(self, request: HttpRequest, here: str) -> HttpResponse:
        form = TypeForm(request.POST)
        if not form.is_valid():
            messages.error(request, "This could not be read. Nothing was changed; choose again.")
            return redirect(here)
        data = form.cleaned_data
        try:
            change = draft_type(
                provider=data["provider"],
                word=data["word"],
                service_type=data["type"],
                put_on_sale=data["put_on_sale"],
                actor=user_of(request),
            )
        except ChangeRefused as error:
            messages.warning(request, f"{shown_word(data['word'])}: {error} Nothing was changed.")
            return redirect(here)
        return show_draft(request=request, change=change, back=here)

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("admin:catalog_typeword_changelist")


def last_change(request: HttpRequest) -> PriceChange | None:
    """Return the last change of a type that stands, to be undone."""
    if not request.user.has_perm("catalog.view_pricechange"):
        return None
    applied = PriceChange.objects.filter(source=PriceChange.Source.TYPE, state=PriceChange.State.APPLIED)
    undone = PriceChange.objects.filter(undoes__isnull=False, state=PriceChange.State.APPLIED).values("undoes")
    return applied.exclude(pk__in=undone).order_by("-applied_at", "-pk").first()


def _provider(request: HttpRequest) -> Provider | None:
    pk = whole_number(request.GET.get("provider", ""), max_digits=9)
    return Provider.objects.filter(pk=pk).first() if pk else None


def unsold_types(request: HttpRequest, *, provider: Provider | None = None) -> dict[str, object]:
    """Return the first words whose services cannot be sold, each with the address where a type is chosen, or "".

    For a note on other pages: "lines", and the number of `more` words.
    """
    page = reverse("admin:catalog_typeword_changelist")
    may = request.user.has_perm(PERMISSION)
    found = without_type(provider=provider)
    return {
        "lines": [
            {"word": one, "address": f"{page}?provider={one.provider.pk}" if may else ""} for one in found[:MAX_LINES]
        ],
        "more": max(0, len(found) - MAX_LINES),
        "page": page if may else "",
    }
