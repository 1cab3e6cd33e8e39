"""The figures of a run, and the table that it prints."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

# The kinds of problems: each must stay at 0.
BAD = (
    *("duplicates", "lost", "given away", "misattributed", "wrong refunds", "wrong fees", "ledger breaches"),
    "other problems",
)
# Figures that the table shows first, in this order.
_FIRST = (
    "orders created",
    "add calls received",
    "combinations",
    "kills",
    "workers stopped",
    "workers started",
    "leases expired",
    "doubts in total",
    "resolved by repeating",
    "resolved by ids",
    "resolved by a late answer",
    "left for review",
    "of these accepted",
)
_MAX_SHOWN = 40


@dataclass(slots=True)
class Figures:
    """Counters of one part, or of several added up. `problems` are (kind, sentence): with any, the run has failed."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    guards: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, amount: int = 1) -> None:
        self.counts[name] += amount

    def problem(self, kind: str, text: str) -> None:
        """Add a problem; `kind` is one of BAD."""
        assert kind in BAD, kind
        self.problems.append((kind, text))

    def merge(self, other: Figures) -> None:
        self.counts.update(other.counts)
        self.faults.update(other.faults)
        self.crashes.update(other.crashes)
        self.guards.update(other.guards)
        self.problems.extend(other.problems)

    def to_json(self) -> str:
        return json.dumps([self.counts, self.faults, self.crashes, self.guards, self.problems])

    @classmethod
    def from_json(cls, text: str) -> Figures:
        *counters, problems = json.loads(text)
        return cls(*map(Counter, counters), [(kind, sentence) for kind, sentence in problems])

    @property
    def passed(self) -> bool:
        return not self.problems


def table(figures: Figures, *, title: str) -> str:
    """Return the figures as text. Every kind of problem is listed, even at 0."""
    bad = Counter(kind for kind, _ in figures.problems)
    others = [name for name in figures.counts if name not in (*_FIRST, "seconds")]
    rows = [(name, figures.counts[name]) for name in (*_FIRST, *others)]
    rows += [(name, bad[name]) for name in BAD]
    rows.append(("seconds", figures.counts["seconds"]))
    width = max(len(name) for name, _ in rows)
    lines = [title, "-" * len(title)]
    counters = {
        "faults injected": figures.faults,
        "crash points reached": figures.crashes,
        "guards reached": figures.guards,
    }
    for name, counted in counters.items():
        if counted:
            shown = ", ".join(f"{key} {amount}" for key, amount in sorted(counted.items()))
            lines.append(f"{name}: {sum(counted.values())} ({shown})")
    lines += [f"{name:<{width}}  {amount:>7,}" for name, amount in rows]
    for kind, text in figures.problems[:_MAX_SHOWN]:
        lines.append(f"  {kind.upper()}: {text}")
    if len(figures.problems) > _MAX_SHOWN:
        lines.append(f"  … and {len(figures.problems) - _MAX_SHOWN} more")
    lines.append("PASS" if figures.passed else "FAIL")
    return "\n".join(lines)
