"""Admin of price changes: preview, history and undo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import action, display

from catalog.admin.price_change_rows import settings_of, worst_rows
from catalog.admin.shared import in_words, safe_address
from catalog.admin.type_change_rows import type_changes
from catalog.models import PriceChange
from catalog.prices.changes import (
    MODELS,
    AlreadyApplied,
    ChangeRefused,
    NotConfirmed,
    PreviewOutdated,
    apply_change,
    draft_change,
    draft_undo,
    preview_change,
)
from catalog.prices.edits import Edit, load_edits
from catalog.prices.floor import CHANGE_FLOOR, touches_floor
from catalog.prices.previews import Preview
from panel.accounts.signed_in import user_of
from panel.activity.record import Change
from panel.lib.admin.base import ModelAdmin, ReadOnlyAdmin
from panel.lib.admin.changes import keep_changes
from panel.lib.admin.shown_rows import ShownForm
from panel.lib.digits import whole_number
from panel.lib.recent_sign_in import require_recent_sign_in


def show_or_apply(
    *, request: HttpRequest, edits: Sequence[Edit], source: str, summary: str, back: str, after: str = ""
) -> HttpResponse:
    """Redirect to the preview of `edits`, or apply them at once if they change no price.

    `back` is the URL of the page where they were made; `after` the URL for once they are applied, if it differs. The
    caller must have checked permissions and be outside of any transaction: applying takes the price locks in order.
    """
    change = draft_change(edits=edits, source=source, summary=summary, actor=user_of(request))
    return show_draft(request=request, change=change, back=back, after=after)


def show_draft(*, request: HttpRequest, change: PriceChange, back: str, after: str = "") -> HttpResponse:
    """Redirect to the preview of a stored draft, or apply it at once if it changes no price."""
    try:
        preview = preview_change(change=change)
        if not preview.moves_prices and not preview.must_confirm:
            apply_change(change=change, seen=preview.fingerprint, actor=user_of(request))
            report_applied(request, change, preview)
            return redirect(after or back)
    except PreviewOutdated:
        pass  # It would change prices now: show the preview.
    except ChangeRefused as error:
        messages.error(request, f"{error} Nothing was changed.")
        return redirect(back)
    query = urlencode({"back": back, "next": after or back})
    return redirect(f"{reverse('admin:catalog_pricechange_preview', args=[change.pk])}?{query}")


def report_applied(request: HttpRequest, change: PriceChange, preview: Preview) -> None:
    """Log an applied change and show a message."""
    done = applied_words(preview)
    rows, _ = settings_of(change)
    keep_changes(request, [Change(f"{row.label} of {row.target}", row.before, row.after) for row in rows])
    admin.site.get_model_admin(PriceChange).log_change(request, change, f"Applied. {done}")
    messages.success(request, f"{change.summary}. {done}")
    if preview.not_sellable:
        text = "could not be put on sale: no valid price, or a type that cannot be ordered."
        messages.warning(request, f"{preview.not_sellable:,} of the services {text}")


def applied_words(preview: Preview) -> str:
    """Return a summary such as "12 prices changed: 10 raised, 2 lowered." with what went on or off sale."""
    parts = [
        (preview.raised, "raised"),
        (preview.lowered, "lowered"),
        (preview.lost_price, "without a valid price now"),
    ]
    listed = ", ".join(f"{count:,} {word}" for count, word in parts if count)
    noun = "price" if preview.affected == 1 else "prices"
    done = [f"{preview.affected:,} {noun} changed: {listed}." if listed else "No list price changes by that."]
    if preview.retyped:
        done.append(f"{preview.retyped:,} of another type now.")
    if preview.put_on_sale:
        done.append(f"{preview.put_on_sale:,} put on sale.")
    if preview.taken_off_sale:
        done.append(f"{preview.taken_off_sale:,} taken off sale.")
    return " ".join(done)


# -- change forms with columns that prices follow from -------------------------------------------------


class SeenForm(forms.ModelForm):
    """A form that knows the values it showed, so that only the person's own edits count as changed.

    Otherwise a page that was open for long would revert what others, or an import, wrote meanwhile. A form sent without
    the values it showed (by a script) is compared with the stored values.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        columns = {field.name for field in self._meta.model._meta.concrete_fields}
        for name in columns & set(self.fields):
            shown = not self.is_bound or self.add_initial_prefix(name) in self.data
            self.fields[name].show_hidden_initial = shown and bool(self.instance.pk)


class _ChangeReady(Exception):
    """Carries a valid form out of Django's view and its transaction, in which nothing was written yet.

    That transaction would lock the row while prices are changed, but price changes must lock it last.
    """

    def __init__(self, form: forms.ModelForm) -> None:
        super().__init__()
        self.form = form


