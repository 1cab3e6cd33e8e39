"""Providers, their services and ours, import runs, and the history of prices."""

from __future__ import annotations

from catalog.models import (
    CatalogChange,
    Category,
    CustomerGroup,
    PriceChange,
    Provider,
    Service,
    ShelfMark,
    ShelfNews,
    SyncRun,
    UpstreamService,
)
from panel.alerts.models import Alert
from panel.lib.crypto import encrypt
from tests.bench.data.plan import DAY, SPAN, Plan
from tests.bench.data.writer import Writer, choose, literal

PLATFORMS = ("Instagram", "TikTok", "YouTube", "Facebook", "Telegram", "Spotify", "Twitter", "Twitch")
GOODS = ("Followers", "Likes", "Views", "Comments", "Shares", "Subscribers", "Plays", "Saves", "Members", "Story views")
QUALITIES = ("Real", "High quality", "Fast", "Slow", "Cheapest", "Premium", "Targeted", "Mixed")
PLACES = ("worldwide", "USA", "Brazil", "India", "Turkey", "Germany", "Arab countries", "Europe", "Russia")
# Most services have the type Default.
TYPES = (*("default",) * 17, "package", "mentions_user_followers", "poll")
RUNS_EACH = 60
GROUPS = {"Resellers": 500, "Agencies": 1_000, "Friends": 1_500}


def write_catalog(writer: Writer, plan: Plan, *, url: str) -> None:
    Category.objects.bulk_create(
        Category(name=f"{platform} {goods}", position=place)
        for place, (platform, goods) in enumerate((one, other) for one in PLATFORMS for other in GOODS)
    )
    CustomerGroup.objects.bulk_create(CustomerGroup(name=name, discount_bp=points) for name, points in GROUPS.items())
    _write_providers(writer, plan, url)
    _write_services(writer, plan)
    _write_imports(writer, plan)
    _write_price_changes()
    _write_alerts(writer)


def _write_providers(writer: Writer, plan: Plan, url: str) -> None:
    key = encrypt("bench")
    names = choose("n", ("Alpha Panel", "Boost Panel", "Crown Panel", "Delta Panel", "Echo Panel"))
    writer.insert(
        Provider,
        source=writer.numbers(plan.providers),
        id=f"{plan.first_provider} + n",
        name=f"{names} || ' ' || n",
        api_url=literal(url),
        api_key_encrypted=literal(key),
        balance="1000000000 * n",
        balance_checked_at=writer.ago("60 * n"),
        last_synced_at=writer.ago("600 * n"),
        created_at=writer.ago(SPAN),
    )


def _write_services(writer: Writer, plan: Plan) -> None:
    category = Category.objects.order_by("pk").values_list("pk", flat=True)[0]
    kinds = len(PLATFORMS) * len(GOODS)
    platform, goods = choose(f"n % {kinds} / {len(GOODS)}", PLATFORMS), choose(f"n % {kinds}", GOODS)
    name = f"{platform} || ' ' || {goods} || ' ' || {choose('n / 80', PLACES)} || ', ' || {choose('n / 7', QUALITIES)}"
    # Multiples of 400, so that the panel's margin of 25 % gives a multiple of the price step.
    rate = "400 * (1 + n * 6007 % 20000)"
    writer.insert(
        UpstreamService,
        source=writer.numbers(plan.services),
        id=f"{plan.first_upstream} + n",
        provider_id=f"{plan.first_provider} + 1 + n % {plan.providers}",
        external_id="'' || n",
        name=name,
        category=f"{platform} || ' ' || {goods}",
        type=choose("n", TYPES),
        rate=rate,
        min_quantity="10",
        max_quantity="100000",
        refill="n % 2 = 0",
        cancel="n % 3 <> 0",
        dripfeed="n % 5 = 0",
        is_listed="n % 50 <> 3",
        first_seen_at=writer.ago(f"{SPAN} - n"),
        changed_at=writer.ago("n * 3600 % 8000000"),
    )
    writer.insert(
        Service,
        source=writer.numbers(plan.services),
        id=f"{plan.first_service} + n",
        upstream_id=f"{plan.first_upstream} + n",
        category_id=f"{category} + n % {kinds}",
        name=f"{name} || ' #' || n",
        description="'Starts within an hour. Refill for 30 days.'",
        position="n",
        is_on_sale="n % 20 <> 3",
        cost=rate,
        price=f"{rate} * 5 / 4",
        created_at=writer.ago(f"{SPAN} - n"),
    )
    sold = f'"{Service._meta.db_table}" WHERE id > {plan.first_service}'
    writer.insert(
        ShelfMark,
        source=sold,
        service_id="id",
        is_sold=f"is_on_sale AND (id - {plan.first_service}) % 50 <> 3",
        price="price",
    )
    kind = choose("s.id + n", ("new", "cheaper", "dearer", "back"))
    writer.insert(
        ShelfNews,
        source=f'"{Service._meta.db_table}" s CROSS JOIN {writer.numbers(2)} WHERE s.id > {plan.first_service}',
        service_id="s.id",
        kind=kind,
        old_price=f"CASE WHEN {kind} IN ('cheaper', 'dearer') THEN s.price END",
        new_price="s.price",
        noticed_at=writer.ago("s.id * n * 977 % 7000000"),
    )


def _write_imports(writer: Writer, plan: Plan) -> None:
    writer.insert(
        SyncRun,
        source=writer.numbers(plan.providers * RUNS_EACH),
        provider_id=f"{plan.first_provider} + 1 + n % {plan.providers}",
        outcome=choose("n", (*("applied",) * 7, "failed", "refused")),
        phase="'done'",
        reason=f"CASE WHEN n % 9 > 6 THEN {literal('The list could not be read.')} ELSE '' END",
        listed=str(plan.services // plan.providers),
        changed="n % 40",
        requested_at=writer.ago("n * 3600"),
        started_at=writer.ago("n * 3600"),
        finished_at=writer.ago("n * 3600 - 30"),
    )
    writer.insert(
        CatalogChange,
        source=writer.numbers(plan.services // 2),
        provider_id=f"{plan.first_provider} + 1 + n % {plan.providers}",
        upstream_id=f"{plan.first_upstream} + n",
        service_id=f"{plan.first_service} + n",
        topic="'rate'",
        kind=choose("n", ("rate_up", "rate_down")),
        price_before="1000",
        price_after="1200",
        is_urgent="n % 100 = 0",
        created_at=writer.ago("n * 600"),
        changed_at=writer.ago("n * 600"),
        accepted_at=f"CASE WHEN n % 5 = 0 THEN {writer.ago('n * 300')} END",
    )


def _write_price_changes() -> None:
    PriceChange.objects.bulk_create(
        PriceChange(state="draft", source="panel", summary=f"Margin {one}%") for one in range(20, 70)
    )


def _write_alerts(writer: Writer) -> None:
    """Write alerts: a few are open, most are resolved."""
    writer.insert(
        Alert,
        source=writer.numbers(500),
        cause=f"'provider:' || n || ':' || {choose('n', ('funds', 'key', 'silent'))}",
        level=choose("n", ("warning", "danger")),
        text="'Provider ' || n || ' has not answered for an hour.'",
        created_at=writer.ago(f"n * {DAY} + 600"),
        last_seen_at=writer.ago(f"n * {DAY}"),
        resolved_at=f"CASE WHEN n > 4 THEN {writer.ago(f'n * {DAY}')} END",
        tell_due_at="NULL",
    )
