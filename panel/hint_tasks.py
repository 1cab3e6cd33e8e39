"""How the task worker and beat use their broker: messages are hints, and connecting is always retried."""

from __future__ import annotations

import traceback
from contextlib import suppress
from typing import Any

from celery.app.amqp import AMQP
from celery.concurrency.thread import ApplyResult, TaskPool
from celery.contrib.django.task import DjangoTask
from celery.worker.request import Request
from django.conf import settings
from kombu.connection import Connection


class HintRequest(Request):
    """A Redis message that is never acknowledged: reading it removed it.

    Celery would acknowledge it anyway. On a connection that is gone by then, this ends the worker; and kombu
    remembers the number of each acknowledgement for as long as the connection lasts.
    """

    def acknowledge(self) -> None:
        if settings.EMBEDDED_BROKER:
            super().acknowledge()
        self.acknowledged = True


class HintTask(DjangoTask):
    Request = HintRequest

    def on_failure(self, exc: BaseException, *args: Any, **kwargs: Any) -> None:
        super().on_failure(exc, *args, **kwargs)
        free_locals(exc)


def free_locals(error: BaseException | None) -> None:
    """Free what the frames of an error hold, and those of the errors that led to it.

    Errors and frames refer to each other, so that rows and answers would stay until a full garbage collection. This is
    rare: thousands of errors made a worker grow by half. Celery frees the frames of the last error alone, those of the
    database come in pairs, and a copy of their locals is left.
    """
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            for frame, _ in traceback.walk_tb(found.__traceback__):
                with suppress(RuntimeError):  # It still runs: those are ours and Celery's.
                    frame.clear()
                # Celery looked at the locals, which made a copy. Another look brings it up to date: empty.
                _ = frame.f_locals
            waiting += [found.__cause__, found.__context__]


class HintPool(TaskPool):
    """A pool of threads that wakes the worker when one is free.

    A worker that has taken as many messages as it has threads reads the next one only when something wakes it. The
    acknowledgement of a task used to; without one, the worker would sleep for up to a second.
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
    """Retries the connection every few seconds, where Celery's own waits grow to half a minute."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Connection:
        waits = {"interval_start": 1, "interval_step": 1, "interval_max": 3}
        return super().ensure_connection(*args, **{**waits, **kwargs})  # type: ignore[no-untyped-call]


class PatientAMQP(AMQP):
    Connection = PatientConnection
