"""A panel with real data, its backups, and empty databases to restore them into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from billing.models import Deposit
from orders.models import Order
from panel.ops.backup.create import Backup, create_backup
from tests import make, scenes
from tests.chain.databases import MIGRATED, Database
from tests.commands import SECRETS

RECEIPT = b"%PDF-1.4 paid"


@pytest.fixture
def var_dir(settings: Any, tmp_path: Path) -> Path:
    """A VAR_DIR of the test's own, in which receipts are stored."""
    settings.VAR_DIR = tmp_path / "var"
    private = {**settings.STORAGES["private"], "OPTIONS": {"location": settings.VAR_DIR / "private"}}
    settings.STORAGES = {**settings.STORAGES, "private": private}
    settings.FIELD_ENCRYPTION_KEYS = [SECRETS["FIELD_ENCRYPTION_KEYS"]]
    return settings.VAR_DIR


@pytest.fixture
def receipt(var_dir: Path) -> Path:
    path = var_dir / "private" / "receipts" / "0123.pdf"
    path.parent.mkdir(parents=True)
    path.write_bytes(RECEIPT)
    return path


@pytest.fixture
def filled(transactional_db: None, receipt: Path, customer: Any, service: Any, upstream: Any) -> list[Order]:
    """Orders in several states, refunds, and a deposit with a receipt. Submitting gave the database its identity."""
    orders = scenes.create_accepted(customer, service, 3)
    scenes.set_and_poll(upstream, orders[0], status="Partial", remains=40, charge="0.12")
    scenes.set_and_poll(upstream, orders[1], status="Canceled", remains=100, charge="0")
    queued = make.order(customer, service)
    deposit = make.pending_deposit(customer, reference="It's 100% paid; \\. \\q")
    Deposit.objects.filter(pk=deposit.pk).update(receipt=f"receipts/{receipt.name}")
    return [*map(scenes.fresh, orders), queued]


@pytest.fixture
def backup(filled: list[Order], tmp_path: Path) -> Backup:
    return create_backup(into=tmp_path / "backups")


@pytest.fixture
def new_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Database]]:
    """Creates databases on the engine of the tests: without tables, or migrated if `empty` is False."""
    made = []

    def create(*, empty: bool = True) -> Database:
        with monkeypatch.context() as patch:
            if empty:
                patch.delenv(MIGRATED)
            made.append(Database(tmp_path))
        return made[-1]

    yield create
    for database in made:
        database.drop()
