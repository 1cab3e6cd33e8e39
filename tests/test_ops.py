"""Operations: each invariant found when it breaks, alerts, health, secrets, and settings that say what is missing."""

from __future__ import annotations

import io
import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as site_settings
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from billing import append_only, ledger
from billing.models import Entry, Wallet
from catalog.imports.run import sync_provider
from catalog.provider_accounts import ProviderUnusable, check_providers, client_for, set_api_key
from orders.models import Order
from orders.states import Placement
from panel.alerts.models import Alert, Heartbeat
from panel.alerts.services import raise_alert, record_heartbeat, resolve_alert
from panel.env_file import add_demo_settings, write_env
from panel.lib.crypto import Undecryptable, decrypt, encrypt
from panel.ops.health import TICKING
from panel.ops.invariants import find_breaches
from panel.ops.tasks import check_ledger
from panel.sandbox.http import faults
from tests import make
from tests.logs import log_lines
from tests.threads import in_background, in_threads, wait_for_a_blocked_connection

ROOT = site_settings.BASE_DIR

BALANCE = "balance = sum of entries"
NUMBERS = "entries are numbered without a gap"
CHAIN = "balances chain from entry to entry"
ORDER_SUM = "an order's entries = charge - refunded"
ONE_CHARGE = "exactly one charge an order, from its customer's wallet"
BELONGS = "an entry of an order belongs to an order of the wallet's customer"
REFUNDED = "0 <= refunded <= charge"
UNIQUE_ID = "provider and upstream id are unique"
LEASE = "nothing is placing past its lease"
DOUBT = "no doubt is past its deadline without review"
HELD = "nothing waits in the queue past its limit"
TRIGGERS = "entries are append-only"


# -- tampering ---------------------------------------------------------------------------------------


def execute(*statements, params=None):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, params)


@contextmanager
def unguarded():
    """Without the triggers on entries and the check on refunds, inside the test's transaction."""
    if connection.vendor == "postgresql":
        # No foreign key may wait for its check, or the table cannot be altered.
        execute("SET CONSTRAINTS ALL IMMEDIATE", *append_only.REMOVE["postgresql"])
        execute("ALTER TABLE orders_order DROP CONSTRAINT order_refund_within_charge")
    else:
        execute("PRAGMA ignore_check_constraints = ON", *append_only.REMOVE["sqlite"])
    try:
        yield
    finally:
        # The constraint comes back with the rollback; the triggers now, so that only the tampering shows.
        execute(*append_only.INSTALL[connection.vendor])
        if connection.vendor == "sqlite":
            execute("PRAGMA ignore_check_constraints = OFF")


def found():
    return [breach.invariant for breach in find_breaches()]


@pytest.fixture
def shop(customer):
    """Alice with one order of $0.25, paid: entries +10,000,000 and -250,000."""
    sold = make.service(make.provider())
    return make.placed_order(customer, sold, upstream_id="9001")


def wallet_of(user):
    return Wallet.objects.get(customer=user).pk


def post(user, amount, kind, key, order_ref=None):
    return ledger.post(wallet_id=wallet_of(user), amount=amount, kind=kind, key=key, order_ref=order_ref)


def last_entry(user):
    return Entry.objects.filter(wallet__customer=user).order_by("seq").last()


# -- the invariants ----------------------------------------------------------------------------------


def test_check_ledger_when_all_is_well_then_clean(shop, customer, other, capsys):
    post(customer, 40_000, "refund", "r", shop.pk)
    Order.objects.filter(pk=shop.pk).update(refunded=40_000)
    assert find_breaches() == []
    call_command("check_ledger")
    assert "Clean: 2 wallets, 4 entries, 1 orders." in capsys.readouterr().out


def test_check_ledger_when_there_is_nothing_then_clean(db):
    assert find_breaches() == []


@pytest.mark.parametrize("change", ["balance + 1", "balance - 1", "0"])
def test_check_ledger_when_a_balance_was_changed_then_found(shop, customer, change):
    execute(f"UPDATE billing_wallet SET balance = {change} WHERE id = %s", params=[wallet_of(customer)])
    [breach] = find_breaches()
    assert breach.invariant == BALANCE
    balance = make.wallet(customer).balance
    assert breach.rows == [f"wallet {wallet_of(customer)}: balance {balance}, entries sum up to 9750000"]