class PricedAdmin(ModelAdmin):
    """Base for forms with columns that change prices: those get a preview, the others are saved at once.

    Only edited columns are written, so that the form does not revert what the panel wrote to the row while it was open.
    New rows are saved whole: nothing has a price from them yet.
    """

    # Columns (such as "margin_bp", "category_id") that go through `show_or_apply`.
    priced: Sequence[str] = ()
    # Kind of their edit: "panel", "provider", "category" or "service".
    price_kind = ""
    # A value of `PriceChange.Source`.
    price_source = ""

    def columns_set(self, request: HttpRequest, obj: Any, form: forms.ModelForm) -> Sequence[str]:
        """Set columns without a form field on `obj` and return their names to be saved. For subclasses."""
        return ()

    def get_form(self, request: HttpRequest, obj: Model | None = None, **kwargs: Any) -> type[forms.ModelForm]:
        base = kwargs.pop("form", self.form)
        # Fields that a form declares would stay in it, and be saved, if they were only left out of the page.
        read_only = dict.fromkeys(set(self.get_readonly_fields(request, obj)) & set(base.declared_fields))
        return super().get_form(request, obj, form=type(base.__name__, (SeenForm, base), read_only), **kwargs)

    def is_priced(self, column: str, value: object) -> bool:
        """Return True if setting `column` to `value` needs a preview."""
        return column in self.priced

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except _ChangeReady as ready:
            saved = self._save_change(request, ready.form)
            # Written by another since it was checked: check again, and tell at the fields.
            return self.changeform_view(request, *args, **kwargs) if saved is None else saved

    def save_model(self, request: HttpRequest, obj: Model, form: forms.ModelForm, change: bool) -> None:
        if isinstance(form, SeenForm) and change:
            raise _ChangeReady(form)
        if change:  # A row of the list, where no priced column can be edited.
            obj.save(update_fields=form.changed_data)
            return
        self.columns_set(request, obj, form)
        super().save_model(request, obj, form, change)

    def _save_change(self, request: HttpRequest, form: forms.ModelForm) -> HttpResponse | None:
        """Save the columns that change no price, then preview the rest; None if another wrote them meanwhile."""
        obj = form.instance
        others = self.columns_set(request, obj, form)
        columns = {field.name: field.attname for field in self.opts.concrete_fields}
        touched = {columns[name]: name for name in form.changed_data if name in columns}
        stored = self.model._default_manager.filter(pk=obj.pk).values(*touched).get() if touched else {}
        changed = {column: getattr(obj, column) for column in touched if getattr(obj, column) != stored[column]}
        moved = {column: value for column, value in changed.items() if self.is_priced(column, value)}
        direct = [column for column in changed if column not in moved]
        form.changed_data = [
            name for name in form.changed_data if columns.get(name) in direct or (others and name not in columns)
        ]
        with transaction.atomic():
            if isinstance(form, ShownForm) and form.conflicts():
                return None
            if direct or others:
                obj.save(update_fields=[*direct, *others])
            if form.changed_data or not moved:  # What changes prices is logged when it is applied.
                self.log_change(request, obj, self.construct_change_message(request, form, []))
        if not moved:
            return self.response_change(request, obj)
        if direct or others:
            messages.success(request, "What moves no price is saved.")
        here = request.get_full_path()
        return show_or_apply(
            request=request,
            edits=[Edit(self.price_kind, (obj.pk,), moved)],
            source=self.price_source,
            summary=f"{str(obj)[:100]}: {in_words(stored, moved)}",
            back=here,
            after=here if "_continue" in request.POST else self.response_post_save_change(request, obj)["Location"],
        )


# -- the page that shows a change before it is applied, and the history --------------------------------


def may_apply(request: HttpRequest, change: PriceChange) -> bool:
    """Return True if the user may change prices and everything that this change sets."""
    kinds = {edit.kind for edit in load_edits(change.edits)}
    needed = [f"catalog.change_{MODELS[kind]._meta.model_name}" for kind in kinds]
    if any("currency" in edit.values for edit in load_edits(change.edits)):
        needed.append("catalog.connect_provider")
    if touches_floor(load_edits(change.edits)):
        needed.append(CHANGE_FLOOR)
    return request.user.has_perms(["catalog.change_pricechange", *needed])


