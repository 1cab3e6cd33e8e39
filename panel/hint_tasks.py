"""How the task worker and beat treat their broker: its messages are hints, and it is always on its way back."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
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


class PatientConnection(Connection):
    """Tries to connect every few seconds, where Celery's own waits grow to half a minute."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Connection:
        waits = {"interval_start": 1, "interval_step": 1, "interval_max": 3}
        return super().ensure_connection(*args, **{**waits, **kwargs})  # type: ignore[no-untyped-call]


class PatientAMQP(AMQP):
    Connection = PatientConnection
