"""The sandbox as a running server, with everything a test may observe and control.

with SandboxServer(key="k") as server:
    requests.post(server.url, data={"key": "k", "action": "balance"})
    server.inject(faults.drop_after("add"))
    server.advance(60)
"""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from panel.sandbox.amounts import to_micros, to_text
from panel.sandbox.dialect import Dialect
from panel.sandbox.http import page
from panel.sandbox.http.control import Commands, handle
from panel.sandbox.http.faults import Fault, FaultQueue
from panel.sandbox.http.handler import API_PATH, LINGER_RESET, Handler
from panel.sandbox.http.recording import Recorded, RequestLog
from panel.sandbox.listing import SandboxListing
from panel.sandbox.orderbook import OrderBook
from panel.sandbox.past import PastOrder, PastRefill, RecordedPast, record_past
from panel.sandbox.protocol import SandboxApi
from panel.sandbox.store import Store

logger = logging.getLogger("panel.sandbox")

_STOP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class OrderSnapshot:
    """The true state of one order. Money is Decimal.

    `charge` is what was taken at first, `refunded` what was returned; `params` are those of the `add`, without the
    key.
    """

    id: int
    service: int
    type: str
    link: str
    quantity: int
    params: dict[str, str]
    status: str
    start_count: int
    remains: int
    charge: Decimal
    refunded: Decimal


