"""The services as they stand now: the built ones, with the changes made while running."""

from __future__ import annotations

import dataclasses
import json
import threading
from decimal import Decimal

from panel.sandbox.amounts import to_micros
from panel.sandbox.catalog import SandboxService, build_services
from panel.sandbox.store import Store

_KINDS: dict[str, type] = {
    "name": str,
    "type": str,
    "category": str,
    "min": int,
    "max": int,
    "refill": bool,
    "cancel": bool,
    "dripfeed": bool,
    "desc": str,
    "listed": bool,
    "row": dict,
}


class SandboxListing:
    """Services by id. The store keeps changes, which survive a restart."""

    def __init__(self, store: Store, *, count: int) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._rows: list[dict[str, object]] | None = None
        self._services = build_services(count)
        for row in store.rows("SELECT id, changes FROM changed_services ORDER BY id"):
            self._services[row["id"]] = self._changed(row["id"], json.loads(row["changes"]))

    def get(self, service_id: int) -> SandboxService | None:
        """Return the service, listed or not; None if there never was one."""
        return self._services.get(service_id)

    def rows(self) -> list[dict[str, object]]:
        """Return the answer to `services`: the listed ones in order of id. Do not mutate it."""
        with self._lock:
            if self._rows is None:
                services = sorted(self._services.values(), key=lambda service: service.id)
                self._rows = [service.as_row() for service in services if service.listed]
            return self._rows

    def change(self, service_id: int, **changes: object) -> SandboxService:
        """Change fields of a service; an unknown id becomes a new service of type Default.

        `rate` is an amount (string, int or Decimal); `row` overrides fields of the served row with any value. Raise
        ValueError for a field that is unknown or does not fit.
        """
        stored = {name: _checked(name, value) for name, value in changes.items()}
        with self._lock:
            changed = self._changed(service_id, stored)
            with self._store.transaction() as connection:
                row = connection.execute("SELECT changes FROM changed_services WHERE id = ?", (service_id,)).fetchone()
                merged = {**(json.loads(row["changes"]) if row else {}), **stored}
                connection.execute(
                    "INSERT OR REPLACE INTO changed_services VALUES (?, ?)",
                    (service_id, json.dumps(merged)),
                )
            self._services[service_id] = changed
            self._rows = None
        return changed

    def _changed(self, service_id: int, changes: dict[str, object]) -> SandboxService:
        base = self._services.get(service_id) or SandboxService(
            id=service_id,
            name=f"Service {service_id}",
            type="Default",
            category="New",
            rate=1_000_000,
            min=10,
            max=10_000,
        )
        return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def _checked(name: str, value: object) -> object:
    if name == "rate":
        if not isinstance(value, str | int | Decimal) or to_micros(value) < 0:
            raise ValueError(f"not a rate: {value!r}")
        return to_micros(value)
    if name not in _KINDS:
        raise ValueError(f"a service has no {name}")
    if not isinstance(value, _KINDS[name]):
        raise ValueError(f"{name} cannot be {value!r}")
    return value
