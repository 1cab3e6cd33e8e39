"""Two panels and a provider, each in its own processes: B buys from A through A's API, A buys from the sandbox.

A customer of B orders through B's API. The databases are on PostgreSQL if DATABASE_URL names it, else on SQLite.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from catalog.service_types import SPECS
from tests.chain.panel import Panel
from tests.chain.provider import KEY, SandboxProcess
from tests.chain.proxy import DAMAGES, Proxy

B_AT_A = "panel-b@example.org"
STRANGER_AT_A = "stranger@example.org"
# Service ids at the sandbox. TINY has a price at which amounts must be rounded.
FOLLOWERS, TINY = 7001, 7002
# The sandbox's "Followers, standard": refill, cancel, drip-feed.
CANCELLABLE = 2


class Chain:
    """Both panels and the sandbox. `a_services` and `b_services` are their services, by the sandbox's service id."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        began = time.monotonic()
        self.sandbox = SandboxProcess(folder)
        closing.callback(self.sandbox.close)
        self.a = Panel("a", folder=folder, cache=11, API_DUPLICATE_WINDOW="60")
        closing.callback(self.a.close)
        self.a.start_worker()
        self.a.do("migrate")
        self.b = Panel("b", folder=folder, cache=12, like=self.a)
        closing.callback(self.b.close)
        self.b.start_worker()
        self.a.serve()
        self.b.serve()
        self.sandbox.wait()
        self._add_sandbox_services()
        self._set_up_a()
        self.a.wait()
        self.proxy = Proxy(port=self.a.port())
        closing.callback(self.proxy.close)
        self._set_up_b()
        self.b.wait()
        self.seconds = time.monotonic() - began

    def _add_sandbox_services(self) -> None:
        flags = {"refill": True, "cancel": True, "dripfeed": True, "category": "Social", "type": "Default"}
        self.sandbox.call("set_service", service_id=FOLLOWERS, name="F", rate="2", min=10, max=10_000, **flags)
        self.sandbox.call("set_service", service_id=TINY, name="T", rate="0.0137", min=10, max=10_000, **flags)

    def _set_up_a(self) -> None:
        """Connect A to the sandbox with a margin of 25%. Its customers are panel B and a stranger, with $1,000 each."""
        self.a.do("connect", name="Sandbox", url=self.sandbox.url, api_key=KEY)
        self.a.run("sync_catalog")
        self.a_services = {int(one["external_id"]): one for one in self.a.do("catalog")}
        for email in (B_AT_A, STRANGER_AT_A):
            self.a.do("make_customer", email=email, funds="1000")
        self.b_key = self.a.do("make_key", email=B_AT_A, name="Panel B")["secret"]
        self.stranger_key = self.a.do("make_key", email=STRANGER_AT_A, name="Shop")["secret"]

    def _set_up_b(self) -> None:
        """Connect B to A with a margin of 33%."""
        values = {"margin_bp": 3_300, "request_id_parameter": "request_id"}
        self.b.do("connect", name="Panel A", url=self.proxy.url, api_key=self.b_key, **values)
        self.b.run("sync_catalog")
        by_id = {one["external_id"]: one for one in self.b.do("catalog")}
        at_a = self.a_services.items()
        self.b_services = {number: by_id[str(one["pk"])] for number, one in at_a if str(one["pk"]) in by_id}


pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: Any) -> Iterator[Chain]:
    with ExitStack() as closing:
        yield Chain(tmp_path_factory.mktemp("chain"), closing)


