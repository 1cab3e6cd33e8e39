"""Two panels and a provider, each in processes of its own: B buys from A by A's API, A buys from the sandbox.

A customer of B orders through B's API. SQLite without a server; with DATABASE_URL, PostgreSQL.
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
from tests.chain.proxy import CUTS, Proxy

B_AT_A = "panel-b@example.org"
STRANGER_AT_A = "stranger@example.org"
FOLLOWERS, TINY = 7001, 7002
# The sandbox's "Followers, standard": refill, cancel, drip-feed.
CANCELLABLE = 2
ROUND = ("submit_orders", "send_requests", "poll_orders", "poll_refills")


class Chain:
    """The three of them. `a_services` and `b_services` are what each sells, by the sandbox's number of it."""

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
        self._list_at_the_sandbox()
        self._open_a()
        self.a.wait()
        self.proxy = Proxy(port=self.a.port())
        closing.callback(self.proxy.close)
        self._open_b()
        self.b.wait()
        self.seconds = time.monotonic() - began

    def _list_at_the_sandbox(self) -> None:
        flags = {"refill": True, "cancel": True, "dripfeed": True, "category": "Social", "type": "Default"}
        self.sandbox.tell("set_service", service_id=FOLLOWERS, name="F", rate="2", min=10, max=10_000, **flags)
        self.sandbox.tell("set_service", service_id=TINY, name="T", rate="0.0137", min=10, max=10_000, **flags)

    def _open_a(self) -> None:
        """25 % on what the sandbox asks. Panel B is one of its customers, with $1,000 and a key."""
        self.a.do("connect", name="Sandbox", url=self.sandbox.url, api_key=KEY)
        self.a.run("sync_catalog")
        self.a_services = {int(one["external_id"]): one for one in self.a.do("catalog")}
        for email in (B_AT_A, STRANGER_AT_A):
            self.a.do("make_customer", email=email, funds="1000")
        self.b_key = self.a.do("make_key", email=B_AT_A, name="Panel B")["secret"]
        self.stranger_key = self.a.do("make_key", email=STRANGER_AT_A, name="Shop")["secret"]

    def _open_b(self) -> None:
        """33 % on what A asks."""
        values = {"margin_bp": 3_300, "request_id_parameter": "request_id"}
        self.b.do("connect", name="Panel A", url=self.proxy.url, api_key=self.b_key, **values)
        self.b.run("sync_catalog")
        by_id = {one["external_id"]: one for one in self.b.do("catalog")}
        ours = self.a_services.items()
        self.b_services = {number: by_id[str(one["pk"])] for number, one in ours if str(one["pk"]) in by_id}


pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: Any) -> Iterator[Chain]:
    with ExitStack() as closing:
        yield Chain(tmp_path_factory.mktemp("chain"), closing)