def test_check_ledger_when_wallet_without_entries_holds_money_then_found(db):
    user = make.customer("carol@example.org")
    Wallet.objects.create(customer=user, balance=5)
    assert found() == [BALANCE]


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE billing_wallet SET version = version + 1 WHERE id = {wallet}",
        "UPDATE billing_entry SET seq = 3 WHERE wallet_id = {wallet} AND seq = 2",
        "UPDATE billing_entry SET seq = 0 WHERE wallet_id = {wallet} AND seq = 1",
    ],
)
def test_check_ledger_when_numbers_have_a_gap_then_found(shop, customer, tamper):
    with unguarded():
        execute(tamper.format(wallet=wallet_of(customer)))
    assert found() == [NUMBERS]


def test_check_ledger_when_last_entry_was_deleted_with_its_money_then_found(customer):
    post(customer, 5, "bonus", "b")
    with unguarded():
        execute("DELETE FROM billing_entry WHERE key = 'b'", "UPDATE billing_wallet SET balance = balance - 5")
    assert found() == [NUMBERS]


def test_check_ledger_when_balance_after_was_changed_then_found(shop, customer):
    with unguarded():
        execute(
            "UPDATE billing_entry SET balance_after = balance_after + 7 WHERE id = %s", params=[last_entry(customer).pk]
        )
    [breach] = find_breaches()
    assert breach.invariant == CHAIN
    assert breach.rows == [f"wallet {wallet_of(customer)}, entry 2: balance after 9750007, expected 9750000"]


def test_check_ledger_when_two_amounts_were_exchanged_then_found_though_the_sum_is_right(customer):
    post(customer, 3, "bonus", "b")
    with unguarded():
        execute("UPDATE billing_entry SET amount = 10000003 - amount")
    assert found() == [CHAIN]


def test_check_ledger_when_first_entry_does_not_start_from_zero_then_found(customer):
    with unguarded():
        execute(
            "UPDATE billing_entry SET amount = amount + 1",
            "UPDATE billing_wallet SET balance = balance + 1",
        )
    assert found() == [CHAIN]


def test_check_ledger_when_money_went_back_but_the_order_does_not_say_so_then_found(shop, customer):
    post(customer, 40_000, "refund", "r", shop.pk)
    [breach] = find_breaches()
    assert breach.invariant == ORDER_SUM
    assert breach.rows == [f"order {shop.pk}: charge 250000, refunded 0, entries sum up to -210000"]


def test_check_ledger_when_the_order_says_refunded_but_no_money_went_back_then_found(shop):
    Order.objects.filter(pk=shop.pk).update(refunded=40_000)
    assert found() == [ORDER_SUM]


def test_check_ledger_when_order_was_never_charged_then_found(shop, customer):
    with unguarded():
        execute(
            "DELETE FROM billing_entry WHERE kind = 'order'",
            "UPDATE billing_wallet SET balance = balance + 250000, version = 1",
        )
    assert found() == [ORDER_SUM, ONE_CHARGE]


def test_check_ledger_when_order_was_charged_twice_and_once_given_back_then_found(shop, customer):
    post(customer, -250_000, "order", "again", shop.pk)
    post(customer, 250_000, "refund", "back", shop.pk)
    [breach] = find_breaches()
    assert breach.invariant == ONE_CHARGE
    assert breach.rows == [f"order {shop.pk}: 2 charges"]


def test_check_ledger_when_another_customer_paid_the_order_then_found(shop, customer, other):
    with unguarded():
        execute("DELETE FROM billing_entry WHERE kind = 'order'")
    Wallet.objects.filter(customer=customer).update(balance=10_000_000, version=1)
    post(other, -250_000, "order", "his", shop.pk)
    assert found() == [ONE_CHARGE, BELONGS]


def test_check_ledger_when_another_customer_got_the_refund_then_found(shop, other):
    entry = post(other, 40_000, "refund", "r", shop.pk).entry
    Order.objects.filter(pk=shop.pk).update(refunded=40_000)
    [breach] = find_breaches()
    assert breach.invariant == BELONGS
    assert breach.rows == [f"entry {entry.pk}: order {shop.pk}, wallet {wallet_of(other)}"]