class Story:
    """A customer of panel B with $100 and a key, and their orders at B, A and the sandbox."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.email = f"{uuid4().hex[:12]}@example.org"
        chain.b.do("make_customer", email=self.email, funds="100")
        self.secret = chain.b.do("make_key", email=self.email, name="Shop")["secret"]
        self.paid_before = self.paid_by_b

    @property
    def paid_by_b(self) -> int:
        return 1_000_000_000 - self.chain.a.money(B_AT_A)["balance"]

    @property
    def cost_of_b(self) -> int:
        """What panel B has paid to panel A since the story began, in micro-units."""
        return self.paid_by_b - self.paid_before

    @property
    def wallet(self) -> tuple[int, list[list[Any]]]:
        """The customer's balance, and the entries after their deposit."""
        money = self.chain.b.money(self.email)
        return money["balance"], money["entries"][1:]

    def call(self, action: str, **params: Any) -> Any:
        return self.chain.b.api(self.secret, action, **params)

    def order(self, number: int, **params: Any) -> int:
        answer = self.call("add", service=self.chain.b_services[number]["pk"], **params)
        assert list(answer) == ["order"], answer
        return answer["order"]

    def send_on(self, order: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Submit the order from B to A and from A to the sandbox. Return it as each of them has it."""
        self.chain.b.run("submit_orders")
        self.chain.a.run("submit_orders")
        return self.at_all(order)

    def at_all(self, order: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return the order at B, at A and at the sandbox."""
        at_b = self.chain.b.order(order)
        at_a = self.chain.a.order(at_b["upstream_id"])
        return at_b, at_a, self.chain.sandbox.order(at_a["upstream_id"])

    def change(self, at_sandbox: dict[str, Any], order: int, **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Change the order at the sandbox and let both panels poll it. Return the order at B and at A."""
        self.chain.sandbox.call("set_order", order_id=at_sandbox["id"], **values)
        self.poll()
        return self.at_all(order)[:2]

    def poll(self) -> None:
        self.chain.a.run("poll_orders")
        self.chain.b.run("poll_orders")


@pytest.fixture
def story(chain: Chain) -> Iterator[Story]:
    """Return a new customer of panel B. After the test, the ledgers of both panels must be clean."""
    yield Story(chain)
    for panel in (chain.a, chain.b):
        [printed] = panel.run("check_ledger")
        assert printed.startswith("Clean: "), printed


def pick(order: dict[str, Any], names: str) -> list[Any]:
    """Return the values of these names, which are separated by spaces."""
    return [order[name] for name in names.split()]


def link() -> str:
    return f"https://example.com/{uuid4().hex[:12]}"


# -- services ----------------------------------------------------------------------------------------


def test_services_when_imported_by_both_then_types_and_prices_fit(chain):
    assert {one["wire"] for one in chain.b_services.values()} == {spec.wire for spec in SPECS.values()}
    sold = {number: one for number, one in chain.a_services.items() if one["wire"]}
    assert len(sold) == len(chain.b_services) == 61
    for number, at_a in sold.items():
        at_b = chain.b_services[number]
        assert at_b["cost"] == at_a["price"] >= at_a["cost"] * 5 // 4
        # Rounded up to $0.0001.
        assert at_b["price"] == -(-at_b["cost"] * 133 // 10_000) * 100
        for name in ("name", "category", "wire", "min", "max", "refill", "cancel"):
            assert at_b[name] == at_a[name], name
        assert at_b["is_on_sale"]


LINES = "first\nsecond\nthird\nfourth\nfifth"
NAMES = "\n".join(f"user{number}" for number in range(10))
# The parameters of an order of each type, besides service and link.
PARAMS_BY_TYPE: dict[str, dict[str, str]] = {
    "Default": {"quantity": "1000"},
    "Package": {},
    "Custom Comments": {"comments": LINES},
    "Custom Comments Package": {"comments": LINES},
    "Mentions": {"quantity": "100", "usernames": NAMES},
    "Mentions with Hashtags": {"quantity": "100", "usernames": NAMES, "hashtags": "#one\n#two"},
    "Mentions Hashtag": {"quantity": "100", "hashtag": "#one"},
    "Mentions Custom List": {"usernames": NAMES},
    "Mentions User Followers": {"quantity": "100", "username": "someone"},
    "Mentions Media Likers": {"quantity": "100", "media": "https://example.com/post"},
    "Comment Likes": {"quantity": "100", "username": "someone"},
    "Comment Replies": {"username": "someone", "comments": LINES},
    "Poll": {"quantity": "100", "answer_number": "2"},
    "Invites from Groups": {"quantity": "100", "groups": "group one\ngroup two"},
    "SEO": {"quantity": "100", "keywords": "a word\nanother wörd"},
    "Web Traffic": {
        "quantity": "500",
        "country": "DE",
        "device": "5",
        "type_of_traffic": "1",
        "google_keyword": "shoes & more=100%",
    },
}


def test_order_when_sent_through_both_then_params_are_unchanged(story, chain):
    assert set(PARAMS_BY_TYPE) == {spec.wire for spec in SPECS.values()}
    number_of = {one["wire"]: number for number, one in reversed(chain.b_services.items())}
    created = {}
    for wire, params in PARAMS_BY_TYPE.items():
        number, here = number_of[wire], link()
        created[story.order(number, link=here, **params)] = (number, {"link": here, **params})
    chain.b.run("submit_orders")
    chain.a.run("submit_orders")
    at_sandbox = {one["id"]: one for one in chain.sandbox.call("orders")}
    at_a = {str(one["pk"]): one for one in chain.a.do("orders")}
    for order in chain.b.do("orders", pk__in=list(created)):
        number, sent = created[order["pk"]]
        bought = at_a[order["upstream_id"]]
        got = at_sandbox[int(bought["upstream_id"])]
        assert got["params"] == {"action": "add", "service": str(number), **sent}
        assert (order["charge"] > bought["charge"] == order["expected_cost"]) and order["quantity"] == got["quantity"]


# -- ends of an order --------------------------------------------------------------------------------


def test_order_when_partial_then_both_panels_refund_exactly(story, chain):
    began = time.monotonic()
    # $2.00 at the sandbox, 25% more at A is $2.50, 33% more at B is $3.325.
    assert pick(chain.a_services[FOLLOWERS], "cost price") == [2_000_000, 2_500_000]
    assert pick(chain.b_services[FOLLOWERS], "cost price") == [2_500_000, 3_325_000]
    order = story.order(FOLLOWERS, link=link(), quantity=1_000)
    at_b, at_a, at_sandbox = story.send_on(order)
    assert pick(at_b, "placement charge expected_cost") == ["placed", 3_325_000, 2_500_000]
    assert pick(at_a, "placement charge expected_cost") == ["placed", 2_500_000, 2_000_000]
    assert pick(at_sandbox, "service quantity charge") == [FOLLOWERS, 1_000, "2"]
    assert at_b["link"] == at_a["link"] == at_sandbox["link"]
    assert (story.wallet[0], story.cost_of_b) == (96_675_000, 2_500_000)

    # 843 are delivered so far: no money moves.
    at_b, at_a = story.change(at_sandbox, order, status="In progress", remains=157, start_count=40)
    assert pick(at_b, "status remains start_count refunded") == ["in_progress", 157, 40, 0]
    assert pick(at_a, "status remains start_count refunded") == ["in_progress", 157, 40, 0]
    assert story.call("status", order=order) == {
        "charge": "3.325",
        "start_count": "40",
        "status": "In progress",
        "remains": "157",
        "currency": "USD",
    }

    # The order ends Partial: the sandbox keeps $1.686 of $2.00, A $2.1075 of $2.50, B $2.802975 of $3.325.
    at_b, at_a = story.change(at_sandbox, order, status="Partial", remains=157, charge="1.686")
    assert pick(at_a, "status refunded upstream_charge profit") == ["partial", 392_500, 1_686_000, 421_500]
    assert pick(at_b, "status refunded upstream_charge profit") == ["partial", 522_025, 2_107_500, 695_475]
    assert (at_a["is_estimated"], at_b["is_estimated"], at_b["review_reason"]) == (False, False, "")
    ended = {"start_count": "40", "status": "Partial", "remains": "157", "currency": "USD"}
    assert chain.a.api(chain.b_key, "status", order=at_a["pk"]) == {"charge": "2.1075", **ended}
    assert story.call("status", order=order) == {"charge": "2.802975", **ended}
    assert story.wallet == (97_197_025, [["order", -3_325_000], ["refund", 522_025]])
    assert story.cost_of_b == 2_107_500

    # A second poll moves no money.
    story.poll()
    assert (story.wallet[0], story.cost_of_b) == (97_197_025, 2_107_500)
    took = time.monotonic() - began
    print(f"\nchain started in {chain.seconds:.1f} s; a Partial order through B, A and the sandbox took {took:.2f} s")


def test_order_when_partial_has_fractions_then_refunds_round_down(story, chain):
    # The rate is $0.0137, A's price ⌈$0.017125⌉ = $0.0172, B's ⌈$0.022876⌉ = $0.0229. For 333, A charges ⌈5727.6⌉ and B
    # ⌈7625.7⌉ micro-units.
    assert pick(chain.b_services[TINY], "cost price") == [17_200, 22_900]
    order = story.order(TINY, link=link(), quantity=333)
    at_b, at_a, at_sandbox = story.send_on(order)
    assert (at_a["charge"], at_b["charge"]) == (5_728, 7_626)
    at_b, at_a = story.change(at_sandbox, order, status="Partial", remains=101, charge="0.003179")
    # The refunds are ⌊5728 × 101 / 333⌋ and ⌊7626 × 101 / 333⌋ micro-units.
    assert pick(at_a, "status refunded upstream_charge review_reason") == ["partial", 1_737, 3_179, ""]
    assert pick(at_b, "status refunded upstream_charge review_reason") == ["partial", 2_312, 3_991, ""]
    assert (story.wallet[0], story.cost_of_b) == (100_000_000 - 7_626 + 2_312, 3_991)
    assert pick(story.call("status", order=order), "charge remains") == ["0.005314", "101"]


def test_order_when_canceled_undelivered_then_both_refund_all(story, chain):
    order = story.order(FOLLOWERS, link=link(), quantity=333)
    at_b, at_a, at_sandbox = story.send_on(order)
    assert (at_a["charge"], at_b["charge"]) == (832_500, 1_107_225)
    at_b, at_a = story.change(at_sandbox, order, status="Canceled", remains=333, charge="0")
    assert pick(at_a, "status refunded upstream_charge profit") == ["canceled", 832_500, 0, 0]
    assert pick(at_b, "status refunded upstream_charge profit") == ["canceled", 1_107_225, 0, 0]
    assert (story.wallet[0], story.cost_of_b) == (100_000_000, 0)
    assert pick(story.call("status", order=order), "charge status remains") == ["0", "Canceled", "333"]


def test_refill_when_requested_at_b_then_it_is_done_at_the_sandbox(story, chain):
    order = story.order(FOLLOWERS, link=link(), quantity=1_000)
    at_b, at_a, at_sandbox = story.send_on(order)
    assert story.call("refill", order=order) == {"error": "Order is not completed"}
    at_b, at_a = story.change(at_sandbox, order, status="Completed", remains=0)
    assert pick(at_b, "status upstream_charge profit") == ["completed", 2_500_000, 825_000]
    assert pick(at_a, "status upstream_charge profit") == ["completed", 2_000_000, 500_000]
    refill = story.call("refill", order=order)["refill"]
    assert story.call("refill_status", refill=refill) == {"status": "Pending"}
    chain.b.run("send_requests")
    chain.a.run("send_requests")
    [of_a] = [one for one in chain.a.do("refills") if one["order_id"] == at_a["pk"]]
    [of_b] = [one for one in chain.b.do("refills") if one["order_id"] == at_b["pk"]]
    assert (str(of_b["pk"]), of_b["upstream_id"]) == (refill, str(of_a["pk"]))
    for status in ("In progress", "Completed"):
        chain.sandbox.call("set_refill", refill_id=int(of_a["upstream_id"]), status=status)
        for panel in (chain.a, chain.b):
            panel.run("poll_refills")
        assert story.call("refill_status", refill=refill) == {"status": status}
    assert (story.wallet[0], story.cost_of_b) == (96_675_000, 2_500_000)


def test_cancel_when_requested_at_b_then_all_three_cancel(story, chain):
    order = story.order(CANCELLABLE, link=link(), quantity=500)
    at_b, at_a, at_sandbox = story.send_on(order)
    story.poll()
    assert story.call("cancel", order=order) == {"success": "The provider is asked to cancel the order."}
    chain.b.run("send_requests")
    assert story.call("status", order=order)["status"] == "Pending"
    chain.a.run("send_requests")
    story.poll()
    at_b, at_a, at_sandbox = story.at_all(order)
    assert (at_b["status"], at_a["status"], at_sandbox["status"]) == ("canceled", "canceled", "Canceled")
    assert (story.wallet[0], story.cost_of_b) == (100_000_000, 0)


def test_cancel_when_a_has_not_sent_the_order_then_a_cancels_it(story, chain):
    here = link()
    order = story.order(CANCELLABLE, link=here, quantity=500)
    chain.b.run("submit_orders")
    story.call("cancel", order=order)
    chain.b.run("send_requests", "poll_orders")
    chain.a.run("submit_orders")
    assert chain.sandbox.orders_to(here) == []
    assert (chain.b.order(order)["status"], story.wallet[0], story.cost_of_b) == ("canceled", 100_000_000, 0)


def test_drip_feed_when_sold_by_b_then_a_gets_single_orders(story, chain):
    here = link()
    order = story.order(CANCELLABLE, link=here, quantity=100, runs=3, interval=60)
    price = chain.b_services[CANCELLABLE]["price"]
    # Per 1,000: $1.20 at the sandbox, $1.50 at A, $1.995 at B. A run of 100 costs $0.1995; three are paid at the start.
    assert (price, story.wallet[0]) == (1_995_000, 100_000_000 - 3 * 199_500)
    for run in (1, 2, 3):
        # The first run begins with the order, each later one when it is due.
        chain.b.run(*["begin_runs"][: run - 1], "submit_orders")
        chain.a.run("submit_orders")
        at_a = chain.a.do("orders", link=here)
        assert [one["drip_feed_id"] for one in at_a] == [None] * run
    assert [one["params"].get("runs") for one in chain.sandbox.orders_to(here)] == [None] * 3
    assert story.cost_of_b == 3 * 150_000
    first, second, third = chain.sandbox.orders_to(here)
    for one in (first, second):
        chain.sandbox.call("set_order", order_id=one["id"], status="Completed", remains=0)
    chain.sandbox.call("set_order", order_id=third["id"], status="Partial", remains=40)
    story.poll()
    # 40 of 300 are refunded: 40% of one run.
    assert pick(story.call("status", order=order), "charge status remains") == ["0.5187", "Partial", "40"]
    assert (story.wallet[0], story.cost_of_b) == (100_000_000 - 518_700, 3 * 150_000 - 60_000)


# -- lost answers ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def busy(chain: Chain) -> None:
    """Mix B's orders at A with orders of others, so that searching A's ids must tell them apart."""
    regular = Story(chain)
    for quantity in (40, 50, 60):
        regular.order(FOLLOWERS, link=link(), quantity=quantity)
        chain.b.run("submit_orders")
        for _ in range(2):
            chain.a.api(chain.stranger_key, "add", service=chain.a_services[FOLLOWERS]["pk"], link=link(), quantity=20)


@pytest.fixture
def proxy(chain: Chain, busy: None) -> Iterator[Proxy]:
    chain.proxy.damage, chain.proxy.answered = None, []
    yield chain.proxy
    chain.proxy.damage = None


@pytest.mark.parametrize("how", DAMAGES)
def test_order_when_answer_is_lost_then_request_id_is_repeated(story, chain, proxy, how):
    here = link()
    order = story.order(FOLLOWERS, link=here, quantity=1_000)
    proxy.damage = how
    chain.b.run("submit_orders")
    assert pick(chain.b.order(order), "placement upstream_id refunded") == ["in_doubt", None, 0]
    assert story.cost_of_b == 2_500_000
    # The queue never sends it as a new order, however often it runs.
    chain.b.run("submit_orders", "submit_orders")
    assert len(proxy.answered) == 1
    proxy.damage = None
    chain.b.run("reconcile_orders")
    assert len(proxy.answered) == 2
    assert len(set(proxy.answered)) == 1
    [at_a] = chain.a.do("orders", link=here)
    assert pick(chain.b.order(order), "placement upstream_id") == ["placed", str(at_a["pk"])]
    assert (story.wallet[0], story.cost_of_b) == (96_675_000, 2_500_000)
    chain.a.run("submit_orders")
    [at_sandbox] = chain.sandbox.orders_to(here)
    at_b, _ = story.change(at_sandbox, order, status="Completed", remains=0)
    assert pick(at_b, "status profit") == ["completed", 825_000]


def test_order_when_answers_are_lost_repeatedly_then_it_exists_once(story, chain, proxy, without_search):
    order, here = order_in_doubt(story, proxy, quantity=1_000)
    for how in DAMAGES:
        proxy.damage = how
        chain.b.run("submit_orders", "reconcile_orders")
        assert pick(chain.b.order(order), "placement upstream_id refunded") == ["in_doubt", None, 0]
    proxy.damage = None
    chain.b.run("reconcile_orders")
    assert (len(proxy.answered), len(set(proxy.answered))) == (5, 1)
    [at_a] = chain.a.do("orders", link=here)
    assert pick(chain.b.order(order), "placement upstream_id") == ["placed", str(at_a["pk"])]
    assert (story.wallet[0], story.cost_of_b) == (96_675_000, 2_500_000)


@pytest.fixture
def without_search(chain: Chain) -> Iterator[None]:
    """Keep panel B from searching A's ids."""
    chain.b.do("change", model="catalog.Provider", chosen={}, probes_ids=False)
    yield
    chain.b.do("change", model="catalog.Provider", chosen={}, probes_ids=True)


@pytest.fixture
def without_request_ids(chain: Chain) -> Iterator[None]:
    """Keep panel B from sending request ids to A."""
    chain.b.do("change", model="catalog.Provider", chosen={}, request_id_parameter="")
    yield
    chain.b.do("change", model="catalog.Provider", chosen={}, request_id_parameter="request_id")


def order_in_doubt(story: Story, proxy: Proxy, *, quantity: int) -> tuple[int, str]:
    """Create an order and lose A's answer to it. Return its primary key at B, and its link."""
    here = link()
    order = story.order(FOLLOWERS, link=here, quantity=quantity)
    proxy.damage = DAMAGES[0]
    story.chain.b.run("submit_orders")
    proxy.damage = None
    assert story.chain.b.order(order)["placement"] == "in_doubt"
    return order, here


@pytest.mark.usefixtures("without_request_ids")
def test_order_when_there_are_no_request_ids_then_search_finds_it(story, chain, proxy):
    order, here = order_in_doubt(story, proxy, quantity=700)
    story.order(FOLLOWERS, link=link(), quantity=80)
    chain.b.run("submit_orders", "reconcile_orders")
    [at_a] = chain.a.do("orders", link=here)
    assert pick(chain.b.order(order), "placement upstream_id") == ["placed", str(at_a["pk"])]
    assert len(proxy.answered) == 2
    assert story.cost_of_b == (700 + 80) * 2_500


@pytest.mark.usefixtures("without_request_ids", "without_search")
def test_order_when_staff_wrongly_send_it_again_then_a_refuses_it(story, chain, proxy):
    """Staff believe that A never got the order and send it again. A's window refuses it, and a new review opens."""
    order, here = order_in_doubt(story, proxy, quantity=900)
    chain.b.run("reconcile_orders")
    assert pick(chain.b.order(order), "placement review_reason") == ["in_doubt", "doubt"]
    chain.b.do("staff_send_again", order=order)
    chain.b.run("submit_orders", "submit_orders")
    assert [b"active order with this link" in answer for answer in proxy.answered] == [False, True]
    assert pick(chain.b.order(order), "placement review_reason refunded") == ["queued", "doubt", 0]
    [at_a] = chain.a.do("orders", link=here)
    chain.b.do("staff_bind", order=order, upstream_id=str(at_a["pk"]))
    assert chain.b.order(order)["placement"] == "placed"
    assert (story.wallet[0], story.cost_of_b) == (100_000_000 - 2_992_500, 2_250_000)


# -- ledgers -----------------------------------------------------------------------------------------


def test_check_ledger_when_run_as_a_process_then_both_are_clean(chain):
    checks = [panel.start_command("check_ledger") for panel in (chain.a, chain.b)]
    for check in checks:
        printed, _ = check.communicate(timeout=180)
        assert check.returncode == 0 and "Clean: " in printed, printed
