"""The panel's Celery app, with beat at a faster pace and one task more that breaks. The soak's worker runs it.

Nothing that a provider does makes a task of the panel break, so this one stands for defects that nobody knows of yet.
"""

from __future__ import annotations

from typing import Any

from celery.schedules import schedule

from panel.celery import app
from panel.task_settings import steady_now

# How many times faster beat ticks.
FASTER = 4
# Seconds between two tasks that break.
BREAKS_EVERY = 0.2
_DEPTH = 20


@app.task(name="tests.soak.break_down")
def break_down() -> None:
    """Raise from a deep stack whose frames hold much, as those of a round do."""
    _break_down(_DEPTH)


def _break_down(depth: int) -> None:
    held: list[Any] = [{"order": number, "answer": "x" * 200} for number in range(100)]
    try:
        if not depth:
            raise ValueError("broken on purpose")
        _break_down(depth - 1)
    except ValueError as error:
        if depth % 5:
            raise
        raise ValueError(f"{len(held)} rows were held") from error


ticks: dict[str, Any] = {
    name: {**entry, "schedule": schedule(entry["schedule"].run_every / FASTER, nowfun=steady_now)}
    for name, entry in app.conf.beat_schedule.items()
}
ticks["break-down"] = {"task": "tests.soak.break_down", "schedule": BREAKS_EVERY, "options": {"expires": 10}}
app.conf.beat_schedule = ticks