class SandboxServer:
    """A provider on loopback. Listens from construction on, serves between `start` and `close`.

    `db_path` None keeps the state in memory; `port` 0 picks a free one; `speed` is sandbox seconds per second, and
    at 0 only `advance` moves time; `balance` counts for a new file only; `control` opens `POST /_control`;
    `request_ids` makes `add` idempotent by `request_id`.
    """

    def __init__(
        self,
        *,
        db_path: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str = "sandbox-key",
        services: int = 60,
        balance: str | int | Decimal = "1000",
        speed: float = 1.0,
        control: bool = False,
        request_ids: bool = False,
        keep_requests: int = 10_000,
    ) -> None:
        self.key = key
        self.control_allowed = control
        self.faults = FaultQueue()
        self.log = RequestLog(keep=keep_requests)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        # The port first: if it is taken, no file has been touched.
        self._http = _HTTPServer((host, port), self)
        try:
            self._store = Store(db_path, balance=to_micros(balance), speed=speed)
            self._listing = SandboxListing(self._store, count=services)
        except BaseException:
            self._http.server_close()
            raise
        self._book = OrderBook(self._store)
        self.api = SandboxApi(self._store, self._book, self._listing, key=key, request_ids=request_ids)

    # Running

    @property
    def base_url(self) -> str:
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def url(self) -> str:
        """Return the address of the API, without a trailing slash."""
        return self.base_url + API_PATH

    def start(self) -> Self:
        """Serve in a thread of its own."""
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop: finish answers in progress, cut waits short, close the file."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._http.end_connections(_STOP_SECONDS)
        self._store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def pause(self, seconds: float, *, until: threading.Event | None = None) -> None:
        """Wait real seconds, or until an event is set or the server stops."""
        if until is None:
            if seconds > 0:
                self._stopping.wait(seconds)
            return
        deadline = time.monotonic() + seconds
        while not self._stopping.is_set() and time.monotonic() < deadline:
            if until.wait(0.02):
                return

    # Observing

    @property
    def requests(self) -> list[Recorded]:
        """Return the API requests so far, oldest first, including those with a fault."""
        return self.log.copies()

    def requests_of(self, action: str) -> list[Recorded]:
        """Return the API requests of one action, oldest first."""
        return [entry for entry in self.log.copies() if entry.action == action]

    def orders(self) -> list[OrderSnapshot]:
        """Return every accepted order, oldest first."""
        orders, now = self._book.all(), self._store.now()
        accepted = []
        for order in orders:
            at = order.progress(now)
            accepted.append(
                OrderSnapshot(
                    id=order.id,
                    service=order.service,
                    type=order.type,
                    link=order.link,
                    quantity=order.quantity,
                    params=order.params,
                    status=at.status,
                    start_count=at.start_count,
                    remains=at.remains,
                    charge=_decimal(order.charge),
                    refunded=_decimal(order.refunded),
                )
            )
        return accepted

    @property
    def balance(self) -> Decimal:
        """Return what is left, with the refunds of everything that has ended by now."""
        return _decimal(self._book.balance())

    def page(self) -> str:
        """Return the HTML of `/`."""
        rows = self._listing.rows()
        orders = self._book.latest(25)
        services = {order.service: self._listing.get(order.service) for order in orders}
        return page.render(
            balance=self._book.balance(),
            services=len(rows),
            count=self._book.count(),
            orders=orders,
            names={number: service.name for number, service in services.items() if service},
            now=self._store.now(),
        )

    # Controlling

    def set_order(self, order_id: int, **changes: Any) -> None:
        """Force the state of an order; the balance follows at once.

        `status`, `remains`, `charge`, `start_count`: any JSON value, shown unchanged (an int as a string). A status
        that ends the order makes it final, another one keeps it running until it is forced again. `answer`: the whole
        row in `status`, any JSON value. `omitted=True`: left out of answers for many, unknown in an answer for one.
        Raise LookupError for an unknown order.
        """
        unknown = set(changes) - {
            "status",
            "remains",
            "charge",
            "start_count",
            "answer",
            "omitted",
        }
        if unknown:
            raise ValueError(f"an order has no {', '.join(sorted(unknown))}")
        values = {name: str(value) if isinstance(value, Decimal) else value for name, value in changes.items()}
        self._book.force(order_id, values)

    def set_refill(self, refill_id: int, *, status: str) -> None:
        """Force the status of a refill. Raise LookupError for an unknown one."""
        self._book.force_refill(refill_id, status)

    def set_service(self, service_id: int, **changes: Any) -> None:
        """Change a service; an unknown id is a new service.

        Fields: `rate`, `min`, `max`, `name`, `type`, `category`, `desc`, `refill`, `cancel`, `dripfeed`, `listed`;
        `row` overrides fields of the served row with any JSON value.
        """
        self._listing.change(service_id, **changes)

    def set_balance(self, amount: str | int | Decimal) -> None:
        self._book.set_balance(to_micros(amount))

    def record_past(
        self, *, orders: Sequence[PastOrder], refills: Sequence[PastRefill], balance: int, wall: float
    ) -> RecordedPast:
        """Store orders and refills of before; see `panel.sandbox.past`."""
        return record_past(self._store, orders=orders, refills=refills, balance=balance, wall=wall)

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock ahead, in sandbox seconds."""
        self._store.advance(seconds)

    def skip_order_ids(self, count: int) -> None:
        """Skip `count` order ids, as if other customers of this provider had ordered."""
        self._book.skip_ids(count)

    def set_dialect(self, **changes: Any) -> None:
        """Set how it differs from the standard from now on; see `panel.sandbox.dialect`. No arguments: the standard."""
        self.api.dialect = Dialect(**changes)

    def inject(self, fault: Fault) -> None:
        """Arm a fault; see `panel.sandbox.http.faults`."""
        self.faults.inject(fault)

    def clear_faults(self) -> None:
        self.faults.clear()

    def clear_requests(self) -> None:
        self.log.clear()

    def control(self, body: bytes) -> tuple[int, Any]:
        """Answer one `POST /_control`: HTTP status and JSON value."""
        return handle(body, commands=self._commands(), knows=self.api.knows)

    def _commands(self) -> Commands:
        return {
            "requests": lambda given: [asdict(entry) for entry in self.requests],
            "orders": lambda given: [asdict(order) for order in self.orders()],
            "balance": lambda given: self.balance,
            "set_order": lambda given: self.set_order(**given),
            "set_refill": lambda given: self.set_refill(**given),
            "set_service": lambda given: self.set_service(**given),
            "set_balance": lambda given: self.set_balance(**given),
            "advance": lambda given: self.advance(**given),
            "skip_order_ids": lambda given: self.skip_order_ids(**given),
            "set_dialect": lambda given: self.set_dialect(**given),
            "inject": lambda given: self.inject(Fault.from_json(given)),
            "clear_faults": lambda given: self.clear_faults(),
            "clear_requests": lambda given: self.clear_requests(),
        }


class _HTTPServer(ThreadingHTTPServer):
    """Tracks its open connections, so that stopping leaves no kept-alive one behind."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], sandbox: SandboxServer) -> None:
        self._sandbox = sandbox
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, type("BoundHandler", (Handler,), {"sandbox": sandbox}))

    def server_bind(self) -> None:
        # HTTPServer's own resolves the host's name, which can take seconds without a resolver.
        socketserver.TCPServer.server_bind(self)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if self._sandbox.faults.take_refusal() is None:
            return True
        request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == LINGER_RESET:
            # A shutdown would send FIN before the RST, and the client would see an orderly end.
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def end_connections(self, seconds: float) -> None:
        """Stop all reading; cut connections that still write after `seconds`."""
        with self._changed:
            for direction in (socket.SHUT_RD, socket.SHUT_RDWR):
                for request in self._open:
                    _shut(request, direction)
                if self._changed.wait_for(lambda: not self._open, timeout=seconds):
                    return

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, ConnectionError | TimeoutError):
            return  # clients give up: many tests are about that
        logger.exception("a request failed")


def _shut(request: socket.socket, direction: int) -> None:
    try:
        request.shutdown(direction)
    except OSError:
        return


def _decimal(micros: int) -> Decimal:
    return Decimal(to_text(micros))
