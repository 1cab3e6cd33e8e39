"""The sessions of an account: the browsers that are signed in to it."""

from __future__ import annotations

from allauth.usersessions.internal import flows
from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.db.models import F
from django.http import HttpRequest

from panel.accounts.models import User
from panel.accounts.signed_in import user_of
from panel.accounts.visits import end_visits_of


def sessions_of(request: HttpRequest) -> list[UserSession]:
    """Return the sessions of the account that is signed in, this one first, then the newest."""
    user = user_of(request)
    found = UserSession.objects.purge_and_list(user)
    if not any(one.is_current() for one in found):  # It is older than the list.
        UserSession.objects.create_from_request(request)
        found = UserSession.objects.purge_and_list(user)
    return sorted(found, key=lambda one: (not one.is_current(), -one.created_at.timestamp()))


def end_other_sessions(request: HttpRequest) -> None:
    """End every session of the account but this one, also those that are in no list, and forget its devices.

    Links to set a password end too.
    """
    user = user_of(request)
    User.objects.filter(pk=user.pk).update(session_generation=F("session_generation") + 1)
    if user.is_staff:
        end_visits_of(staff_id=user.pk)
    user.refresh_from_db(fields=("session_generation",))
    update_session_auth_hash(request, user)
    # All ended with the generation. What follows only tidies up.
    request.session.save()
    UserSession.objects.create_from_request(request)
    flows.sessions.end_other_sessions(request, user)
