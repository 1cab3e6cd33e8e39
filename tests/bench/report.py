"""The results of a bench as text: an aligned table and remarks below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.measuring import Measured


def _columns(unit: str) -> tuple[str, ...]:
    return (
        "what",
        f"{unit}s",
        "seconds",
        f"{unit}s/s",
        "statements/call",
        f"statements/{unit}",
        f"transactions/{unit}",
        "calls",
        "peak MB",
        "vs. baseline",
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One measured run. `count` is the number of orders, or of other units; `calls` are requests to the provider."""

    what: str
    count: int
    calls: int
    measured: Measured

    def cells(self, baseline: Row | None) -> tuple[str, ...]:
        result = self.measured
        speed = self.count / result.seconds
        share = "" if baseline is None else _share(speed * baseline.measured.seconds / baseline.count)
        return (
            self.what,
            f"{self.count:,}",
            f"{result.seconds:.3f}",
            f"{speed:,.0f}",
            f"{result.statements / self.calls:.2f}",
            f"{result.statements / self.count:.2f}",
            f"{result.transactions / self.count:.2f}",
            f"{self.calls:,}",
            f"{result.peak_mb:.1f}",
            share,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """A table of runs. The first row is the baseline: the speed of the others is shown as a share of it."""

    title: str
    rows: Sequence[Row]
    remarks: Sequence[str] = field(default=())
    # The singular of what is counted.
    unit: str = "order"

    def __str__(self) -> str:
        first, *others = self.rows
        table = [_columns(self.unit), first.cells(None), *(row.cells(first) for row in others)]
        return as_text(self.title, table, self.remarks)


def as_text(title: str, table: Sequence[Sequence[str]], remarks: Sequence[str]) -> str:
    """Return the title, the table with aligned columns, and the remarks. The table's first line names its columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(_aligned(line, widths)).rstrip() for line in table]
    return "\n".join(["", title, "", *lines, "", *remarks])


def _share(of_baseline: float) -> str:
    return f"{of_baseline:.1%}" if of_baseline < 2 else f"{of_baseline:.1f} times"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    name, *numbers = line
    return [name.ljust(widths[0]), *(number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))]