@pytest.mark.parametrize(("kind", "amount"), [("order", -5), ("refund", 5)])
@pytest.mark.parametrize("order_ref", [None, 999_999_999])
def test_check_ledger_when_entry_names_no_order_then_found(shop, customer, kind, amount, order_ref):
    post(customer, amount, kind, "k", order_ref)
    assert found() == [BELONGS]


def test_check_ledger_when_refund_exceeds_the_charge_then_found(shop, customer):
    post(customer, 250_001, "refund", "r", shop.pk)
    with unguarded():
        execute("UPDATE orders_order SET refunded = 250001")
        assert found() == [REFUNDED, TRIGGERS]
    assert found() == [REFUNDED]


def test_check_ledger_when_refund_is_negative_then_found(shop, customer):
    post(customer, -5, "refund", "r", shop.pk)
    with unguarded():
        execute("UPDATE orders_order SET refunded = -5")
    assert found() == [REFUNDED]


def test_check_ledger_when_two_orders_have_one_upstream_id_then_found(shop, customer):
    second = make.placed_order(customer, shop.service, upstream_id="9002")
    with unguarded():
        execute("DROP INDEX order_upstream_id_unique")
        execute("UPDATE orders_order SET upstream_id = '9001' WHERE id = %s", params=[second.pk])
    [breach] = find_breaches()
    assert breach.invariant == UNIQUE_ID
    assert breach.rows == [f"provider {shop.provider_id}, id 9001: 2 orders"]


def test_check_ledger_when_two_providers_gave_one_id_then_clean(shop, customer):
    elsewhere = make.service(make.provider(name="Second"))
    make.placed_order(customer, elsewhere, upstream_id="9001")
    assert find_breaches() == []


@pytest.mark.parametrize(("seconds", "expected"), [(30, []), (90, [LEASE])])
def test_check_ledger_when_placing_is_past_its_lease_then_found(shop, seconds, expected):
    Order.objects.update(placement=Placement.PLACING, lease_until=timezone.now() - timedelta(seconds=seconds))
    assert found() == expected


@pytest.mark.parametrize(
    ("seconds", "review", "expected"), [(30, "", []), (90, "", [DOUBT]), (90, "doubt", []), (-900, "", [])]
)
def test_check_ledger_when_doubt_is_past_its_deadline_without_review_then_found(shop, seconds, review, expected):
    Order.objects.update(
        placement=Placement.IN_DOUBT,
        doubt_until=timezone.now() - timedelta(seconds=seconds),
        review_reason=review,
    )
    assert found() == expected


@pytest.mark.parametrize(
    ("hours", "review", "expected"),
    [(23, "", []), (26, "", [HELD]), (26, "would_lose", [HELD]), (26, "unknown_error", [])],
)
def test_check_ledger_when_an_order_waits_in_the_queue_past_the_limit_then_found(shop, hours, review, expected):
    Order.objects.update(
        placement=Placement.QUEUED,
        status="pending",
        queued_at=timezone.now() - timedelta(hours=hours),
        review_reason=review,
    )
    assert found() == expected


@pytest.mark.parametrize("name", append_only.NAMES)
def test_check_ledger_when_a_trigger_is_missing_then_found(shop, name):
    if connection.vendor == "postgresql":
        execute("SET CONSTRAINTS ALL IMMEDIATE", f"DROP TRIGGER {name} ON billing_entry")
    else:
        execute(f"DROP TRIGGER {name}")
    assert found() == [TRIGGERS]


@pytest.mark.postgresql
def test_check_ledger_when_a_trigger_is_disabled_then_found(shop):
    execute("SET CONSTRAINTS ALL IMMEDIATE", "ALTER TABLE billing_entry DISABLE TRIGGER billing_entry_no_update")
    assert found() == [TRIGGERS]


def test_check_ledger_when_many_rows_break_then_the_first_twenty_are_shown(db):
    for number in range(25):
        Wallet.objects.create(customer=make.customer(f"c{number}@example.org"), balance=1)
    [breach] = find_breaches()
    assert len(breach.rows) == 20


