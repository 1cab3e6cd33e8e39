"""What a bench found, as text: an aligned table and the remarks below it."""

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
    """One thing that was measured. `count`: of how many orders, or what else; `calls` are requests to the provider."""

    what: str
    count: int
    calls: int
    measured: Measured

    def cells(self, baseline: Row | None) -> tuple[str, ...]:
        found = self.measured
        speed = self.count / found.seconds
        share = "" if baseline is None else _share(speed * baseline.measured.seconds / baseline.count)
        return (
            self.what,
            f"{self.count:,}",
            f"{found.seconds:.3f}",
            f"{speed:,.0f}",
            f"{found.statements / self.calls:.2f}",
            f"{found.statements / self.count:.2f}",
            f"{found.transactions / self.count:.2f}",
            f"{self.calls:,}",
            f"{found.peak_mb:.1f}",
            share,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """The first row is the baseline: the others' speed is given as a share of its own. `unit`: what is counted."""

    title: str
    rows: Sequence[Row]
    remarks: Sequence[str] = field(default=())
    unit: str = "order"

    def __str__(self) -> str:
        first, *others = self.rows
        table = [_columns(self.unit), first.cells(None), *(row.cells(first) for row in others)]
        return as_text(self.title, table, self.remarks)


def as_text(title: str, table: Sequence[Sequence[str]], remarks: Sequence[str]) -> str:
    """A title, an aligned table whose first line names its columns, and what is to be said of it."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(_aligned(line, widths)).rstrip() for line in table]
    return "\n".join(["", title, "", *lines, "", *remarks])


def _share(of_baseline: float) -> str:
    return f"{of_baseline:.1%}" if of_baseline < 2 else f"{of_baseline:.1f} times"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    name, *numbers = line
    return [name.ljust(widths[0]), *(number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))]
