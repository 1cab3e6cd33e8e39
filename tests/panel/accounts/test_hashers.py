"""What a try to sign in may cost, and that passwords hashed before still open their accounts."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, identify_hasher, make_password

HASHERS = ["panel.accounts.hashers.PasswordHasher"]

pytestmark = pytest.mark.once


def test_password_when_hashed_then_within_memory(settings):
    settings.PASSWORD_HASHERS = HASHERS
    found = identify_hasher(encoded := make_password("correct horse battery"))
    figures = found.decode(encoded)
    assert (figures["variety"], figures["memory_cost"], figures["parallelism"]) == ("argon2id", 19_456, 1)


def test_password_when_hashed_with_djangos_figures_then_right_and_kept(settings):
    """Seen: a renewed hash ended the other sessions of the account, and the one that asked for the password again."""
    settings.PASSWORD_HASHERS = HASHERS
    before = Argon2PasswordHasher().encode("correct horse battery", "some-salt-of-16c")
    renewed = []
    assert check_password("correct horse battery", before, renewed.append)
    assert not check_password("wrong", before, renewed.append)
    assert renewed == []


def test_password_when_hashed_with_weaker_figures_then_right_and_renewed(settings):
    settings.PASSWORD_HASHERS = HASHERS
    weak = type("Weak", (Argon2PasswordHasher,), {"memory_cost": 8_192, "parallelism": 1})
    renewed = []
    encoded = weak().encode("correct horse battery", "some-salt-of-16-letters")
    assert check_password("correct horse battery", encoded, renewed.append)
    assert renewed == ["correct horse battery"]