def test_check_ledger_task_when_broken_then_urgent_alert_that_ends_once_it_holds_again(shop, customer):
    Wallet.objects.filter(customer=customer).update(balance=9_750_001)
    check_ledger()
    check_ledger()
    alert = Alert.objects.get()
    assert (alert.cause, alert.level, alert.count, alert.resolved_at) == ("ledger", "danger", 2, None)
    assert "balance 9750001, entries sum up to 9750000" in alert.text
    Wallet.objects.filter(customer=customer).update(balance=9_750_000)
    check_ledger()
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert Heartbeat.objects.filter(task="check_ledger").exists()


def database_url():
    """The address of the test database, for another process."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    base = os.environ["DATABASE_URL"]
    return f"{base.rpartition('/')[0]}/{name}"


def run_python(*arguments, **environment):
    """Another process of the project, with nothing of this one's settings."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ.get("PATH", ""),
            "ENV_FILE": os.devnull,
            "DJANGO_SETTINGS_MODULE": "panel.settings",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


SECRETS = {"SECRET_KEY": "x" * 60, "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode()}


@pytest.mark.django_db(transaction=True)
def test_check_ledger_command_when_broken_then_it_exits_with_1_and_shows_the_rows():
    user = make.customer("alice@example.org", funds="10")
    clean = run_python("manage.py", "check_ledger", DATABASE_URL=database_url(), **SECRETS)
    assert (clean.returncode, clean.stdout) == (0, "Clean: 1 wallets, 1 entries, 0 orders.\n")
    Wallet.objects.update(balance=1)
    broken = run_python("manage.py", "check_ledger", DATABASE_URL=database_url(), **SECRETS)
    assert broken.returncode == 1
    assert f"BROKEN  {BALANCE}" in broken.stdout
    assert f"wallet {wallet_of(user)}: balance 1, entries sum up to 10000000" in broken.stdout
    assert "1 invariants do not hold." in broken.stderr
    with pytest.raises(CommandError):
        call_command("check_ledger", stdout=io.StringIO())


@pytest.mark.django_db(transaction=True)
def test_check_ledger_when_money_moves_meanwhile_then_no_false_alarm():
    user = make.customer("alice@example.org", funds="10")
    wallet = wallet_of(user)

    def move():
        for number in range(40):
            ledger.post(wallet_id=wallet, amount=-1, kind="adjustment", key=f"m:{number}")

    def check():
        return [found() for _ in range(25)]

    _, first, second = in_threads(move, check, check)
    assert first == second == [[]] * 25
    assert make.wallet(user).balance == 9_999_960


# -- alerts ------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_raise_alert_when_repeated_then_one_row_that_counts():
    raise_alert(cause="provider:1:funds", text="Out of money", level="danger")
    raise_alert(cause="provider:1:funds", text="Still out of money")
    raise_alert(cause="provider:2:funds", text="Another one")
    rows = Alert.objects.order_by("pk").values_list("cause", "text", "level", "count")
    assert list(rows) == [
        ("provider:1:funds", "Still out of money", "danger", 2),
        ("provider:2:funds", "Another one", "warning", 1),
    ]


@pytest.mark.django_db
def test_resolve_alert_when_open_then_closed_and_the_next_is_a_new_one():
    resolve_alert(cause="c")
    raise_alert(cause="c", text="first")
    resolve_alert(cause="c")
    resolve_alert(cause="c")
    raise_alert(cause="c", text="second")
    assert list(Alert.objects.order_by("pk").values_list("text", "count")) == [("first", 1), ("second", 1)]
    assert Alert.objects.get(resolved_at=None).text == "second"


@pytest.mark.django_db
def test_raise_alert_when_text_is_long_then_cut_and_the_transaction_lives_on():
    with transaction.atomic():
        raise_alert(cause="c", text="x" * 5_000)
        raise_alert(cause="c", text="y" * 5_000)
    assert Alert.objects.get().text == "y" * 500


@pytest.mark.django_db(transaction=True)
def test_raise_alert_when_8_threads_see_the_same_trouble_then_one_row():
    results = in_threads(*[lambda: raise_alert(cause="c", text="trouble")] * 8)
    assert results == [None] * 8
    assert list(Alert.objects.values_list("cause", "count", "resolved_at")) == [("c", 8, None)]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_raise_alert_when_another_opens_it_between_look_and_insert_then_it_counts_on_that_one():
    with transaction.atomic():
        raise_alert(cause="c", text="first")
        # The second cannot see the first yet; its insert waits for what becomes of it.
        second = in_background(lambda: raise_alert(cause="c", text="second"))
        wait_for_a_blocked_connection()
    assert second() is None
    assert list(Alert.objects.values_list("text", "count", "resolved_at")) == [("second", 2, None)]


@pytest.mark.django_db
def test_alert_when_a_second_open_one_is_inserted_then_the_database_refuses():
    raise_alert(cause="c", text="first")
    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.create(cause="c", text="second")
    assert Alert.objects.get().text == "first"


# -- health ------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_healthz_when_all_is_well_then_ok(client):
    for task in TICKING:
        record_heartbeat(task=task)
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"database": "ok", "cache": "ok", "tasks": "ok"}
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.django_db
def test_healthz_when_tasks_are_late_then_told_and_still_200(client):
    assert client.get("/healthz").json()["tasks"] == f"late: {', '.join(TICKING)}"
    for task in TICKING:
        record_heartbeat(task=task)
    Heartbeat.objects.filter(task="poll_orders").update(beat_at=timezone.now() - timedelta(minutes=3))
    response = client.get("/healthz")
    assert (response.status_code, response.json()["tasks"]) == (200, "late: poll_orders")


