"""No request reaches our own network, however its address is written and whatever a resolver says about its name."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from panel.lib.http.addresses import is_public
from panel.lib.http.exchange import Answer, Phase, Request
from panel.lib.http.transport import send_request

# Public, and never connected to: `Network` answers for it.
PUBLIC, OTHER_PUBLIC = "93.184.215.14", "2606:2800:21f:cb07::1"

# As `getaddrinfo` reads them: octal, hexadecimal, shortened, as one number, in other scripts, with a final dot.
LOOPBACK_SPELLINGS = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001"),
    *("127.0.0.1.", "localhost", "localhost.", "LOCALHOST", "0", "0.0.0.0", "127.255.255.254", "①②⑦.⓪.⓪.①"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "[::1%25lo]"),
    *("public.example@127.0.0.1", "93.184.215.14:443@127.0.0.1", "%31%32%37.0.0.1"),
]
NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::a00:1"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "100::1", "100:0:0:1::1", "2001::1"),
    *("2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "3fff::1"),
    *("5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fe80::1%25eth0", "fec0::1", "ff02::1"),
    *("fd00:ec2::254", "::ffff:10.0.0.1%eth0", "", "localhost", "127.1", "2130706433", "0x7f000001", "127.0.0.01"),
    *("127.0.0.1 ", "1.2.3.4.5", "[::1]", "②.0.0.1"),
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_when_not_plainly_public_then_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", PUBLIC, "192.0.1.1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::", OTHER_PUBLIC]
)
def test_address_when_public_then_allowed(address: str) -> None:
    assert is_public(address)


def sent(url: str) -> Answer:
    return send_request(Request(parse_url(url), b"key=secret", "Test", False, 5.0, 5.0, 1_000))


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_request_when_loopback_is_spelled_oddly_then_nothing_connects(host: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104
        server.setblocking(False)
        port = server.getsockname()[1]
        try:
            answer = sent(f"https://{host}:{port}/api/v2")
        except LocationParseError:
            answer = None  # The form refuses it with this error.
        with pytest.raises(BlockingIOError):
            server.accept()
    assert answer is None or (answer.failure and not answer.phase.may_have_sent)


class Network:
    """A resolver whose answers change from call to call, and connections that go nowhere.

    `connected` lists where a connection was tried. `leads_to` is what a connected socket says that it reached.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str], leads_to: str = "") -> None:
        self.answers, self.leads_to = list(answers), leads_to
        self.asked: list[str] = []
        self.connected: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)
        monkeypatch.setattr(socket, "socket", self._socket)

    def _resolve(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found
        ]

    def _socket(self, *_: Any) -> Any:
        return _Socket(self)


class _Socket:
    def __init__(self, network: Network) -> None:
        self._network = network

    def settimeout(self, _: float) -> None:
        pass

    def connect(self, address: tuple[str, int]) -> None:
        self._network.connected.append(address[0])
        if not self._network.leads_to:
            raise ConnectionRefusedError("refused")

    def getpeername(self) -> tuple[str, int]:
        return self._network.leads_to, 443

    def close(self) -> None:
        pass


Make = Callable[..., Network]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    yield lambda *answers, **options: Network(monkeypatch, *answers, **options)


def test_name_when_it_changes_its_address_then_asked_once(network: Make) -> None:
    """The first answer passes a check, the second one would be what the connection uses."""
    net = network([PUBLIC], ["127.0.0.1"])
    answer = sent("https://rebind.example/api/v2")
    assert (net.asked, net.connected, answer.phase) == (["rebind.example"], [PUBLIC], Phase.CONNECTING)
    again = sent("https://rebind.example/api/v2")
    assert net.connected == [PUBLIC]
    assert again.failure == "the address 127.0.0.1 is not public"


@pytest.mark.parametrize(
    "inner", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "fe80::1%eth0"]
)
def test_name_when_one_of_its_addresses_is_ours_then_skipped(network: Make, inner: str) -> None:
    net = network([PUBLIC, inner, OTHER_PUBLIC, inner])
    answer = sent("https://mixed.example/api/v2")
    assert net.connected == [PUBLIC, OTHER_PUBLIC]
    assert answer.failure == f"the address {inner} is not public"


def test_connection_when_it_ended_at_an_address_of_ours_then_nothing_is_sent(network: Make) -> None:
    net = network([PUBLIC], leads_to="127.0.0.1")
    answer = sent("https://forwarded.example/api/v2")
    assert (net.connected, answer.phase) == ([PUBLIC], Phase.CONNECTING)
    assert answer.failure == "the address 127.0.0.1 is not public"


@pytest.mark.parametrize("host", ["xn--e1afmkfd.example", "rebind.example.", "REBIND.example", "a_b.example"])
def test_name_when_spelled_in_another_way_then_checked_all_the_same(network: Make, host: str) -> None:
    net = network(["10.0.0.1"])
    answer = sent(f"https://{host}/api/v2")
    assert (len(net.asked), net.connected) == (1, [])
    assert answer.failure == "the address 10.0.0.1 is not public"
