"""How the task worker and beat treat their broker: its messages are hints, and it is always on its way back."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from celery.concurrency.thread import ApplyResult, TaskPool
from celery.contrib.django.task import DjangoTask
from celery.worker.request import Request
from django.conf import settings
from kombu.connection import Connection


class HintRequest(Request):
    """A message of Redis that nobody acknowledges: it was forgotten as it was read.

    Celery would do it all the same. On a connection that is gone meanwhile that ends the worker, and of each
    acknowledgement kombu remembers the number for as long as the connection lasts.
    """

    def acknowledge(self) -> None:
        if settings.EMBEDDED_BROKER:
            super().acknowledge()
        self.acknowledged = True


class HintTask(DjangoTask):
    Request = HintRequest


class HintPool(TaskPool):
    """Threads, of which each tells the worker when it is free.

    A worker that has taken as many messages as it has threads looks for the next one when something wakes it: the
    acknowledgement of a task did, and without one it would sleep for up to a second.
    """

    _hub: Any = None

    def register_with_event_loop(self, loop: Any) -> None:
        self._hub = loop

    def on_apply(self, *args: Any, **kwargs: Any) -> ApplyResult:
        result = super().on_apply(*args, **kwargs)
        result.f.add_done_callback(self._wake)
        return result

    def _wake(self, _done: Any) -> None:
        if self._hub is not None:
            self._hub.call_soon(_nothing)


def _nothing() -> None: ...


class PatientConnection(Connection):
    """Tries to connect every few seconds, where Celery's own waits grow to half a minute."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Connection:
        waits = {"interval_start": 1, "interval_step": 1, "interval_max": 3}
        return super().ensure_connection(*args, **{**waits, **kwargs})  # type: ignore[no-untyped-call]


class PatientAMQP(AMQP):
    Connection = PatientConnection
