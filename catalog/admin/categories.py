"""Admin of categories: names, order, margins, and the order of their services."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Max, ProtectedError, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.decorators import action, display

from catalog.admin.price_changes import PricedAdmin
from catalog.admin.shared import INHERITED, own_margin
from catalog.models import Category, PriceChange, Service
from catalog.prices.sorting import arrange_services
from catalog.prices.storage import lock_prices
from panel.activity.record import record
from panel.lib.admin.fields import AmountField, PercentField
from panel.lib.admin.questions import Question, asks_first


class CategoryForm(forms.ModelForm):
    margin_bp = PercentField(label="Margin in percent", required=False, help_text=INHERITED)
    margin_fixed = AmountField(label="Fixed margin per 1000", required=False, help_text=INHERITED)

    class Meta:
        model = Category
        fields = ("name", "position", "margin_bp", "margin_fixed")


class PositionForm(forms.ModelForm):
    """A row of the list. It saves the position only if the person changed it, and only over what the list showed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shown = not self.is_bound or self._shown_position() is not None
        self.fields["position"].show_hidden_initial = shown

    def clean_position(self) -> int:
        typed: int = self.cleaned_data["position"]
        shown, now = self._shown_position(), self.instance.position
        if shown not in (None, str(now)) and typed != now and "position" in self.changed_data:
            raise forms.ValidationError(f"It was moved to {now} since you opened the list. Load the list again.")
        return typed

    def _shown_position(self) -> str | None:
        return self.data.get(self.add_initial_prefix("position"))


def _ask_to_arrange(model_admin: Any, request: HttpRequest, queryset: QuerySet[Category]) -> Question:
    services = Service.objects.filter(category__in=queryset.order_by().values("pk")).order_by().count()
    return Question(
        rows=queryset,
        nouns=("category", "categories"),
        button="Arrange {} anew",
        consequence=f"The order of their {services:,} services is written anew; what was arranged by hand is lost.",
    )


@admin.register(Category)
class CategoryAdmin(PricedAdmin):
    """Categories, sorted by dragging or by typing positions."""

    form = CategoryForm
    change_list_template = "admin/catalog/change_categories.html"
    priced = ("margin_bp", "margin_fixed")
    price_kind = "category"
    price_source = PriceChange.Source.CATEGORY
    is_short = True
    list_display = ("name", "shown_margin", "shown_services", "on_sale", "position")
    list_editable = ("position",)
    ordering_field = "position"
    search_fields = ("name",)
    ordering = ("position", "name")
    actions = ("arrange_by_price", "arrange_by_name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        counts = {
            "service_count": Count("services"),
            "on_sale_count": Count("services", filter=Q(services__is_on_sale=True)),
        }
        return super().get_queryset(request).annotate(**counts)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        last = Category.objects.aggregate(last=Max("position"))["last"]
        return {"position": 0 if last is None else last + 1, **super().get_changeform_initial_data(request)}

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        form = super().get_changelist_form(request, **{"form": PositionForm, **kwargs})
        if "position" in form.base_fields:
            form.base_fields["position"].widget.attrs["aria-label"] = "Position"
        return form

    @display(description="Margin", ordering="margin_bp")
    def shown_margin(self, category: Category) -> str:
        return own_margin(category.margin_bp, category.margin_fixed)

    @display(description="Services", ordering="service_count")
    def shown_services(self, category: Any) -> str:
        return f"{category.service_count:,}"

    @display(description="On sale", ordering="on_sale_count")
    def on_sale(self, category: Any) -> str:
        return f"{category.on_sale_count:,}"

    @action(description="Arrange their services by price", permissions=["change"])
    @asks_first(_ask_to_arrange)
    def arrange_by_price(self, request: HttpRequest, queryset: QuerySet[Category]) -> None:
        self._arrange(request, queryset, "price")

    @action(description="Arrange their services by name", permissions=["change"])
    @asks_first(_ask_to_arrange)
    def arrange_by_name(self, request: HttpRequest, queryset: QuerySet[Category]) -> None:
        self._arrange(request, queryset, "name")

    def _arrange(self, request: HttpRequest, queryset: QuerySet[Category], by: str) -> None:
        categories = list(queryset.order_by("pk"))
        moved = arrange_services(categories=[category.pk for category in categories], by=by)
        record(actor_id=request.user.pk, objects=categories, message=f"Arranged its services by {by}.")
        noun = "category" if len(categories) == 1 else "categories"
        messages.success(request, f"Arranged by {by}: {moved:,} services moved in {len(categories):,} {noun}.")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # Delete categories one at a time: the page of a single category explains why it cannot be deleted.
        return {name: found for name, found in super().get_actions(request).items() if name != "delete_selected"}

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        lock_prices()  # Without the lock, a service could move in now and break the deletion too late to report it.
        super().delete_model(request, obj)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        try:
            category = self.get_object(request, object_id)
            if category is not None and self.has_delete_permission(request, category):
                count = category.services.count()
                if count:
                    noun = "service is" if count == 1 else "services are"
                    text = (
                        f"{count:,} {noun} in “{category}”. Nothing was deleted; move them to another category first."
                    )
                    messages.error(request, text)
                    return redirect("admin:catalog_category_change", category.pk)
            return super().delete_view(request, object_id, extra_context)
        except ProtectedError:
            # An import put a service into it while the confirmation was open.
            messages.error(request, "Services came into this category meanwhile. Nothing was deleted.")
            return redirect("admin:catalog_category_changelist")