@pytest.mark.django_db
def test_healthz_when_cache_is_down_then_503(client, settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9/0"}
    }
    response = client.get("/healthz")
    assert response.status_code == 503
    assert (response.json()["database"], response.json()["cache"]) == ("ok", "down")


def test_healthz_when_database_is_down_then_503_and_nothing_of_it_is_told():
    script = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "response = Client().get('/healthz', headers={'host': 'localhost'})\n"
        "print(response.status_code, response.content.decode())"
    )
    run = run_python("-c", script, DATABASE_URL="postgres://user:hunter2@127.0.0.1:9/panel", **SECRETS)
    assert run.stdout.strip() == '503 {"database": "down", "cache": "ok"}', run.stderr
    assert "hunter2" not in run.stdout + run.stderr


@pytest.mark.django_db
def test_healthz_when_posted_to_then_405(client):
    assert client.post("/healthz").status_code == 405


# -- secrets at rest ---------------------------------------------------------------------------------


def test_encrypt_then_decrypt_gives_the_secret_and_the_text_does_not_show_it():
    for secret in ("", "k", "sk_live_key", "é中👍", "x" * 5_000):
        text = encrypt(secret)
        assert text.isascii()
        assert len(secret) < 2 or secret not in text
        assert decrypt(text) == secret
    assert encrypt("same") != encrypt("same")