class Story:
    """A customer of panel B with $100 and a key, and what came of their orders at all three."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.email = f"{uuid4().hex[:12]}@example.org"
        chain.b.do("make_customer", email=self.email, funds="100")
        self.secret = chain.b.do("make_key", email=self.email, name="Shop")["secret"]
        self.before = self.paid_by_b

    @property
    def paid_by_b(self) -> int:
        return 1_000_000_000 - self.chain.a.money(B_AT_A)["balance"]

    @property
    def cost_of_b(self) -> int:
        """What panel A took of panel B since the story began, in micro-units."""
        return self.paid_by_b - self.before

    @property
    def wallet(self) -> tuple[int, list[list[Any]]]:
        """The customer's balance, and the entries after their deposit."""
        money = self.chain.b.money(self.email)
        return money["balance"], money["entries"][1:]

    def ask(self, action: str, **params: Any) -> Any:
        return self.chain.b.api(self.secret, action, **params)

    def order(self, number: int, **params: Any) -> int:
        answer = self.ask("add", service=self.chain.b_services[number]["pk"], **params)
        assert list(answer) == ["order"], answer
        return answer["order"]

    def travel(self, order: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Sends the order on, from B to A and from A to the sandbox; how it stands at each of them."""
        self.chain.b.run("submit_orders")
        self.chain.a.run("submit_orders")
        return self.at_all(order)

    def at_all(self, order: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        at_b = self.chain.b.order(order)
        at_a = self.chain.a.order(at_b["upstream_id"])
        return at_b, at_a, self.chain.sandbox.order(at_a["upstream_id"])

    def says(self, at_sandbox: dict[str, Any], order: int, **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The sandbox says this; both panels ask. How the order then stands at B and at A."""
        self.chain.sandbox.tell("set_order", order_id=at_sandbox["id"], **values)
        self.hear()
        return self.at_all(order)[:2]

    def hear(self) -> None:
        self.chain.a.run("poll_orders")
        self.chain.b.run("poll_orders")


@pytest.fixture
def story(chain: Chain) -> Iterator[Story]:
    """Whatever happened in it, the books of both panels are clean."""
    yield Story(chain)
    for panel in (chain.a, chain.b):
        [printed] = panel.run("check_ledger")
        assert printed.startswith("Clean: "), printed


def chosen(facts: dict[str, Any], names: str) -> list[Any]:
    return [facts[name] for name in names.split()]


def link() -> str:
    return f"https://example.com/{uuid4().hex[:12]}"


# -- what is sold ------------------------------------------------------------------------------------


def test_every_sellable_type_comes_through_both_panels_by_its_name_and_at_the_right_price(chain):
    assert {one["wire"] for one in chain.b_services.values()} == {spec.wire for spec in SPECS.values()}
    sold = {number: one for number, one in chain.a_services.items() if one["wire"]}
    assert len(sold) == len(chain.b_services) == 61
    for number, at_a in sold.items():
        at_b = chain.b_services[number]
        assert at_b["cost"] == at_a["price"] >= at_a["cost"] * 5 // 4
        # Up to the next ten thousandth of a dollar.
        assert at_b["price"] == -(-at_b["cost"] * 133 // 10_000) * 100
        for name in ("name", "category", "wire", "min", "max", "refill", "cancel"):
            assert at_b[name] == at_a[name], name
        assert at_b["is_on_sale"]


LINES = "first\nsecond\nthird\nfourth\nfifth"
NAMES = "\n".join(f"user{number}" for number in range(10))
ASKED: dict[str, dict[str, str]] = {
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


def test_an_order_of_each_type_arrives_at_the_sandbox_word_for_word(story, chain):
    assert set(ASKED) == {spec.wire for spec in SPECS.values()}
    number_of = {one["wire"]: number for number, one in reversed(chain.b_services.items())}
    placed = {}
    for wire, params in ASKED.items():
        number, here = number_of[wire], link()
        placed[story.order(number, link=here, **params)] = (number, {"link": here, **params})
    chain.b.run("submit_orders")
    chain.a.run("submit_orders")
    at_sandbox = {one["id"]: one for one in chain.sandbox.tell("orders")}
    at_a = {str(one["pk"]): one for one in chain.a.do("orders")}
    for order in chain.b.do("orders", pk__in=list(placed)):
        number, sent = placed[order["pk"]]
        bought = at_a[order["upstream_id"]]
        got = at_sandbox[int(bought["upstream_id"])]
        assert got["params"] == {"action": "add", "service": str(number), **sent}
        assert (order["charge"] > bought["charge"] == order["expected_cost"]) and order["quantity"] == got["quantity"]


# -- how it ends -------------------------------------------------------------------------------------


def test_a_partial_order_is_refunded_exactly_by_both(story, chain):
    began = time.monotonic()
    # $2.00 at the sandbox; 25 % make $2.50 at A; 33 % on that make $3.325 at B.
    assert chosen(chain.a_services[FOLLOWERS], "cost price") == [2_000_000, 2_500_000]
    assert chosen(chain.b_services[FOLLOWERS], "cost price") == [2_500_000, 3_325_000]
    order = story.order(FOLLOWERS, link=link(), quantity=1_000)
    at_b, at_a, at_sandbox = story.travel(order)
    assert chosen(at_b, "placement charge expected_cost") == ["placed", 3_325_000, 2_500_000]
    assert chosen(at_a, "placement charge expected_cost") == ["placed", 2_500_000, 2_000_000]
    assert chosen(at_sandbox, "service quantity charge") == [FOLLOWERS, 1_000, "2"]
    assert at_b["link"] == at_a["link"] == at_sandbox["link"]
    assert (story.wallet[0], story.cost_of_b) == (96_675_000, 2_500_000)

    # 843 are delivered so far: no money moves.
    at_b, at_a = story.says(at_sandbox, order, status="In progress", remains=157, start_count=40)
    assert chosen(at_b, "status remains start_count refunded") == ["in_progress", 157, 40, 0]
    assert chosen(at_a, "status remains start_count refunded") == ["in_progress", 157, 40, 0]
    assert story.ask("status", order=order) == {
        "charge": "3.325",
        "start_count": "40",
        "status": "In progress",
        "remains": "157",
        "currency": "USD",
    }

    # It ends Partial: of $2.00 the sandbox keeps $1.686, A keeps $2.1075 of $2.50, B keeps $2.802975 of $3.325.
    at_b, at_a = story.says(at_sandbox, order, status="Partial", remains=157, charge="1.686")
    assert chosen(at_a, "status refunded upstream_charge profit") == ["partial", 392_500, 1_686_000, 421_500]
    assert chosen(at_b, "status refunded upstream_charge profit") == ["partial", 522_025, 2_107_500, 695_475]
    assert (at_a["is_estimated"], at_b["is_estimated"], at_b["review_reason"]) == (False, False, "")
    ended = {"start_count": "40", "status": "Partial", "remains": "157", "currency": "USD"}
    assert chain.a.api(chain.b_key, "status", order=at_a["pk"]) == {"charge": "2.1075", **ended}
    assert story.ask("status", order=order) == {"charge": "2.802975", **ended}
    assert story.wallet == (97_197_025, [["order", -3_325_000], ["refund", 522_025]])
    assert story.cost_of_b == 2_107_500

    # Hearing it again moves nothing.
    story.hear()
    assert (story.wallet[0], story.cost_of_b) == (97_197_025, 2_107_500)
    took = time.monotonic() - began
    print(f"\nchain up in {chain.seconds:.1f} s; a Partial order of 1,000 through B, A and the sandbox: {took:.2f} s")


def test_a_partial_order_whose_numbers_do_not_divide_is_rounded_for_the_customer_of_neither(story, chain):
    # $0.0137; A asks ⌈$0.017125⌉ = $0.0172, B ⌈$0.022876⌉ = $0.0229. 333 of them: ⌈5727.6⌉ and ⌈7625.7⌉ micro-units.
    assert chosen(chain.b_services[TINY], "cost price") == [17_200, 22_900]
    order = story.order(TINY, link=link(), quantity=333)
    at_b, at_a, at_sandbox = story.travel(order)
    assert (at_a["charge"], at_b["charge"]) == (5_728, 7_626)
    at_b, at_a = story.says(at_sandbox, order, status="Partial", remains=101, charge="0.003179")
    # ⌊5728 × 101 / 333⌋ and ⌊7626 × 101 / 333⌋.
    assert chosen(at_a, "status refunded upstream_charge review_reason") == ["partial", 1_737, 3_179, ""]
    assert chosen(at_b, "status refunded upstream_charge review_reason") == ["partial", 2_312, 3_991, ""]
    assert (story.wallet[0], story.cost_of_b) == (100_000_000 - 7_626 + 2_312, 3_991)
    assert chosen(story.ask("status", order=order), "charge remains") == ["0.005314", "101"]


def test_an_order_canceled_with_nothing_delivered_gives_everything_back(story, chain):
    order = story.order(FOLLOWERS, link=link(), quantity=333)
    at_b, at_a, at_sandbox = story.travel(order)
    assert (at_a["charge"], at_b["charge"]) == (832_500, 1_107_225)
    at_b, at_a = story.says(at_sandbox, order, status="Canceled", remains=333, charge="0")
    assert chosen(at_a, "status refunded upstream_charge profit") == ["canceled", 832_500, 0, 0]
    assert chosen(at_b, "status refunded upstream_charge profit") == ["canceled", 1_107_225, 0, 0]
    assert (story.wallet[0], story.cost_of_b) == (100_000_000, 0)
    assert chosen(story.ask("status", order=order), "charge status remains") == ["0", "Canceled", "333"]


def test_a_refill_travels_to_the_sandbox_and_its_end_travels_back(story, chain):
    order = story.order(FOLLOWERS, link=link(), quantity=1_000)
    at_b, at_a, at_sandbox = story.travel(order)
    assert story.ask("refill", order=order) == {"error": "Order is not completed"}
    at_b, at_a = story.says(at_sandbox, order, status="Completed", remains=0)
    assert chosen(at_b, "status upstream_charge profit") == ["completed", 2_500_000, 825_000]
    assert chosen(at_a, "status upstream_charge profit") == ["completed", 2_000_000, 500_000]
    refill = story.ask("refill", order=order)["refill"]
    assert story.ask("refill_status", refill=refill) == {"status": "Pending"}
    chain.b.run("send_requests")
    chain.a.run("send_requests")
    [of_a] = [one for one in chain.a.do("refills") if one["order_id"] == at_a["pk"]]
    [of_b] = [one for one in chain.b.do("refills") if one["order_id"] == at_b["pk"]]
    assert (str(of_b["pk"]), of_b["upstream_id"]) == (refill, str(of_a["pk"]))
    for status in ("In progress", "Completed"):
        chain.sandbox.tell("set_refill", refill_id=int(of_a["upstream_id"]), status=status)
        for panel in (chain.a, chain.b):
            panel.run("poll_refills")
        assert story.ask("refill_status", refill=refill) == {"status": status}
    assert (story.wallet[0], story.cost_of_b) == (96_675_000, 2_500_000)


def test_a_cancel_asked_at_b_ends_the_order_at_all_three(story, chain):
    order = story.order(CANCELLABLE, link=link(), quantity=500)
    at_b, at_a, at_sandbox = story.travel(order)
    story.hear()
    assert story.ask("cancel", order=order) == {"success": "The provider is asked to cancel the order."}
    chain.b.run("send_requests")
    assert story.ask("status", order=order)["status"] == "Pending"
    chain.a.run("send_requests")
    story.hear()
    at_b, at_a, at_sandbox = story.at_all(order)
    assert (at_b["status"], at_a["status"], at_sandbox["status"]) == ("canceled", "canceled", "Canceled")
    assert (story.wallet[0], story.cost_of_b) == (100_000_000, 0)


def test_a_cancel_that_reaches_a_before_it_has_sent_the_order_is_done_there(story, chain):
    here = link()
    order = story.order(CANCELLABLE, link=here, quantity=500)
    chain.b.run("submit_orders")
    story.ask("cancel", order=order)
    chain.b.run("send_requests", "poll_orders")
    chain.a.run("submit_orders")
    assert chain.sandbox.orders_to(here) == []
    assert (chain.b.order(order)["status"], story.wallet[0], story.cost_of_b) == ("canceled", 100_000_000, 0)


def test_a_drip_feed_sold_by_b_is_single_orders_at_a(story, chain):
    here = link()
    order = story.order(CANCELLABLE, link=here, quantity=100, runs=3, interval=60)
    price = chain.b_services[CANCELLABLE]["price"]
    # $1.20, $1.50, $1.995: a run of 100 costs $0.1995, and all three are paid at once.
    assert (price, story.wallet[0]) == (1_995_000, 100_000_000 - 3 * 199_500)
    for run in (1, 2, 3):
        # The first begins with the order, each other one when its time has come.
        chain.b.run(*["begin_runs"][: run - 1], "submit_orders")
        chain.a.run("submit_orders")
        at_a = chain.a.do("orders", link=here)
        assert [one["drip_feed_id"] for one in at_a] == [None] * run
    assert [one["params"].get("runs") for one in chain.sandbox.orders_to(here)] == [None] * 3
    assert story.cost_of_b == 3 * 150_000
    first, second, third = chain.sandbox.orders_to(here)
    for one in (first, second):
        chain.sandbox.tell("set_order", order_id=one["id"], status="Completed", remains=0)
    chain.sandbox.tell("set_order", order_id=third["id"], status="Partial", remains=40)
    story.hear()
    # 40 of the 300 come back: 40 % of one run.
    told = {"charge": "0.5187", "status": "Partial", "remains": "40"}
    assert chosen(story.ask("status", order=order), "charge status remains") == list(told.values())
    assert (story.wallet[0], story.cost_of_b) == (100_000_000 - 518_700, 3 * 150_000 - 60_000)


# -- an answer is lost -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def busy(chain: Chain) -> None:
    """Between B's orders at A are those of others, so that A's ids tell which are B's."""
    regular = Story(chain)
    for quantity in (40, 50, 60):
        regular.order(FOLLOWERS, link=link(), quantity=quantity)
        chain.b.run("submit_orders")
        for _ in range(2):
            chain.a.api(chain.stranger_key, "add", service=chain.a_services[FOLLOWERS]["pk"], link=link(), quantity=20)


@pytest.fixture
def cut(chain: Chain, busy: None) -> Iterator[Proxy]:
    chain.proxy.cut, chain.proxy.answered = None, []
    yield chain.proxy
    chain.proxy.cut = None


@pytest.mark.parametrize("how", CUTS)
def test_an_answer_lost_between_the_panels_is_asked_for_again_under_its_request_id(story, chain, cut, how):
    here = link()
    order = story.order(FOLLOWERS, link=here, quantity=1_000)
    cut.cut = how
    chain.b.run("submit_orders")
    assert chosen(chain.b.order(order), "placement upstream_id refunded") == ["in_doubt", None, 0]
    assert story.cost_of_b == 2_500_000
    # It is never sent as new, however often the queue is gone through.
    chain.b.run("submit_orders", "submit_orders")
    assert len(cut.answered) == 1
    cut.cut = None
    chain.b.run("reconcile_orders")
    assert len(cut.answered) == 2
    assert len(set(cut.answered)) == 1
    [at_a] = chain.a.do("orders", link=here)
    assert chosen(chain.b.order(order), "placement upstream_id") == ["placed", str(at_a["pk"])]
    assert (story.wallet[0], story.cost_of_b) == (96_675_000, 2_500_000)
    chain.a.run("submit_orders")
    [at_sandbox] = chain.sandbox.orders_to(here)
    at_b, _ = story.says(at_sandbox, order, status="Completed", remains=0)
    assert chosen(at_b, "status profit") == ["completed", 825_000]


def test_answers_that_are_lost_over_and_over_make_no_second_order(story, chain, cut, without_looking):
    order, here = lose(story, cut, quantity=1_000)
    for how in CUTS:
        cut.cut = how
        chain.b.run("submit_orders", "reconcile_orders")
        assert chosen(chain.b.order(order), "placement upstream_id refunded") == ["in_doubt", None, 0]
    cut.cut = None
    chain.b.run("reconcile_orders")
    assert (len(cut.answered), len(set(cut.answered))) == (5, 1)
    [at_a] = chain.a.do("orders", link=here)
    assert chosen(chain.b.order(order), "placement upstream_id") == ["placed", str(at_a["pk"])]
    assert (story.wallet[0], story.cost_of_b) == (96_675_000, 2_500_000)


@pytest.fixture
def without_looking(chain: Chain) -> Iterator[None]:
    """Panel B does not look for A's ids."""
    chain.b.do("change", model="catalog.Provider", chosen={}, probes_ids=False)
    yield
    chain.b.do("change", model="catalog.Provider", chosen={}, probes_ids=True)


@pytest.fixture
def without_request_ids(chain: Chain) -> Iterator[None]:
    """Panel B does not know that A takes a request id once."""
    chain.b.do("change", model="catalog.Provider", chosen={}, request_id_parameter="")
    yield
    chain.b.do("change", model="catalog.Provider", chosen={}, request_id_parameter="request_id")


def lose(story: Story, cut: Proxy, *, quantity: int) -> tuple[int, str]:
    """An order of which A's answer was lost, and its link."""
    here = link()
    order = story.order(FOLLOWERS, link=here, quantity=quantity)
    cut.cut = CUTS[0]
    story.chain.b.run("submit_orders")
    cut.cut = None
    assert story.chain.b.order(order)["placement"] == "in_doubt"
    return order, here


@pytest.mark.usefixtures("without_request_ids")
def test_without_request_ids_the_order_is_found_by_its_id_at_a(story, chain, cut):
    order, here = lose(story, cut, quantity=700)
    story.order(FOLLOWERS, link=link(), quantity=80)
    chain.b.run("submit_orders", "reconcile_orders")
    [at_a] = chain.a.do("orders", link=here)
    assert chosen(chain.b.order(order), "placement upstream_id") == ["placed", str(at_a["pk"])]
    assert len(cut.answered) == 2
    assert story.cost_of_b == (700 + 80) * 2_500


@pytest.mark.usefixtures("without_request_ids", "without_looking")
def test_without_request_ids_and_with_staff_mistaken_the_window_of_a_keeps_off_a_second_order(story, chain, cut):
    """Staff believe that A never got it and send it as new; A remembers it, and staff are asked again."""
    order, here = lose(story, cut, quantity=900)
    chain.b.run("reconcile_orders")
    assert chosen(chain.b.order(order), "placement review_reason") == ["in_doubt", "doubt"]
    chain.b.do("staff_send_again", order=order)
    chain.b.run("submit_orders", "submit_orders")
    assert [b"active order with this link" in said for said in cut.answered] == [False, True]
    assert chosen(chain.b.order(order), "placement review_reason refunded") == ["queued", "doubt", 0]
    [at_a] = chain.a.do("orders", link=here)
    chain.b.do("staff_bind", order=order, upstream_id=str(at_a["pk"]))
    assert chain.b.order(order)["placement"] == "placed"
    assert (story.wallet[0], story.cost_of_b) == (100_000_000 - 2_992_500, 2_250_000)


# -- the books ---------------------------------------------------------------------------------------


def test_the_books_of_both_are_clean_for_cron_too(chain):
    checks = [panel.start_command("check_ledger") for panel in (chain.a, chain.b)]
    for check in checks:
        printed, _ = check.communicate(timeout=180)
        assert check.returncode == 0 and "Clean: " in printed, printed
