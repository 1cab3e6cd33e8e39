"""What a database holds: figures that a restored copy must repeat, and the restore's check of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Query = Callable[[str], Sequence[tuple]]

# Of a number in the manifest, the table it is the highest primary key of.
HIGHEST = {"orders": "orders_order", "attempts": "orders_placementattempt", "entries": "billing_entry"}
SUMS = (
    ("billing_wallet", "balance"),
    ("billing_entry", "amount"),
    ("orders_order", "charge"),
    ("orders_order", "refunded"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """Figures of one moment. `sums` is by "table.column", in micro-units; `migrations` the latest of each app."""

    identity: str | None
    generation: int | None
    highest: dict[str, int]
    counts: dict[str, int]
    sums: dict[str, int]
    migrations: dict[str, str]


def read_facts(*, tables: Sequence[str], query: Query) -> Facts:
    """Return the facts of the database that `query` reads, which has these tables."""
    identity = None
    if "orders_databaseidentity" in tables:
        identity = next(iter(query("SELECT token, generation FROM orders_databaseidentity WHERE id = 1")), None)
    return Facts(
        identity=identity[0] if identity else None,
        generation=identity[1] if identity else None,
        highest={name: _number(query, _highest(table)) for name, table in HIGHEST.items() if table in tables},
        counts={table: _number(query, _count(table)) for table in sorted(tables)},
        sums={f"{table}.{column}": _number(query, _sum(table, column)) for table, column in SUMS if table in tables},
        migrations=dict(query("SELECT app, MAX(name) FROM django_migrations GROUP BY app ORDER BY app")),
    )


def figures(facts: Facts) -> Iterator[tuple[str, str, int]]:
    """Yield what must be repeated by a copy, as (name, statement that returns it, value)."""
    for table, count in facts.counts.items():
        yield f"rows of {table}", _count(table), count
    for name, number in facts.highest.items():
        yield f"highest number of {name}", _highest(HIGHEST[name]), number
    for place, total in facts.sums.items():
        table, _, column = place.partition(".")
        yield f"sum of {place}", _sum(table, column), total


def differences(facts: Facts, *, query: Query) -> list[str]:
    """Return a sentence for each figure that the database of `query` does not repeat."""
    found = []
    for name, statement, expected in figures(facts):
        actual = _number(query, statement)
        if actual != expected:
            found.append(f"{name}: {actual:,} instead of {expected:,}")
    return found


def _count(table: str) -> str:
    return f"SELECT COUNT(*) FROM {_quoted(table)}"  # noqa: S608  (quoted)


def _highest(table: str) -> str:
    return f"SELECT COALESCE(MAX(id), 0) FROM {_quoted(table)}"  # noqa: S608  (quoted)


def _sum(table: str, column: str) -> str:
    return f"SELECT COALESCE(SUM({_quoted(column)}), 0) FROM {_quoted(table)}"  # noqa: S608  (quoted)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _number(query: Query, statement: str) -> int:
    [[value]] = query(statement)
    return int(value)