def test_decrypt_when_keys_were_rotated_then_old_secrets_open_until_the_old_key_goes(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    first = encrypt("secret")
    settings.FIELD_ENCRYPTION_KEYS = [new, f" {old} "]
    assert decrypt(first) == "secret"
    second = encrypt("secret")
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert decrypt(second) == "secret"
    with pytest.raises(Undecryptable) as caught:
        decrypt(first)
    assert "secret" not in str(caught.value).replace("stored secret", "")
    assert old not in str(caught.value)


@pytest.mark.parametrize("text", ["", "x", "é", "gAAAAA==", "A" * 200])
def test_decrypt_when_text_is_damaged_then_undecryptable(text):
    with pytest.raises(Undecryptable):
        decrypt(text)


KEY = "sk-live-7f3a9c51e2d84b60"


@pytest.fixture
def keyed(provider, upstream):
    """The connected provider with a key that looks like one."""
    upstream.key = upstream.provider.key = KEY
    set_api_key(provider=provider, api_key=f" {KEY}\n")
    provider.save()
    return provider


def test_provider_key_when_stored_then_encrypted_in_every_column(keyed):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM catalog_provider")
        [row] = cursor.fetchall()
    assert KEY not in str(row)
    assert KEY not in repr(keyed) + repr(client_for(keyed)) + repr(keyed.__dict__)
    assert decrypt(keyed.api_key_encrypted) == KEY


def test_provider_key_when_echoed_by_the_provider_then_in_no_log_alert_or_run(keyed, upstream):
    echo = f'{{"error": "Invalid API key {KEY}, sent as key={KEY}"}}'.encode()
    upstream.inject(faults.answer(body=echo, times=None))
    with log_lines() as stream:
        run = sync_provider(provider=keyed)
        assert check_providers() == 1
    assert run.outcome == "failed"
    assert "Invalid API key" in run.reason
    told = run.reason + "".join(Alert.objects.values_list("text", flat=True))
    assert Alert.objects.count() == 2
    assert KEY not in told
    assert "alert raised" in stream.getvalue()
    assert KEY not in stream.getvalue()
    # It was really sent, or this would show nothing.
    assert len(upstream.requests_of("services")) == 1


def test_provider_key_when_connection_fails_then_in_no_log_or_alert(keyed, upstream):
    upstream.inject(faults.refuse(times=None))
    with log_lines() as stream:
        sync_provider(provider=keyed)
    assert KEY not in stream.getvalue() + Alert.objects.get().text


def test_provider_key_when_encryption_keys_are_lost_then_unusable_in_words_and_nothing_is_sent(
    keyed, upstream, settings
):
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(ProviderUnusable, match="Enter the API key again"):
        client_for(keyed)
    assert check_providers() == 1
    assert upstream.requests == []


# -- settings ----------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("name", sorted(SECRETS))
def test_settings_when_a_secret_is_missing_then_the_message_says_which_and_what_to_do(name):
    given = {other: value for other, value in SECRETS.items() if other != name}
    run = run_python("manage.py", "check", **given)
    assert run.returncode != 0
    last = run.stderr.strip().splitlines()[-1]
    assert f"{name} is not set: " in last
    assert "python -m panel.env_file" in last
    assert all(value not in run.stderr for value in given.values())


@pytest.mark.once
def test_settings_when_both_secrets_are_given_then_the_checks_pass():
    run = run_python("manage.py", "check", **SECRETS)
    assert (run.returncode, run.stderr) == (0, ""), run.stderr
    assert "no issues" in run.stdout


@pytest.mark.once
def test_settings_when_encryption_key_is_malformed_then_the_check_stops_the_start():
    run = run_python("manage.py", "check", **{**SECRETS, "FIELD_ENCRYPTION_KEYS": "not-a-key"})
    assert run.returncode == 1
    assert "panel.E001" in run.stderr
    assert "not-a-key" not in run.stderr


def ids():
    return {problem.id for problem in run_checks()}


def test_checks_when_settings_are_in_order_then_silent():
    assert not {one for one in ids() if one.startswith("panel.")}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("FIELD_ENCRYPTION_KEYS", ["not-a-key"], "panel.E001"),
        ("FIELD_ENCRYPTION_KEYS", [Fernet.generate_key().decode(), ""], "panel.E001"),
        ("FIELD_ENCRYPTION_KEYS", ["é" * 44], "panel.E001"),
        ("PANEL_ACCENT", "red; } body { display: none", "panel.E002"),
        ("PANEL_ACCENT", "#4f46e5\n", "panel.E002"),
        ("PANEL_ACCENT", "#fff", "panel.E002"),
        ("PANEL_CURRENCY", "usd", "panel.E003"),
        ("PANEL_CURRENCY", "$", "panel.E003"),
        ("PANEL_CURRENCY", "", "panel.E003"),
        ("API_RATE_PER_KEY", "1200", "panel.E011"),
        ("API_RATE_PER_KEY", "0/m", "panel.E011"),
        ("API_RATE_PER_KEY", "1200/minute", "panel.E011"),
        ("API_RATE_PER_ADDRESS", "", "panel.E011"),
        ("API_DUPLICATE_WINDOW", -1, "panel.E012"),
        ("API_DUPLICATE_WINDOW", 86_401, "panel.E012"),
    ],
)
def test_checks_when_a_setting_is_malformed_then_error(settings, name, value, expected):
    setattr(settings, name, value)
    assert expected in ids()


