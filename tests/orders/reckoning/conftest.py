"""What tests of the reckoning share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from catalog.models import Provider
from catalog.provider_accounts import check_balance
from orders.models import ProviderMoney
from orders.reckoning.reckon import reckon_provider

Read = Callable[[], ProviderMoney]


@pytest.fixture
def read(provider: Any) -> Read:
    """Read the balance there and reckon it, as the tasks do."""

    def read_and_reckon() -> ProviderMoney:
        check_balance(provider=provider)
        money = reckon_provider(provider=Provider.objects.get(pk=provider.pk))
        assert money is not None
        return money

    return read_and_reckon
