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


def test_password_when_hashed_with_other_figures_then_right_and_renewed(settings):
    settings.PASSWORD_HASHERS = HASHERS
    before = Argon2PasswordHasher().encode("correct horse battery", "some-salt-of-16c")
    renewed = []
    assert check_password("correct horse battery", before, renewed.append)
    assert renewed == ["correct horse battery"]
    assert not check_password("wrong", before, renewed.append)
