"""The Celery app. The database is the queue: a message only says that there is work, and may be lost.

There are two ways to run the same tasks:

* Redis: `celery -A panel worker` and one `celery -A panel beat`.
* `memory://`, the embedded default: `celery -A panel worker` alone. Its messages never leave the process, so the
  worker starts beat as a thread of its own, and other processes send no hints.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, bootsteps

from panel.checks import require_no_neighbours

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "panel.settings")

app = Celery("panel", task_cls="panel.hint_tasks:HintTask", amqp="panel.hint_tasks:PatientAMQP")
app.config_from_object("panel.task_settings")
_PARTS = ("accounts", "channels", "levels", "news", "ops", "staff")
# A worker knows the tasks of these alone: it throws away the messages of others.
TASK_PACKAGES = ("billing", "catalog", "orders", *(f"panel.{part}" for part in _PARTS))
app.autodiscover_tasks(TASK_PACKAGES)


class BeatThread(bootsteps.StartStopStep):
    """Run beat inside the worker's process, the only place where the embedded broker can be reached."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        self.enabled = worker.app.conf.broker_url.startswith("memory://")
        self.beat: Any = None

    def include_if(self, worker: Any) -> bool:
        return self.enabled

    def create(self, worker: Any) -> None:
        from celery.beat import EmbeddedService

        self.beat = EmbeddedService(worker.app, thread=True, scheduler_cls="celery.beat:Scheduler")

    def start(self, worker: Any) -> None:
        self.beat.start()

    def stop(self, worker: Any) -> None:
        self.beat.stop()


class NeighbourCheck(bootsteps.Step):
    """Refuse to start beside another panel that uses the same keys or the same folder."""

    def create(self, worker: Any) -> None:
        require_no_neighbours()


app.steps["worker"].add(BeatThread)
app.steps["worker"].add(NeighbourCheck)
# By its name: it belongs to the roof, which imports everything.
app.steps["worker"].add("panel.ops.watch.watcher:WorkerWatch")
