"""Where the panel differs from allauth, mostly because an owner may move an account to another address.

A request reads the account when it begins and may spend a second hashing a password. Its writes must apply only if
the account is still as it was read.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from panel.accounts.addresses import hold_account, was_moved_from
from panel.accounts.models import User
from panel.site import registry as site
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

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Confirm an address of the account. Return False if it was removed or the account was moved away from it."""
        user, address = email_address.user, email_address.email
        with hold_account(user):
            found = EmailAddress.objects.filter(pk=email_address.pk, email=address)
            if was_moved_from(user=user, address=address):
                found.delete()
            return found.exists() and super().confirm_email(request, email_address)

    # -- signing in: the password and the second factor arrive in two requests ---------------------------

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        _check_generation(user, user.session_generation)
        request.session[_SIGNING_IN] = user.session_generation
        return super().pre_login(request, user, **kwargs)

    def login(self, request: HttpRequest, user: User) -> None:
        _check_generation(user, request.session.pop(_SIGNING_IN, user.session_generation))
        super().login(request, user)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return site.SIGN_UP.value == "open"

    def get_from_email(self) -> str:
        return sender()

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send the mail with links to the panel's own host, never the host that the request named."""
        here = urlsplit(settings.SITE_URL)
        links = {
            name: urlsplit(value)._replace(scheme=here.scheme, netloc=here.netloc).geturl()
            for name, value in context.items()
            if name.endswith("_url") and isinstance(value, str)
        }
        current = {"name": site.PANEL_NAME.value, "domain": here.netloc}
        super().send_mail(template_prefix, email, {**context, **links, "current_site": current})


def _check_generation(user: User, generation: int) -> None:
    """Raise PermissionDenied if the sessions of the account were ended after `generation`."""
    if not User.objects.filter(pk=user.pk, session_generation=generation).exists():
        raise PermissionDenied
