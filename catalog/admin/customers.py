"""Admin of customer groups, their members, and prices for single customers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import IntegrityError, transaction
from django.db.models import Count, Model, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action, display

from catalog.admin.group_discounts import DiscountField, discount_page
from catalog.admin.price_changes import SeenForm
from catalog.models import CustomerGroup, CustomerPrice, GroupMember, PricePolicy
from catalog.prices.customer_prices import CustomerTerms
from catalog.prices.levels import set_placed_by
from catalog.prices.rules import PanelTerms
from catalog.prices.storage import panel_terms, price_policy
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import is_own_object, log_own_attempt
from panel.lib.admin.base import ModelAdmin, shown_money
from panel.lib.admin.fields import AmountField
from panel.lib.admin.questions import MAX_UNASKED, Question, asks_first
from panel.lib.admin.ways_back import way_back
from panel.lib.formats import percent_text
from panel.lib.own_account import SENTENCE, OwnAccount, refuse_own


class ClashAdmin(ModelAdmin):
    """Base for admins that report a conflict with another person's save, found only after the form was validated."""

    clash = ""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except IntegrityError:
            messages.error(request, f"{self.clash} Nothing was changed.")
            return redirect(request.get_full_path())
        return response

    def get_form(self, request: HttpRequest, obj: Model | None = None, **kwargs: Any) -> type[forms.ModelForm]:
        base = kwargs.pop("form", self.form)
        return super().get_form(request, obj, form=type(base.__name__, (SeenForm, base), {}), **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        if not change:
            obj.save(force_insert=True)  # Otherwise Django overwrites a row that was added under its key meanwhile.
        elif form.changed_data:
            obj.save(update_fields=form.changed_data)


class TermsAdmin(ClashAdmin):
    """Base for the terms of single customers. Staff can view their own terms, but not change them."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and not is_own_object(request, obj)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if request.method == "POST" and object_id and super().has_change_permission(request):
            obj = self.get_object(request, unquote(object_id))
            if is_own_object(request, obj):
                return self._refuse(request, f"Change {self.opts.verbose_name}", obj)
        try:
            return super().changeform_view(request, object_id, *args, **kwargs)
        except OwnAccount:
            return self._refuse(request, f"Add {self.opts.verbose_name}")

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().delete_view(request, object_id, *args, **kwargs)
        except OwnAccount:
            obj = self.get_object(request, unquote(object_id))
            return self._refuse(request, f"Delete {self.opts.verbose_name}", obj)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method != "POST":
            return super().changelist_view(request, *args, **kwargs)
        try:
            with transaction.atomic():  # Django logs the deletion of a selection before it deletes.
                return super().changelist_view(request, *args, **kwargs)
        except OwnAccount:
            return self._refuse(request, f"Delete {self.opts.verbose_name_plural}")

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        refuse_own(actor=user_of(request), customer_id=obj.customer_id)
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        refuse_own(actor=user_of(request), customer_id=obj.customer_id)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the selection, or none of it if one row is the actor's own."""
        for customer_id in queryset.values_list("customer_id", flat=True):
            refuse_own(actor=user_of(request), customer_id=customer_id)
        super().delete_queryset(request, queryset)

    def _refuse(self, request: HttpRequest, title: str, obj: Model | None = None) -> HttpResponse:
        """Log the attempt after the page's transaction was rolled back, and redirect to the list with the reason."""
        log_own_attempt(request=request, objects=[obj or user_of(request)], title=title)
        messages.error(request, SENTENCE)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")


class CustomerGroupForm(forms.ModelForm):
    discount_bp = DiscountField(
        label="Discount in percent",
        help_text="Off the list price. No price falls below the cost plus the minimum margin, whatever the discount.",
    )

    class Meta:
        model = CustomerGroup
        fields = ("name", "discount_bp")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["discount_bp"]  # Has a page of its own, with a preview.


@admin.register(CustomerGroup)
class CustomerGroupAdmin(ClashAdmin):
    form = CustomerGroupForm
    is_short = True
    list_display = ("name", "shown_discount", "shown_level", "shown_members")
    search_fields = ("name",)
    actions_list = ("set_levels",)
    actions_detail = ("add_member", "change_discount")
    clash = "A group of this name was added, or its members changed, at the same moment."

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("name", "shown_discount", "shown_level", "shown_members") if obj else ("name", "discount_bp")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("shown_discount", "shown_level", "shown_members") if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerGroup]:
        return super().get_queryset(request).annotate(member_count=Count("members"))

    @display(description="Discount", ordering="discount_bp")
    def shown_discount(self, group: CustomerGroup) -> str:
        return percent_text(group.discount_bp)

    @display(description="Reached from", ordering="level_from", empty_value="no level")
    def shown_level(self, group: CustomerGroup) -> str | None:
        return f"{shown_money(group.level_from)} spent" if group.level_from else None

    @display(description="Members", ordering="member_count")
    def shown_members(self, group: Any) -> str:
        address = f"{reverse('admin:catalog_groupmember_changelist')}?group__id__exact={group.pk}"
        return format_html(
            '<a class="text-primary-600 dark:text-primary-400" href="{}">{}</a>', address, f"{group.member_count:,}"
        )

    def has_add_member_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("catalog.add_groupmember")

    @action(description="Add a customer", icon="person_add", permissions=["add_member"])
    def add_member(self, request: HttpRequest, object_id: str) -> HttpResponse:
        group = get_object_or_404(CustomerGroup, pk=object_id)
        return redirect(f"{reverse('admin:catalog_groupmember_add')}?group={group.pk}")

    def has_set_levels_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("levels.change_levels")

    @action(description="Levels", icon="stairs", permissions=["set_levels"])
    def set_levels(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:levels_levelmove_set_levels")

    def has_change_discount_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("catalog.change_customergroup")

    @action(description="Change the discount", icon="percent", permissions=["change_discount"])
    def change_discount(self, request: HttpRequest, object_id: str) -> HttpResponse:
        group = get_object_or_404(CustomerGroup, pk=object_id)
        return discount_page(request=request, model_admin=self, group=group)


class GroupMemberForm(forms.ModelForm):
    class Meta:
        model = GroupMember
        fields = ("customer", "group")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.instance._state.adding and "customer" in data:
            found = GroupMember.objects.filter(customer=data["customer"]).select_related("group").first()
            if found is not None:
                self.add_error("customer", f"This customer is in the group “{found.group}” already; change it there.")
                self._validate_unique = False
        return data


_MEMBERS = ("customer", "customers")


def _ask_to_let_levels_move(model_admin: Any, request: HttpRequest, queryset: QuerySet[GroupMember]) -> Question:
    placed_by = GroupMember.PlacedBy.LEVELS
    return Question(
        rows=queryset.exclude(placed_by=placed_by),
        nouns=_MEMBERS,
        button="Let levels move {}",
        consequence="By what they spent they may come into another group, and pay other prices.",
        left=((queryset.filter(placed_by=placed_by).order_by().count(), "placed by levels already"),),
    )


def _ask_to_keep(model_admin: Any, request: HttpRequest, queryset: QuerySet[GroupMember]) -> Question:
    placed_by = GroupMember.PlacedBy.PERSON
    return Question(
        rows=queryset.exclude(placed_by=placed_by),
        nouns=_MEMBERS,
        button="Keep {} in their groups",
        consequence="Whatever they spend, they stay in the group that they are in.",
        undo="“Let levels move them” undoes it.",
        left=((queryset.filter(placed_by=placed_by).order_by().count(), "placed by a person already"),),
    )


@admin.register(GroupMember)
class GroupMemberAdmin(TermsAdmin):
    form = GroupMemberForm
    list_display = ("customer", "group", "shown_discount", "shown_placed_by")
    list_filter = ("group", "placed_by")
    actions = ("let_levels_move", "keep_in_group")
    search_fields = ("^customer__email",)
    search_help_text = "Start of an e-mail address"
    list_select_related = ("customer", "group")
    autocomplete_fields = ("customer", "group")
    ordering = ("-pk",)
    clash = "This customer was added to a group at the same moment: a customer is in one group at most."

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("customer",) if obj else ()

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return redirect(way_back(request, reverse("admin:catalog_customergroup_change", args=[obj.group_id])))

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        response: HttpResponse = super().response_post_save_change(request, obj)
        return redirect(way_back(request, response["Location"]))

    def save_model(self, request: HttpRequest, obj: GroupMember, form: forms.ModelForm, change: bool) -> None:
        obj.placed_by = GroupMember.PlacedBy.PERSON
        if change and form.changed_data:
            refuse_own(actor=user_of(request), customer_id=obj.customer_id)
            obj.save()  # Whole: levels may have taken the row away meanwhile.
        else:
            super().save_model(request, obj, form, change)

    @display(description="Discount", ordering="group__discount_bp")
    def shown_discount(self, member: GroupMember) -> str:
        return percent_text(member.group.discount_bp)

    @display(description="Placed by", ordering="placed_by", label={"A person": "info", "Levels": "success"})
    def shown_placed_by(self, member: GroupMember) -> str:
        return member.get_placed_by_display()

    def has_let_levels_move_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("levels.change_levels")

    @action(description="Let levels move them", permissions=["let_levels_move"])
    @asks_first(_ask_to_let_levels_move)
    def let_levels_move(self, request: HttpRequest, queryset: QuerySet[GroupMember]) -> None:
        self._set_placed_by(request, queryset, GroupMember.PlacedBy.LEVELS, "Levels may move them now")

    @action(description="Keep them in their groups", permissions=["change"])
    @asks_first(_ask_to_keep, above=MAX_UNASKED)
    def keep_in_group(self, request: HttpRequest, queryset: QuerySet[GroupMember]) -> None:
        self._set_placed_by(request, queryset, GroupMember.PlacedBy.PERSON, "They stay in their groups now")

    def _set_placed_by(
        self, request: HttpRequest, queryset: QuerySet[GroupMember], placed_by: GroupMember.PlacedBy, done: str
    ) -> None:
        try:
            count = set_placed_by(members=list(queryset), placed_by=placed_by, actor=user_of(request))
        except OwnAccount:
            log_own_attempt(request=request, objects=[user_of(request)], title="Change who places them")
            messages.error(request, SENTENCE)
        else:
            messages.success(request, f"{done}: {count:,}.")


class CustomerPriceForm(forms.ModelForm):
    price = AmountField(
        label="Agreed price",
        help_text="Of 1000, or of a package. It beats any discount; the minimum margin still holds.",
    )

    class Meta:
        model = CustomerPrice
        fields = ("customer", "service", "price")

    def clean_price(self) -> int:
        price: int = self.cleaned_data["price"]
        if not price:
            raise forms.ValidationError("Enter a price above zero.")
        return price


@admin.register(CustomerPrice)
class CustomerPriceAdmin(TermsAdmin):
    form = CustomerPriceForm
    list_display = ("customer", "service", "agreed", "list_price", "cost", "pays")
    list_display_links = ("customer", "service")
    search_fields = ("^customer__email", "=service", "service__name")
    search_help_text = "Start of an address, service number or name"
    list_select_related = ("customer", "service")
    autocomplete_fields = ("customer", "service")
    ordering = ("-pk",)
    clash = "A price for this customer and service was added at the same moment."

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("customer", "service", "price", *(("list_price", "cost", "pays") if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("customer", "service", "list_price", "cost", "pays") if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerPrice]:
        policy = PricePolicy.objects.filter(pk=1)
        minimum, step = (Subquery(policy.values(column)) for column in ("minimum_margin_bp", "price_step"))
        return super().get_queryset(request).annotate(minimum_margin_bp=minimum, price_step=step)

    @display(description="Agreed", ordering="price")
    def agreed(self, own: CustomerPrice) -> str:
        return shown_money(own.price)

    @display(description="List price", ordering="service__price")
    def list_price(self, own: CustomerPrice) -> str:
        return shown_money(own.service.price)

    @display(description="Cost", ordering="service__cost")
    def cost(self, own: CustomerPrice) -> str:
        return shown_money(own.service.cost)

    @display(description="They pay")
    def pays(self, own: Any) -> str:
        if not own.service.price:
            return "Not sold: it has no price"
        panel = PanelTerms(0, 0, own.minimum_margin_bp or 0, own.price_step or 1)
        return _paid(own, panel)

    def save_model(self, request: HttpRequest, obj: CustomerPrice, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        panel = panel_terms(price_policy())
        if obj.service.price and CustomerTerms(0, {obj.service_id: obj.price}, panel).price_of(obj.service) > obj.price:
            messages.warning(request, f"The agreed price is too low to be used. {_paid(obj, panel)}.")


def _paid(own: CustomerPrice, panel: PanelTerms) -> str:
    """Return what the customer pays, and why it differs from the agreed price."""
    service = own.service
    paid = CustomerTerms(0, {service.pk: own.price}, panel).price_of(service)
    if paid > own.price:
        return f"Held up at {shown_money(paid)} by the {'cost' if service.allow_below_minimum else 'minimum margin'}"
    if paid > service.price:
        return f"{shown_money(paid)}, more than the list price"
    return shown_money(paid)