def test_checks_when_caches_are_private_in_production_then_warning(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

    def deploy():
        return {problem.id for problem in run_checks(include_deployment_checks=True)}

    settings.USES_SQLITE = False
    assert "panel.W001" in deploy()
    assert "panel.W001" not in ids()
    settings.USES_SQLITE = True
    assert "panel.W001" not in deploy()


@pytest.mark.parametrize(("version", "missing"), [((3, 32, 3), True), ((3, 33, 0), False), ((3, 45, 1), False)])
def test_checks_when_sqlite_is_too_old_to_follow_orders_then_error(settings, monkeypatch, version, missing):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    settings.USES_SQLITE = True
    assert ("panel.E010" in ids()) == missing
    settings.USES_SQLITE = False
    assert "panel.E010" not in ids()


# -- .env --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("demo", [False, True])
def test_write_env_when_there_is_none_then_fresh_secrets_for_the_owner_alone(tmp_path, demo):
    before = os.umask(0)
    try:
        assert write_env(tmp_path / ".env")
        assert write_env(tmp_path / "another")
    finally:
        os.umask(before)
    if demo:
        add_demo_settings(tmp_path / ".env")
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    lines = (tmp_path / ".env").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert len(values["SECRET_KEY"]) > 50
    Fernet(values["FIELD_ENCRYPTION_KEYS"])
    assert ("UPSTREAM_ALLOW_PRIVATE" in values) is demo
    assert ("DEMO_PASSWORD" in values) is demo
    # Each is its own.
    text = (tmp_path / "another").read_text()
    assert values["SECRET_KEY"] not in text
    assert values["FIELD_ENCRYPTION_KEYS"] not in text


def test_write_env_when_one_is_there_then_untouched(tmp_path):
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=mine\n")
    path.chmod(0o640)
    assert not write_env(path)
    assert path.read_text() == "SECRET_KEY=mine\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_add_demo_settings_when_some_are_there_then_only_what_is_missing_is_added(tmp_path):
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=mine\nDEMO_PASSWORD=chosen\n")
    assert "DEMO_PASSWORD" not in add_demo_settings(path)
    text = path.read_text()
    assert text.startswith("SECRET_KEY=mine\nDEMO_PASSWORD=chosen\n") and "UPSTREAM_ALLOW_PRIVATE=true" in text
    assert add_demo_settings(path) == []


@pytest.mark.once
@pytest.mark.parametrize(
    ("given", "checks"),
    [
        ({"SUBMISSION_LEASE_SECONDS": "61"}, ["panel.E005"]),
        ({"UPSTREAM_ADD_TIMEOUT": "100"}, ["panel.E005"]),
        (
            {
                "POLL_INTERVALS": "0,5",
                "DOUBT_DEADLINE_MINUTES": "0",
                "SITE_URL": "panel.example.com",
                "UPSTREAM_ADD_TIMEOUT": "0",
                "QUEUE_LIMIT_HOURS": "0",
            },
            ["panel.E004", "panel.E006", "panel.E007", "panel.E008", "panel.E009"],
        ),
    ],
)
def test_check_when_settings_cannot_work_then_it_says_so_of_each(tmp_path, given, checks):
    write_env(tmp_path / ".env")
    run = run_python("manage.py", "check", ENV_FILE=str(tmp_path / ".env"), **given)
    assert run.returncode != 0
    assert sorted(re.findall(r"\((panel\.E\d+)\)", run.stderr)) == checks, run.stderr


@pytest.mark.once
def test_empty_settings_mean_not_set(tmp_path):
    """Copied from the example file as it is, every line must leave the default in place."""
    write_env(tmp_path / ".env")
    names = ("ALLOWED_HOSTS", "POLL_INTERVALS", "DATABASE_URL", "CACHE_URL", "DOUBT_DEADLINE_MINUTES", "EMAIL_URL")
    code = "from django.conf import settings; print(settings.ALLOWED_HOSTS, settings.POLL_INTERVALS)"
    run = run_python(
        "manage.py",
        "shell",
        "--no-imports",
        "-c",
        code,
        ENV_FILE=str(tmp_path / ".env"),
        SITE_URL="https://panel.example.com",
        **dict.fromkeys(names, ""),
    )
    assert "['panel.example.com'] [60, 300, 900, 3600]" in run.stdout, run.stderr


def test_write_env_when_the_name_is_a_dangling_link_then_nothing_is_written_behind_it(tmp_path):
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    assert not write_env(tmp_path / ".env")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.once
def test_written_env_when_used_then_the_site_starts(tmp_path):
    assert write_env(tmp_path / ".env")
    assert add_demo_settings(tmp_path / ".env")
    run = run_python("manage.py", "check", ENV_FILE=str(tmp_path / ".env"))
    assert run.returncode == 0, run.stderr
