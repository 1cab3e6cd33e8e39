"""Actions on an account in the admin, each with a form to confirm. Nobody sets another person's password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from allauth.core import ratelimit
from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from panel.accounts.addresses import AddressRefused, change_address
from panel.accounts.blocking import block, is_blocked, may_be_blocked, unblock
from panel.accounts.forms import ResetPasswordForm
from panel.accounts.invitations import can_be_invited, renew_invitation, withdraw_invitation
from panel.accounts.models import User
from panel.accounts.roles import CHANGE_ADDRESS
from panel.lib.admin.actions import ActionRefused, confirm_and_act

log = structlog.get_logger(__name__)


class AddressForm(forms.Form):
    address = forms.EmailField(
        label="New e-mail address",
        max_length=254,
        widget=UnfoldAdminEmailInputWidget(attrs={"autocomplete": "off"}),
    )


class BlockForm(forms.Form):
    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text="The customer reads it when signing in: write it for them, and what they can do.",
    )


class UserActions:
    """Mixin for the admin of accounts, whose change permission it uses."""

    def _get(self, request: HttpRequest, object_id: str) -> User:
        user: User | None = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if user is None:  # Also if the id is not a number.
            raise Http404
        return user

    def _may(self, request: HttpRequest, object_id: str | None, fits: Callable[[User], bool]) -> bool:
        user = self.get_object(request, object_id)  # type: ignore[attr-defined]
        return user is not None and self.has_change_permission(request, user) and fits(user)  # type: ignore[attr-defined]

    def _show_form(
        self,
        request: HttpRequest,
        user: User,
        *,
        title: str,
        explanation: str,
        button: str,
        act: Callable[[dict[str, Any]], str],
        form_class: Callable[..., forms.Form] = forms.Form,
        is_for_good: bool = False,
    ) -> HttpResponse:
        return confirm_and_act(
            request=request,
            model_admin=self,  # type: ignore[arg-type]
            obj=user,
            form_class=form_class,
            title=f"{title}: {user.email}",
            explanation=explanation,
            button=button,
            act=act,
            is_for_good=is_for_good,
            seen=f"{user.email}:{user.is_active}:{user.invited_at or ''}",
        )

    # -- password link ---------------------------------------------------------------------------------

    def has_send_password_link_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._may(request, object_id, lambda user: user.is_active)

    @action(description="Password link", icon="lock_reset", permissions=["send_password_link"])
    def send_password_link(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self._get(request, object_id)

        def act(data: dict[str, Any]) -> str:
            _check_rate(request, user)
            form = ResetPasswordForm({"email": user.email})
            form.is_valid()
            form.users = [user]  # Only this account, even if others confirmed the same address.
            try:
                form.save(request)
            except Exception as error:  # Each mail backend raises its own errors.
                log.warning("link to set a password not sent", user=user.pk, error=type(error).__name__)
                raise ActionRefused("The mail server did not take it. Try it again in a few minutes.") from error
            return f"A link to set a new password was sent to {user.email}."

        return self._show_form(
            request,
            user,
            title="Send a password link",
            explanation="They get a mail with a link and choose a new password there. Until then the old one works.",
            button="Send the link",
            act=act,
        )

    # -- blocking ----------------------------------------------------------------------------------------

    def has_block_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._may(request, object_id, may_be_blocked)

    @action(description="Block", icon="block", permissions=["block"])
    def block(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self._get(request, object_id)

        def act(data: dict[str, Any]) -> str:
            if not block(customer=user, reason=data["reason"]):
                raise ActionRefused("The account changed meanwhile. Nothing was done.")
            return "The account is blocked. They read the reason when they sign in."

        return self._show_form(
            request,
            user,
            form_class=BlockForm,
            title="Block",
            explanation=(
                "They are signed out everywhere and can neither sign in nor use API keys. Orders that run go on, and "
                "the balance stays."
            ),
            button="Block the account",
            act=act,
            is_for_good=True,
        )

    def has_unblock_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._may(request, object_id, is_blocked)

    @action(description="Unblock", icon="lock_open", permissions=["unblock"])
    def unblock(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self._get(request, object_id)

        def act(data: dict[str, Any]) -> str:
            if not unblock(customer=user):
                raise ActionRefused("The account changed meanwhile. Nothing was done.")
            return "The account is open again."

        return self._show_form(
            request,
            user,
            title="Unblock",
            explanation="They can sign in and use their API keys again. They are not told.",
            button="Unblock the account",
            act=act,
        )

    # -- change of address -----------------------------------------------------------------------------

    def has_change_address_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Return False for one's own account: people change that on their own page, where the new address is confirmed
        first.
        """
        allowed = request.user.has_perm(CHANGE_ADDRESS)
        return allowed and self._may(request, object_id, lambda user: user.pk != request.user.pk)

    @action(description="Address", icon="alternate_email", permissions=["change_address"])
    def change_address(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self._get(request, object_id)

        def act(data: dict[str, Any]) -> str:
            old = user.email
            try:
                change_address(user=user, address=data["address"])
            except AddressRefused as error:
                raise ActionRefused(f"{error} Nothing was changed.") from error
            ended = " The invitation ended with it: invite them again." if user.invited_at else ""
            return f"The address was {old} and is {data['address'].lower()} now. Both get a mail.{ended}"

        return self._show_form(
            request,
            user,
            form_class=AddressForm,
            title="Change the address",
            explanation=(
                "Whoever has the new address can get a link to set a password, and so use the account and its wallet: "
                "make sure that it is theirs. The old and the new address get a mail, with the API keys of the "
                "account; everybody who is signed in to it is signed out, and links to set a password end."
            ),
            button="Change the address",
            act=act,
        )

    # -- invitations -----------------------------------------------------------------------------------

    def has_invite_again_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("accounts.add_user") and self._may(request, object_id, can_be_invited)

    @action(description="Invite again", icon="forward_to_inbox", permissions=["invite_again"])
    def invite_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self._get(request, object_id)

        def act(data: dict[str, Any]) -> str:
            _check_rate(request, user)
            if not renew_invitation(user=user):
                raise ActionRefused("They have set a password meanwhile. Nothing was done.")
            return f"An invitation is on its way to {user.email}."

        return self._show_form(
            request,
            user,
            title="Invite again",
            explanation="They get another link, which is good for 48 hours. Links that were sent before end.",
            button="Send the invitation",
            act=act,
        )

    def has_withdraw_invitation_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        allowed = request.user.has_perm("accounts.add_user")
        return allowed and self._may(request, object_id, lambda user: user.invited_at is not None)

    @action(description="Withdraw", icon="block", permissions=["withdraw_invitation"])
    def withdraw_invitation(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self._get(request, object_id)

        def act(data: dict[str, Any]) -> str:
            if not withdraw_invitation(user=user):
                raise ActionRefused("They have set a password meanwhile. Switch the account off instead.")
            return "The invitation was withdrawn; its link opens nothing any more."

        return self._show_form(
            request,
            user,
            title="Withdraw the invitation",
            explanation="The link that they have opens nothing any more. The account stays off until you invite again.",
            button="Withdraw it",
            act=act,
        )


def _check_rate(request: HttpRequest, user: User) -> None:
    """Raise ActionRefused if the address reached the limit of mails with links."""
    if not ratelimit.consume(request, action="reset_password", key=user.email):
        raise ActionRefused("Several mails were sent to this address just now. Wait a minute, and try again.")
