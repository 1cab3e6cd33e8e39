"""`manage.py run_round`: every round by its name, and the commands that rounds used to have."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from panel.ops.rounds import ROUNDS, Round
from panel.task_settings import beat_schedule

# Scheduled tasks that are not rounds: they take arguments, or check instead of working.
OTHERS = {"run_imports", "sync_catalogs", "check_ledger", "check_settings"}
# Rounds that never had a command of their own.
NEW = {
    "compare_payment_days",
    "count_customers",
    "count_late_orders",
    "credit_payments",
    "move_customers",
    "prune",
    "reckon_providers",
    "refresh_options",
    "send_look_mails",
    "tell_customers",
    "tell_owner",
    "tell_week",
    "watch_business",
    "watch_polls",
    "watch_services",
}


def output_of(*args: str) -> str:
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_rounds_when_compared_with_the_schedule_then_all_but_a_few():
    tasks = {entry["task"].rpartition(".")[2] for entry in beat_schedule.values()}
    assert set(ROUNDS) == tasks - OTHERS


@pytest.mark.once
@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(set(ROUNDS) - NEW))
def test_round_when_run_by_either_name_then_the_same_output(name):
    assert output_of("run_round", name) == output_of(name) != ""


@pytest.mark.django_db
def test_rounds_when_several_are_named_then_run_in_this_order(monkeypatch):
    ran: list[str] = []
    for name in ("poll_orders", "submit_orders"):
        monkeypatch.setitem(ROUNDS, name, Round(lambda name=name: ran.append(name) or 3, "", "{count} done."))
    assert output_of("run_round", "submit_orders", "poll_orders") == "3 done.\n3 done.\n"
    assert ran == ["submit_orders", "poll_orders"]


@pytest.mark.django_db
def test_round_when_providers_do_not_answer_then_the_command_fails(monkeypatch):
    monkeypatch.setattr("panel.ops.rounds.check_providers", lambda: 2)
    with pytest.raises(CommandError, match="2 providers did not answer"):
        call_command("run_round", "check_providers")


def test_round_when_unknown_then_the_error_lists_the_names():
    with pytest.raises(CommandError, match="submit_orders"):
        call_command("run_round", "dance")


@pytest.mark.django_db
def test_round_when_polls_are_watched_then_it_says_so():
    assert output_of("run_round", "watch_polls") == "The polls were checked.\n"
