"""The story of the month: who ordered what, when, and how it went. Pure, and the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random

from panel.demo.history.goods import BY_NAME, DAY, DOUBTED, GOODS, HOUR, TAKES_TURNS, Good, link_to, params_of
from panel.demo.history.people import BAND, BUYER, PEOPLE, QUIET, RESELLER, STUDIO, Person
from panel.demo.history.people import BY_EMAIL as PERSONS
from panel.sandbox.delivery import DeliveryPlan, Ending

DAYS = 30
# The youngest of the ordinary orders; the running ones are written out below.
YOUNGEST = 2 * HOUR
# Orders younger than this are pending.
PENDING_UNTIL = 150
# The provider did not answer for so long, so long ago.
OUTAGE, OUTAGE_LASTED = 9 * DAY + 5 * HOUR + 29 * 60, 34 * 60


class Fate(Enum):
    """How far an order got with the provider."""

    ACCEPTED = auto()
    REFUSED = auto()
    WITHDRAWN = auto()
    WAITS = auto()  # For the order before it on the same link.
    DOUBT = auto()


@dataclass(frozen=True, slots=True)
class Drip:
    """A drip-feed; `interval` in minutes.

    `stopped_after` and `paused_after` are in seconds since its last run, None if it was not.
    """

    name: str
    runs: int
    interval: int
    begun: int
    stopped_after: int | None = None
    paused_after: int | None = None


@dataclass(slots=True)
class Purchase:
    """One order. `age` is how many seconds ago it was created, `wait` how long after that it was accepted or ended.

    `canceled_after` is in seconds since the acceptance. `cancel` and `refill` say how a request of the customer ended,
    "" without one. `batch` is the mass order that it is of, with its place there.
    """

    email: str
    good: Good
    quantity: int
    link: str
    age: float
    wait: float
    plan: DeliveryPlan | None
    fate: Fate = Fate.ACCEPTED
    params: dict[str, str] = field(default_factory=dict)
    by_api: bool = False
    batch: tuple[str, int] | None = None
    drip: Drip | None = None
    run: int | None = None
    canceled_after: float | None = None
    cancel: str = ""
    refill: str = ""

    @property
    def accepted_age(self) -> float:
        return self.age - self.wait

    @property
    def ends_after(self) -> float | None:
        """Return the seconds from the acceptance to the end; None without one."""
        if self.plan is None:
            return None
        ends = [after for after in (self.plan.ends_after, self.canceled_after) if after is not None]
        return min(ends) if ends else None

    @property
    def ended_age(self) -> float | None:
        """Return how many seconds ago it ended; None if it has not, or never reached the provider."""
        ends = self.ends_after
        if ends is None or self.accepted_age <= ends:
            return None
        return self.accepted_age - ends


def tell(draw: Random) -> list[Purchase]:
    """Return the month's orders, the oldest first."""
    purchases = [_usual(draw, age=age) for age in _ages(draw)]
    purchases += [
        _purchase(draw, QUIET, name, age=age) for name, age in (("X followers", 17 * DAY), ("X reposts", 16 * DAY))
    ]
    running = _running(draw)
    purchases += [*_batches(draw), *_drips(draw), *_in_the_outage(draw), *running, *_special(draw, running)]
    _ask(draw, purchases)
    return sorted(purchases, key=lambda purchase: -purchase.age)


