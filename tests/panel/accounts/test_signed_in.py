"""The signed-in user of a request."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.utils.functional import SimpleLazyObject

from panel.accounts.signed_in import user_of

pytestmark = pytest.mark.django_db


def test_user_when_signed_in_then_returned(rf, customer):
    request = rf.get("/")
    request.user = SimpleLazyObject(lambda: customer)  # As the middleware sets it.
    assert user_of(request) == customer


def test_user_when_only_visiting_then_refused(rf):
    request = rf.get("/")
    request.user = SimpleLazyObject(AnonymousUser)
    with pytest.raises(PermissionDenied):
        user_of(request)
