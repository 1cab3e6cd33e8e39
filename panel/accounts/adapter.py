"""Where the panel differs from allauth: accounts that move, wrong passwords, the log of sign-ins, and mails.

An owner may move an account to another address. A request reads the account when it begins and may spend a second
hashing a password. Its writes must apply only if the account is still as it was read.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context as of_request
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from panel.accounts.addresses import hold_account, is_taken, was_moved_from
from panel.accounts.blocking import is_blocked
from panel.accounts.client_address import client_address
from panel.accounts.models import SignIn, User, Visit
from panel.accounts.notices import queue_notice
from panel.accounts.sign_in.devices import device_of, remember_device
from panel.accounts.sign_in.log import client_agent, record_failure, record_sign_in
from panel.accounts.sign_in.wrong_passwords import count_attempt, forget_attempts
from panel.accounts.sign_up import waits_for_code
from panel.accounts.visits import end_visit, end_visits_of
from panel.lib import clock
from panel.lib.recent_sign_in import MAX_AGE, is_recent
from panel.site import registry as site
from panel.site.html_mail import dress
from panel.site.names import sender

_SIGNING_IN = "signing_in"


class ResetTokens(PasswordResetTokenGenerator):
    """Tokens for password links: made from the addresses, as allauth's are, and invalid once the sessions are ended."""

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        addresses = {user.email, *EmailAddress.objects.filter(user_id=user.pk).values_list("email", flat=True)}
        value = super()._make_hash_value(user, timestamp) + "|".join(sorted(addresses))
        return f"{value}|{user.session_generation}" if user.session_generation else value


class AccountAdapter(DefaultAccountAdapter):
    def set_password(self, user: User, password: str) -> None:
        """Set the password if the account is unchanged since it was read. Raise PermissionDenied otherwise."""
        before = user.password
        user.set_password(password)
        same = User.objects.filter(
            pk=user.pk, email=user.email, password=before, session_generation=user.session_generation
        )
        if not same.update(password=user.password):
            raise PermissionDenied
        if user.is_staff:
            end_visits_of(staff_id=user.pk)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Confirm an address of the account. Return False if it was removed or the account was moved away from it."""
        user, address = email_address.user, email_address.email
        with hold_account(user):
            # With a code, the address of a change is stored only now.
            is_new = email_address.pk is None
            found = EmailAddress.objects.filter(pk=email_address.pk, email=address)
            if was_moved_from(user=user, address=address):
                found.delete()
                return False
            if is_taken(address=address, by_others_than=user):
                messages.error(request, _("Another account signs in with this address. Nothing was changed."))
                return False
            return (is_new or found.exists()) and super().confirm_email(request, email_address)

    # -- signing in: the password and the second factor arrive in two requests ---------------------------

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt. Raise ValidationError, and compare no password, beyond a limit."""
        typed = credentials.get("email", "")
        self._login_failed_rl_usage = count_attempt(request, typed=typed)
        if self._login_failed_rl_usage is None:
            record_failure(request, outcome=SignIn.Outcome.TOO_MANY, typed=typed)
            raise self.validation_error("too_many_login_attempts")

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Return the account, or None also if its address waits for its first code: to sign in with the password of a
        sign-up must not tell whether the address had an account before.
        """
        user: User | None = super().authenticate(request, **credentials)
        if user is not None and waits_for_code(user):
            self.authentication_failed(request, **credentials)
            return None
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        record_failure(request, outcome=SignIn.Outcome.WRONG_PASSWORD, typed=credentials.get("email", ""))

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        forget_attempts(request, typed=credentials.get("email", ""))

    def reauthenticate(self, user: User, password: str) -> bool:
        """Return True if it is the password of `user`. Not by the primary address: not every account has one."""
        found = self.authenticate(of_request.request, email=user.email, password=password)
        return found is not None and found.pk == user.pk

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Return False for somebody who signed in just now, whom allauth would ask once more."""
        request = of_request.request
        return super().is_reauthentication_required(app=app, **kwargs) and not is_recent(request, max_age=MAX_AGE)

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        _check_generation(user, user.session_generation)
        request.session[_SIGNING_IN] = user.session_generation
        return super().pre_login(request, user, **kwargs)

    def login(self, request: HttpRequest, user: User) -> None:
        _check_generation(user, request.session.pop(_SIGNING_IN, user.session_generation))
        super().login(request, user)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Record the sign-in, and mail the account if it is the first one with this device."""
        had_signed_in = SignIn.objects.filter(user=user, outcome=SignIn.Outcome.SIGNED_IN).exists()
        is_new = not device_of(request, user=user)
        record_sign_in(request, user=user, is_new_device=is_new)
        if is_new and (had_signed_in or not kwargs["signup"]):
            self._queue("account/email/new_device", user, user.email, {"sessions_url": reverse("usersessions_list")})
        response: HttpResponse = super().post_login(request, user, **kwargs)
        remember_device(request, response, user=user)
        return response

    def logout(self, request: HttpRequest) -> None:
        end_visit(request, how=Visit.End.SIGNED_OUT)
        super().logout(request)

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        """Say why the account is blocked. Who comes here has shown the password, or opened a link sent to it."""
        if not is_blocked(user):
            response: HttpResponse = super().respond_user_inactive(request, user)
            return response
        return render(request, "account/blocked.html", {"reason": user.blocked_reason})

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return site.SIGN_UP.value == "open"

    def get_from_email(self) -> str:
        return sender()

    def render_mail(
        self, template_prefix: str, email: str | list[str], context: dict[str, Any], headers: Any = None
    ) -> EmailMessage:
        """Return the mail with the library's text, and beside it the same as HTML in the panel's look."""
        return dress(super().render_mail(template_prefix, email, context, headers))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send the mail with links to the panel's own host, never the host that the request named."""
        super().send_mail(template_prefix, email, _with_own_links(context))

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Queue the mail: a server that is down must not undo what it is about, nor hold up a transaction."""
        self._queue(template_prefix, user, email or user.email, context or {})

    def _queue(self, template_prefix: str, user: User, recipient: str, context: dict[str, Any]) -> None:
        request = self.request or of_request.request
        about = {
            "email": recipient,
            "timestamp": clock.now(),
            "ip": client_address(request) or _("unknown"),
            "user_agent": client_agent(request) or _("unknown"),
            "panel_name": site.PANEL_NAME.value,
        }
        mail = self.render_mail(template_prefix, recipient, _with_own_links({**about, **context}))
        queue_notice(user=user, recipient=recipient, subject=str(mail.subject), body=str(mail.body))


def _with_own_links(context: dict[str, Any]) -> dict[str, Any]:
    here = urlsplit(settings.SITE_URL)
    links = {
        name: urlsplit(value)._replace(scheme=here.scheme, netloc=here.netloc).geturl()
        for name, value in context.items()
        if name.endswith("_url") and isinstance(value, str)
    }
    return {**context, **links, "current_site": {"name": site.PANEL_NAME.value, "domain": here.netloc}}


def _check_generation(user: User, generation: int) -> None:
    """Raise PermissionDenied if the sessions of the account were ended after `generation`."""
    if not User.objects.filter(pk=user.pk, session_generation=generation).exists():
        raise PermissionDenied
