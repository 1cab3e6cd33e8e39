"""Upgrades an installation of the release before that has orders, money and messages in every state."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.chain.processes import ROOT, Process
from tests.outages.broker import queue_of
from tests.upgrade.release import run_python, take_release_before
from tests.upgrade.story import ALERT, CUSTOMER, FORGETFUL, INVITED, INVITED_LATELY, OWNER, PREFIX, Upgrade, link_of

pytestmark = pytest.mark.proof

# Names that this release withdrew on purpose: the page “Activity” replaced the admin's log, pruning deletes sessions.
# The page of an app has the names of all apps in its address.
WITHDRAWN = {
    "pages": ("/admin/admin/logentry/", "admin:app_list at "),
    "scheduled tasks": ("panel.ops.tasks.clear_sessions",),
}
NEW_PASSWORD = "another horse battery"
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(scope="module")
def release_before(tmp_path_factory: Any) -> Path:
    return take_release_before(tmp_path_factory.mktemp("upgrade"))


@pytest.fixture(scope="module", params=ENGINES)
def upgraded(request: Any, release_before: Path, tmp_path_factory: Any) -> Iterator[Upgrade]:
    """Let the release before work, then only migrate with this one."""
    with ExitStack() as closing:
        began = time.monotonic()
        folder = tmp_path_factory.mktemp(request.param)
        made = Upgrade(release_before, folder, closing, in_file=request.param == "sqlite")
        made.live_before()
        made.new.manage("check")
        applied = made.new.manage("migrate", "--no-color")
        assert "Applying orders." in applied, applied  # Else the release before began with the tables of this one.
        print(f"\n{request.param}: {applied}")
        made.new.manage("collectstatic", "--no-input", "-v", "0")
        made.shown_after = made.shown_by(made.new)
        made.names_after = made.new.names()
        yield made
        print(f"\n{request.param}: {time.monotonic() - began:.0f} s")


def test_upgrade_when_migrated_then_both_releases_show_the_same(upgraded):
    before, orders = upgraded.shown_before, upgraded.shown_before["orders"]
    assert upgraded.shown_after == before
    assert {order["placement"] for order in orders} == {"queued", "placed", "in_doubt"}
    assert {"partial", "completed", "in_progress"} <= {order["status"] for order in orders}
    assert len(before["services"]) == 2 and "balance" in before["balance"]
    assert {answer["status"] for answer in before["statuses"].values()} >= {"Partial", "Completed", "In progress"}
    assert "No changes" in upgraded.new.manage("makemigrations", "--check", "--dry-run")
    print(upgraded.new.manage("check_ledger"))


def test_names_when_upgraded_then_all_old_ones_exist(upgraded):
    before, after = upgraded.names_before, upgraded.names_after
    print({kind: len(names) for kind, names in before.items()})
    gone = {kind: sorted(set(names) - set(after[kind])) for kind, names in before.items()}
    left = {
        kind: [name for name in names if not any(one in name for one in WITHDRAWN.get(kind, ()))]
        for kind, names in gone.items()
    }
    assert not {kind: names for kind, names in left.items() if names}
    # A model whose label changed would exist twice, and no role would have rights on the new one.
    for kind in ("models", "content types", "permissions"):
        assert len(after[kind]) == len(set(after[kind]))
        moved = {_bare(name) for name in set(after[kind]) - set(before[kind])} & set(map(_bare, before[kind]))
        assert not moved, kind
    assert set(after["content types"]) == set(after["models"]), "content types of models that no longer exist"


def _bare(name: str) -> str:
    return name.partition(".")[2]


def test_sessions_and_links_when_made_before_then_they_still_work(upgraded):
    new = upgraded.new
    status, text = new.do("visit", path="/orders/", session=upgraded.sessions[CUSTOMER])
    assert status == 200 and link_of("partial") in text
    status, text = new.do("visit", path="/admin/ops/alert/", session=upgraded.sessions[OWNER])
    assert status == 200 and ALERT in text
    for email, link in ((INVITED, upgraded.invitation_link), (FORGETFUL, upgraded.reset_link)):
        status, text = new.do("choose_password", link=link, password=NEW_PASSWORD)
        assert status == 200, text
        assert new.do("sign_in", email=email, password=NEW_PASSWORD)


def test_release_before_when_schema_is_new_then_it_still_works(upgraded):
    old, service = upgraded.old, upgraded.reserve_service
    links = [link_of("by-the-release-before"), link_of("by-the-release-before-as-well")]
    for link in links:
        old.do("order", email=CUSTOMER, service=service, link=link)
    assert old.do("send_to", provider="Reserve") == 2
    assert [order.link for order in upgraded.reserve.orders()] == links
    balance = old.do("money", email=CUSTOMER)["balance"]
    old.do("adjust", email=CUSTOMER, amount=1_500_000, reason="A gift")
    old.do("adjust", email=CUSTOMER, amount=-500_000, reason="Not so large a gift")
    assert upgraded.new.do("money", email=CUSTOMER)["balance"] == balance + 1_000_000
    upgraded.new.manage("check_ledger")


def test_messages_when_sent_before_then_new_worker_handles_each(upgraded):
    assert {name for name, _ in upgraded.messages} == set(upgraded.names_before["tasks"])
    began, beats = time.monotonic(), upgraded.old.do("heartbeats")
    mail_counts = {address: len(upgraded.mails_to(address)) for address in (CUSTOMER, INVITED_LATELY)}
    waiting = upgraded.broker.waiting()
    # This release has another key for messages, and those of before are lost: they are hints. Each is moved, to see
    # that this release knows all their names and arguments.
    with upgraded.broker.client() as broker:
        broker.rename(queue_of(), queue_of(PREFIX))
    worker = upgraded.new.start("worker")
    lines = [f"Task {name}[{number}] received" for name, number in upgraded.messages]
    upgraded.wait_until(
        worker, messages=lambda: _knows_all_tasks(worker) and all(line in _printed(worker) for line in lines)
    )
    done = time.monotonic() - began
    # Work that depends on other work, or whose provider was busy, is done in a later round.
    beat = upgraded.new.start("beat", "--scheduler", "celery.beat:Scheduler", "--pidfile=")
    once = Counter({link_of(name): 1 for name in upgraded.orders}) + Counter({upgraded.drip_link: 2})
    upgraded.wait_until(
        worker,
        orders=lambda: upgraded.links_sent() >= once,
        cancel=lambda: bool(upgraded.upstream.requests_of("cancel")),
        refill=lambda: bool(upgraded.upstream.requests_of("refill")),
        mails=lambda: all(len(upgraded.mails_to(address)) > count for address, count in mail_counts.items()),
        heartbeats=lambda: all(at > beats[task] for task, at in upgraded.new.do("heartbeats").items() if task in beats),
        polled=lambda: upgraded.order("running")["remains"] == 10,
        doubt=lambda: upgraded.order("in-doubt")["placement"] == "placed",
    )
    beat.close()
    worker.signal(signal.SIGTERM)  # The worker finishes its tasks first.
    upgraded.wait_until(worker, end=lambda: worker.exit_code == 0)
    assert upgraded.links_sent() == once
    assert [len(upgraded.upstream.requests_of(action)) for action in ("cancel", "refill")] == [1, 1]
    assert {address: len(upgraded.mails_to(address)) for address in mail_counts} == {
        address: count + 1 for address, count in mail_counts.items()
    }
    assert _knows_all_tasks(worker)
    assert not [line for line in _printed(worker).splitlines() if '"level": "error"' in line]
    upgraded.new.manage("check_ledger")
    print(f"{waiting} messages, {len(lines)} of them checked by id: received after {done:.0f} s")


def _knows_all_tasks(worker: Process) -> bool:
    """Return True. Fail at once if the worker does not know a task, because it then discards the message."""
    assert "Received unregistered task" not in _printed(worker), worker.printed()
    return True


def _printed(process: Process) -> str:
    return process.log.read_text(errors="replace")


def test_env_file_when_written_before_then_this_release_runs_with_it(release_before, tmp_path):
    print(run_python(release_before, "-m", "panel.env_file", "--demo"))
    environment = {"ENV_FILE": str(release_before / ".env"), "VAR_DIR": str(tmp_path)}
    assert "no issues" in run_python(ROOT, "manage.py", "check", **environment)
    assert "--speed" in run_python(ROOT, "manage.py", "sandbox_provider", "--help", **environment)
