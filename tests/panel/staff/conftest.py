"""Fixtures of the limits of staff."""

from __future__ import annotations

import pytest

from panel.accounts.roles import set_up_roles
from panel.staff.acts import acts


@pytest.fixture(autouse=True)
def roles(request: pytest.FixtureRequest) -> None:
    acts()
    if "db" in request.fixturenames or request.node.get_closest_marker("django_db"):
        request.getfixturevalue("transactional_db" if _is_transactional(request) else "db")
        set_up_roles()


def _is_transactional(request: pytest.FixtureRequest) -> bool:
    marker = request.node.get_closest_marker("django_db")
    return bool(marker and marker.kwargs.get("transaction"))
