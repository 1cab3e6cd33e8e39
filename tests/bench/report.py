"""What a bench found, as text: an aligned table and the remarks below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.measuring import Measured

_COLUMNS = (
    "what",
    "orders",
    "seconds",
    "orders/s",
    "statements/call",
    "statements/order",
    "transactions/order",
    "calls",
    "peak MB",
    "vs. baseline",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured. `calls` are requests to the provider."""

    what: str
    orders: int
    calls: int
    measured: Measured

    def cells(self, baseline: Row | None) -> tuple[str, ...]:
        found = self.measured
        speed = self.orders / found.seconds
        share = "" if baseline is None else _share(speed * baseline.measured.seconds / baseline.orders)
        return (
            self.what,
            f"{self.orders:,}",
            f"{found.seconds:.3f}",
            f"{speed:,.0f}",
            f"{found.statements / self.calls:.2f}",
            f"{found.statements / self.orders:.2f}",
            f"{found.transactions / self.orders:.2f}",
            f"{self.calls:,}",
            f"{found.peak_mb:.1f}",
            share,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """The first row is the baseline: the others' orders a second are given as a share of its own."""

    title: str
    rows: Sequence[Row]
    remarks: Sequence[str] = field(default=())

    def __str__(self) -> str:
        first, *others = self.rows
        table = [_COLUMNS, first.cells(None), *(row.cells(first) for row in others)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(_aligned(line, widths)).rstrip() for line in table]
        return "\n".join(["", self.title, "", *lines, "", *self.remarks])


def _share(of_baseline: float) -> str:
    return f"{of_baseline:.1%}" if of_baseline < 2 else f"{of_baseline:.1f} times"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    name, *numbers = line
    return [name.ljust(widths[0]), *(number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))]