@admin.register(PriceChange)
class PriceChangeAdmin(ReadOnlyAdmin):
    """History of applied changes. Drafts have only a preview page."""

    list_display = ("shown_summary", "applied_at", "prices", "source", "shown_actor", "stands")
    list_display_links = ("shown_summary",)
    list_filter = ("source", ("actor", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("actor",)
    search_fields = ("summary",)
    actions_detail = ("undo",)
    fields = readonly_fields = (
        "shown_summary",
        "applied_at",
        "shown_actor",
        "source",
        "prices",
        "stands",
        "what_was_set",
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview_view)
        return [path("<int:pk>/preview/", view, name="catalog_pricechange_preview"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceChange]:
        undone = PriceChange.objects.filter(undoes=OuterRef("pk"), state=PriceChange.State.APPLIED)
        applied = super().get_queryset(request).filter(state=PriceChange.State.APPLIED)
        return applied.annotate(undone_by_pk=Subquery(undone.values("pk")[:1]))

    @display(description="What", ordering="summary")
    def shown_summary(self, change: PriceChange) -> str:
        return format_html('<span class="whitespace-normal break-words">{}</span>', change.summary)

    @display(description="Who", ordering="actor")
    def shown_actor(self, change: PriceChange) -> str:
        return str(change.actor) if change.actor else "the panel"

    @display(description="Prices changed", ordering="affected")
    def prices(self, change: PriceChange) -> str:
        if not change.affected:
            return "none"
        return f"{change.affected:,}: {change.raised:,} raised, {change.lowered:,} lowered"

    @display(description="Stands")
    def stands(self, change: Any) -> str:
        return f"undone by change {change.undone_by_pk}" if change.undone_by_pk else "yes"

    @display(description="What was set")
    def what_was_set(self, change: PriceChange) -> str:
        rows, more = settings_of(change)
        return render_to_string("admin/catalog/price_change_set.html", {"rows": rows, "more": more})

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what the draft would do; apply it on POST."""
        change = get_object_or_404(PriceChange, pk=pk)
        if not may_apply(request, change):
            raise PermissionDenied
        if touches_floor(load_edits(change.edits)):
            require_recent_sign_in(request)
        back = safe_address(request, "next")
        if change.state == PriceChange.State.APPLIED:
            messages.warning(request, f"{AlreadyApplied()} Nothing was done now.")
            return redirect("admin:catalog_pricechange_change", change.pk)
        try:
            if request.method == "POST":
                try:
                    done = apply_change(
                        change=change,
                        seen=request.POST.get("seen", ""),
                        actor=user_of(request),
                        is_confirmed="confirm" in request.POST,
                    )
                except (NotConfirmed, PreviewOutdated) as error:
                    messages.error(request, str(error))
                else:
                    report_applied(request, change, done)
                    return redirect(back or reverse("admin:catalog_pricechange_change", args=[change.pk]))
            preview = preview_change(change=change)
        except AlreadyApplied as error:
            messages.warning(request, f"{error} Nothing was done now.")
            return redirect("admin:catalog_pricechange_change", change.pk)
        except ChangeRefused as error:
            messages.error(request, f"{error} Nothing was changed.")
            return redirect(back or "admin:catalog_pricechange_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": change.summary,
            "opts": self.opts,
            "change": change,
            "preview": preview,
            "effects": worst_rows(preview),
            "types": type_changes(preview),
            "back": safe_address(request, "back") or back or reverse("admin:catalog_pricechange_changelist"),
            "next": back,
        }
        return TemplateResponse(request, "admin/catalog/price_change_preview.html", context)

    def has_undo_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        change = self._find(object_id)
        return change is not None and not change.undone_by_pk and may_apply(request, change)

    def _find(self, object_id: str | None) -> Any:
        pk = whole_number(str(object_id or ""))
        return None if pk is None else self.get_queryset(HttpRequest()).filter(pk=pk).first()

    @action(description="Undo", icon="undo", permissions=["undo"])
    def undo(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm first, because a link must not change data. Price changes are then shown in a preview."""
        change = get_object_or_404(PriceChange, pk=object_id)
        back = reverse("admin:catalog_pricechange_change", args=[change.pk])
        if request.method == "POST":
            try:
                draft = draft_undo(change=change, actor=user_of(request))
            except ChangeRefused as error:
                messages.error(request, f"{error} Nothing was changed.")
                return redirect(back)
            return show_draft(request=request, change=draft, back=back)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Undo: {change.summary}",
            "explanation": (
                "Sets back what this change set, but for what was set to something else since. You see which prices "
                "that moves before anything is changed; where it moves none, it is done at once."
            ),
            "button": "Undo",
            "form": forms.Form(),
            "opts": self.opts,
            "original": change,
            "back": back,
            "seen": "",
        }
        return TemplateResponse(request, "admin/confirm_and_act.html", context)
