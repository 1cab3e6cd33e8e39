"""Lines of bank statements in the admin: the list of all, and the decisions about one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from billing.admin.bank_statements import PERMISSION, StatementPages, match_address
from billing.bank.decide import LineRefused, approve_line, dismiss_line, reopen_line
from billing.bank.matching import Proposal, match_line
from billing.deposits import MAX_NOTE, DecisionRefused
from billing.models import BankLine, Deposit
from billing.second_looks import asked_line
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import shown_money
from panel.lib.digits import whole_number
from panel.lib.formats import day_text
from panel.staff.deeds import Why
from panel.staff.forms import WhyForm, take_why
from panel.staff.kinds import Kind, Reason
from panel.staff.limits import limit_sentence
from panel.staff.looks import act_or_ask

_STATE_COLORS = {BankLine.State.WAITING: "warning", BankLine.State.APPROVED: "success"}


class LineForm(WhyForm):
    """Choose the request that a line is for, or write the number of another."""

    proposal = forms.ChoiceField(
        label="Request", required=False, widget=UnfoldAdminSelectWidget, help_text="The likeliest first."
    )
    other = forms.CharField(
        label="Or another request, by its number", required=False, max_length=18, widget=UnfoldAdminTextInputWidget
    )
    note = forms.CharField(
        label="Note for the customer",
        required=False,
        max_length=MAX_NOTE,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="The customer reads it: for example why the amount differs.",
    )
    field_order = ("proposal", "other", "note", "why", "why_note")

    def __init__(self, *args: Any, proposals: list[Proposal], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(one.deposit.pk), in_words(one)) for one in proposals]
        self.fields["proposal"].choices = [*choices, ("", "None of these")]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        number = whole_number(data.pop("other", "") or data.pop("proposal", "") or "")
        data.pop("proposal", None)
        deposit = Deposit.objects.select_related("customer", "method").filter(pk=number or 0).first()
        if deposit is None:
            self.add_error("other", "There is no request with this number." if number else "Say which request it is.")
        elif deposit.state != Deposit.State.PENDING:
            self.add_error("other", f"Request {deposit.pk} is {deposit.get_state_display().lower()} already.")
        data["deposit"] = deposit
        return data


class DismissLineForm(forms.Form):
    note = forms.CharField(
        label="What it is",
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="For colleagues: for example “Refund of the power company”.",
    )


class NothingForm(forms.Form):
    """Nothing to fill in."""


@admin.register(BankLine)
class BankLineAdmin(StatementPages):
    list_display = ("day", "method", "shown_amount", "text", "shown_state", "shown_deposit", "note")
    list_filter = ("state", "method")
    search_fields = ("=deposit", "^deposit__customer__email", "text")
    search_help_text = "Request, start of an address, or words"
    list_select_related = ("method", "deposit__customer")
    fields = (
        "day",
        "method",
        "shown_amount",
        "text",
        "shown_state",
        "shown_deposit",
        "note",
        "uploaded_at",
        "uploaded_by",
        "decided_at",
        "decided_by",
    )
    readonly_fields = fields
    actions_detail = ("approve", "dismiss", "reopen")

    @display(description="Came in", ordering="amount")
    def shown_amount(self, line: BankLine) -> str:
        return shown_money(line.amount)

    @display(description="State", ordering="state", label=_STATE_COLORS)
    def shown_state(self, line: BankLine) -> tuple[str, str]:
        return line.state, line.get_state_display()

    @display(description="Request")
    def shown_deposit(self, line: BankLine) -> str:
        if line.deposit is None:
            return "—"
        address = reverse("admin:billing_deposit_change", args=[line.deposit_id])
        link = '<a class="text-primary-600 underline dark:text-primary-400" href="{}">{}</a> of <bdi>{}</bdi>'
        return format_html(link, address, line.deposit, line.deposit.customer)

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(PERMISSION)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[object]:
        """Offer what may be done with the line as it is."""
        line = self.get_object(request, str(object_id))
        offered: list[Any] = super().get_actions_detail(request, object_id)
        if line is None or line.state == BankLine.State.APPROVED:
            return []
        is_waiting = line.state == BankLine.State.WAITING
        return [one for one in offered if one.action_name.endswith("reopen") is not is_waiting]

    @action(description="Approve a request", icon="check", permissions=["decide"], variant="primary")
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = user_of(request)

        def act(line: BankLine, data: dict[str, Any]) -> str:
            why, deposit, note = take_why(data), data["deposit"], data["note"]
            asked = asked_line(line=line, deposit=deposit, note=note)
            return act_or_ask(act=lambda: approve(line, deposit, note, why), asked=asked, actor=user, why=why)

        def approve(line: BankLine, deposit: Deposit, note: str, why: Why) -> str:
            decided = approve_line(line_id=line.pk, deposit_id=deposit.pk, actor=user, note=note, why=why)
            return f"{added_text(decided)} was added to the wallet of {decided.customer}."

        def form_of(line: BankLine) -> Callable[..., forms.Form]:
            proposals = list(match_line(line=line).proposals)
            return lambda *args, **kwargs: LineForm(*args, proposals=proposals, **kwargs)

        return self._confirm(
            request,
            object_id,
            state=BankLine.State.WAITING,
            form_of=form_of,
            title="Approve a request with",
            explanation=lambda line: (
                f"The bank wrote: “{line.text}”. {match_line(line=line).hint} What came in is credited to the customer "
                "of the request, less its fee and with its bonus, for good. "
                f"{limit_sentence(user=user, kind=Kind.DEPOSIT)}"
            ),
            button="Add the money",
            act=act,
            initial=initial_for,
        )

    @action(description="Not for a request", icon="block", permissions=["decide"])
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(line: BankLine, data: dict[str, Any]) -> str:
            dismiss_line(line_id=line.pk, actor=user_of(request), note=data["note"])
            return "It is for no request, and waits no more."

        return self._confirm(
            request,
            object_id,
            state=BankLine.State.WAITING,
            form_of=lambda line: DismissLineForm,
            title="Not for a request:",
            explanation=lambda line: f"The bank wrote: “{line.text}”. Nothing is added to any wallet.",
            button="It is for no request",
            act=act,
        )

    @action(description="Let it wait again", icon="undo", permissions=["decide"])
    def reopen(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(line: BankLine, data: dict[str, Any]) -> str:
            reopen_line(line_id=line.pk)
            return "It waits again."

        return self._confirm(
            request,
            object_id,
            state=BankLine.State.DISMISSED,
            form_of=lambda line: NothingForm,
            title="Let it wait again:",
            explanation=lambda line: f"It was put aside because: {line.note}",
            button="Let it wait",
            act=act,
        )

    def _confirm(
        self,
        request: HttpRequest,
        object_id: str,
        *,
        state: str,
        title: str,
        form_of: Callable[[BankLine], Callable[..., forms.Form]],
        explanation: Callable[[BankLine], str],
        act: Callable[[BankLine, dict[str, Any]], str],
        initial: Callable[[BankLine], dict[str, object]] = lambda line: {},
        **words: Any,
    ) -> HttpResponse:
        line: BankLine | None = self.get_object(request, object_id)
        if line is None:  # Also if the address has no valid number.
            raise Http404
        if request.method != "POST" and line.state != state:
            messages.info(request, "It was decided already.")
            return redirect("admin:billing_bankline_change", line.pk)

        def decide(data: dict[str, Any]) -> str:
            try:
                return act(line, data)
            except (LineRefused, DecisionRefused) as error:
                raise ActionRefused(f"{error} Nothing was done.") from error

        answer = confirm_and_act(
            request=request,
            model_admin=self,
            obj=line,
            form_class=form_of(line),
            title=f"{title} {shown_money(line.amount)} of {day_text(line.day)}",
            explanation=explanation(line),
            act=decide,
            initial=initial(line),
            seen=line.state,
            is_atomic=True,
            **words,
        )
        # There are many of them: back to the others.
        is_done = request.method == "POST" and answer.status_code == 302
        return redirect(match_address(line.method)) if is_done else answer


def initial_for(line: BankLine) -> dict[str, object]:
    """Return what the form of approval begins with: a request only where it is sure."""
    matched = match_line(line=line)
    chosen = matched.best.deposit.pk if matched.best and matched.is_sure else ""
    return {"proposal": chosen, "why": Reason.PAYMENT, "why_note": note_of(line)}


def in_words(proposal: Proposal) -> str:
    """Return a proposal for a choice."""
    deposit = proposal.deposit
    asked = f"{shown_money(deposit.to_pay)} of {deposit.customer}, {day_text(deposit.created_at)}"
    return f"{deposit.pk}: {asked}. {proposal.sureness.name.capitalize()}: {proposal.why}"


def added_text(deposit: Deposit) -> str:
    """Return what an approved deposit added, less its fee and with its bonus."""
    bonus = f" + {shown_money(deposit.bonus)} bonus" if deposit.bonus else ""
    return f"{shown_money(deposit.net)}{bonus}"


def note_of(line: BankLine) -> str:
    """Return the note for staff that a line proposes."""
    return f"Bank statement, line {line.pk} of {day_text(line.day)}"
