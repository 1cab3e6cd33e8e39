"""Samples of the resident memory of processes, and what they say about growth. Needs Linux."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1_024 if found else 0.0


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@dataclass(slots=True)
class Samples:
    """The memory of one process over time. `minutes` and `mb` have one value a sample."""

    name: str
    pid: int
    minutes: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)

    def take(self, minute: float) -> None:
        self.minutes.append(minute)
        self.mb.append(resident_mb(self.pid))

    def growth(self) -> float:
        """Return the growth in MB a minute over the second half of the time, by least squares."""
        half = len(self.mb) // 2
        return linear_regression(self.minutes[half:], self.mb[half:]).slope


def head(samples: Sequence[Samples]) -> str:
    return _line("minute", *(one.name for one in samples))


def last_row(samples: Sequence[Samples]) -> str:
    """Return the newest sample of each."""
    return _line(f"{samples[0].minutes[-1]:.1f}", *(f"{one.mb[-1]:.1f}" for one in samples))


def _line(*cells: str) -> str:
    return "".join(cell.rjust(10) for cell in cells)