def _ages(draw: Random) -> list[float]:
    """Return when the ordinary orders were created: a little more every day, and none in the outage."""
    ages = []
    for day in range(DAYS):
        for _ in range(11 + (DAYS - day) // 4 + draw.randrange(6)):
            age = max(day * DAY + draw.random() * DAY, YOUNGEST + draw.random() * HOUR)
            if not OUTAGE - OUTAGE_LASTED < age < OUTAGE:
                ages.append(age)
    return ages


def _usual(draw: Random, *, age: float) -> Purchase:
    joined = [one for one in PEOPLE if one.share and one.joined > age + HOUR]
    person = draw.choices(joined, [one.share for one in joined])[0]
    goods = [one for one in GOODS if one.new_for is None or one.new_for > age]
    good = draw.choices(goods, [one.share for one in goods])[0]
    purchase = _purchase(draw, person.email, good.name, age=age)
    roll = draw.random()
    if roll < 0.02:
        purchase.fate, purchase.plan = Fate.REFUSED, None
    elif roll < 0.05 and good.service.cancel and purchase.plan:
        starts = purchase.plan.pending_seconds + purchase.plan.processing_seconds
        purchase.canceled_after = starts + purchase.plan.running_seconds * draw.uniform(0.2, 0.8)
        purchase.cancel = "ended"
    return purchase


def _purchase(draw: Random, email: str, name: str, *, age: float, **values: object) -> Purchase:
    """Return an order that the provider accepted at once and has ended by now."""
    person, good = PERSONS[email], BY_NAME[name]
    quantity = draw.choice(good.quantities)
    wait = draw.uniform(2, 9)
    purchase = Purchase(
        email=email,
        good=good,
        quantity=quantity,
        link=_link(draw, person, good),
        age=age,
        wait=wait,
        plan=_plan(draw, good, quantity, room=age - wait - 400),
        params=params_of(good, quantity=quantity, draw=draw),
        by_api=email == RESELLER and draw.random() < 0.85,
    )
    for column, value in values.items():
        setattr(purchase, column, value)
    return purchase


def _link(draw: Random, person: Person, good: Good) -> str:
    return link_to(good.place, handle=draw.choice(person.handles), draw=draw)


def _plan(draw: Random, good: Good, quantity: int, *, room: float) -> DeliveryPlan:
    """Return how the provider delivers it, within `room` seconds."""
    pending = draw.uniform(40, 300)
    processing = draw.choice((0.0, draw.uniform(60, 400)))
    running = good.minutes * 60 * draw.lognormvariate(0, 0.45)
    scale = min(1.0, room / (pending + processing + running))
    roll = draw.random()
    ending: Ending = "completed"
    target = quantity
    if roll < 0.05:
        ending, target, running = "canceled", 0, 0.0
    elif roll < 0.14 and quantity > 1:
        ending, target = "partial", min(max(1, int(quantity * draw.uniform(0.3, 0.9))), quantity - 1)
    elif roll < 0.20:
        ending, target = "overdelivered", quantity + max(1, int(quantity * draw.uniform(0.01, 0.04)))
    return DeliveryPlan(
        ending=ending,
        pending_seconds=round(pending * scale, 1),
        processing_seconds=round((processing or (60.0 if ending == "canceled" else 0.0)) * scale, 1),
        running_seconds=round(running * scale, 1),
        start_count=draw.randrange(20, 25_000),
        target=target,
    )


# -- what is more than one order ----------------------------------------------------------------------


def _batches(draw: Random) -> list[Purchase]:
    """Return the orders of three mass orders."""
    return [
        _purchase(draw, email, draw.choice(names), age=age, batch=(f"batch-{number}", place), by_api=False)
        for number, (email, age, count, names) in enumerate(
            (
                (STUDIO, 20 * DAY + 3 * HOUR, 8, ("Instagram likes, standard", "Instagram reel views")),
                (BUYER, 6 * DAY + 7 * HOUR, 6, ("Instagram likes, standard", DOUBTED, "TikTok video views")),
                (RESELLER, 2 * DAY + 5 * HOUR, 12, ("Instagram followers, standard", "Telegram post views")),
            ),
            start=1,
        )
        for place in range(1, count + 1)
    ]


def _drips(draw: Random) -> list[Purchase]:
    """Return the runs of drip-feeds: one has ended, one was stopped, one paused, and one begins its next run soon."""
    purchases = []
    for email, name, drip, last_age in (
        (BUYER, "Instagram followers, standard", Drip("bakery", 4, 1_440, 4), 11 * DAY),
        (STUDIO, "YouTube views, standard", Drip("studio", 5, 720, 2, stopped_after=2 * HOUR), 8 * DAY),
        (RESELLER, "Telegram post views", Drip("tours", 5, 1_440, 2, paused_after=5 * HOUR), 2 * DAY),
        (BUYER, "Instagram likes, high quality", Drip("coffee", 6, 360, 4), 360 * 60 - 8 * 60),
    ):
        good = BY_NAME[name]
        link, quantity = _link(draw, PERSONS[email], good), good.quantities[1]
        for run in range(1, drip.begun + 1):
            age = last_age + (drip.begun - run) * drip.interval * 60
            purchase = _purchase(
                draw, email, name, age=age, link=link, quantity=quantity, drip=drip, run=run, by_api=False
            )
            purchase.plan = _plan(draw, good, quantity, room=age - 600)
            purchases.append(purchase)
    return purchases


def _in_the_outage(draw: Random) -> list[Purchase]:
    """Return orders that customers canceled while the provider did not answer."""
    return [
        _purchase(
            draw, email, name, age=OUTAGE - after, wait=waited, plan=None, fate=Fate.WITHDRAWN, by_api=email == RESELLER
        )
        for email, name, after, waited in (
            (BUYER, "Instagram likes, standard", 240, 700),
            (RESELLER, "TikTok video views", 410, 1_100),
            (BAND, "YouTube likes", 900, 420),
        )
    ]


# -- what goes on ------------------------------------------------------------------------------------


def _running(draw: Random) -> list[Purchase]:
    """Return orders that are under way, and end one after the other, within minutes or only tomorrow."""
    purchases = []
    for email, name, age, begins, ends, share in (
        (BUYER, "Instagram followers, high quality", 55, 170, 640, 1.0),
        (RESELLER, "Telegram members, standard", 100, 260, 2_400, 1.0),
        (BUYER, "TikTok followers, standard", 190, 75, 1_500, 1.0),
        (STUDIO, "Instagram custom comments", 260, 130, 3_900, 1.0),
        (BUYER, "Instagram reel views", 700, -300, 150, 1.0),
        (RESELLER, "Instagram followers, standard", 3_100, -2_800, 420, 0.62),
        (BAND, "YouTube likes", 2_500, -2_200, 1_100, 1.0),
        (RESELLER, "X followers", 6_900, -6_500, 5_200, 1.0),
        (STUDIO, TAKES_TURNS, 9_800, -9_500, 1_560, 1.0),
        (BUYER, "Facebook page followers", 16_000, -15_200, 13_500, 1.0),
        (RESELLER, "YouTube views, standard", 30_000, -29_000, 31_000, 1.0),
        (BUYER, "YouTube subscribers, slow", 52_000, -51_000, 66_000, 1.0),
    ):
        purchase = _purchase(draw, email, name, age=age)
        purchase.plan = _under_way(draw, purchase, begins=begins, ends=ends, share=share)
        purchases.append(purchase)
    return purchases


def _under_way(draw: Random, purchase: Purchase, *, begins: float, ends: float, share: float) -> DeliveryPlan:
    """Return a plan whose delivery begins and ends so many seconds from now; `share` of it is delivered.

    Of those that have not begun, the youngest are pending and the others being processed.
    """
    before = purchase.accepted_age + begins
    pending = before * 0.6 if begins < 0 else purchase.accepted_age * 0.4
    if purchase.age < PENDING_UNTIL:
        pending = purchase.accepted_age + begins * 0.6
    return DeliveryPlan(
        ending="completed" if share == 1 else "partial",
        pending_seconds=round(pending, 1),
        processing_seconds=round(before - pending, 1),
        running_seconds=round(ends - begins, 1),
        start_count=draw.randrange(20, 25_000),
        target=int(purchase.quantity * share),
    )


def _special(draw: Random, under_way: list[Purchase]) -> list[Purchase]:
    """Return one order that waits for one of those `under_way`, one that is being canceled, and one in doubt."""
    running = _purchase(draw, STUDIO, "YouTube likes", age=4_300)
    running.plan = _under_way(draw, running, begins=-3_700, ends=8_000, share=1)
    # The provider took the cancel, and carries it out in half a minute.
    running.canceled_after, running.cancel = running.accepted_age + 30, "accepted"
    doubt = _purchase(draw, STUDIO, DOUBTED, age=57 * 60, quantity=10_000, fate=Fate.DOUBT)
    doubt.plan = _under_way(draw, doubt, begins=-3_100, ends=40_000, share=1)
    (first,) = (one for one in under_way if one.good.name == TAKES_TURNS)
    waits = _purchase(draw, STUDIO, TAKES_TURNS, age=1_900, fate=Fate.WAITS, plan=None, link=first.link)
    return [running, doubt, waits]


def _ask(draw: Random, purchases: list[Purchase]) -> None:
    """Let customers ask for refills of completed orders, and once too late for a cancel."""
    done = [
        one
        for one in purchases
        if one.plan and one.plan.ending == "completed" and one.good.service.refill and not one.cancel and not one.drip
        if (ended := one.ended_age) and 3 * DAY < ended < 24 * DAY
    ]
    states = ("completed",) * 5 + ("rejected",) * 2 + ("refused", "pending")
    for purchase, state in zip(draw.sample(done, k=len(states)), states, strict=True):
        purchase.refill = state
    late = [one for one in done if not one.refill and one.good.service.cancel]
    for purchase in draw.sample(late, k=2):
        purchase.cancel = "refused"
