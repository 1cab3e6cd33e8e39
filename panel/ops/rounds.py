"""One round of a periodic task, for cron and for people: `manage.py run_round`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.intake.options import refresh_due_options
from billing.intake.rounds import run_payments
from billing.mails import send_due_mails
from billing.reconciliation.days import run_comparisons
from catalog.provider_accounts import check_providers
from catalog.shop.changelog import record_shop_changes
from orders.checkout.drip_feeds import begin_due_runs
from orders.dispatch.submit import submit_due_orders
from orders.dispatch.timeouts import meet_deadlines
from orders.reckoning.rounds import reckon_providers
from orders.reconcile.worker import reconcile_due_orders
from orders.reports.late_counts import count_late_orders
from orders.reports.statistics import count_figures
from orders.requests.refill_poll import poll_due_refills
from orders.requests.send import send_due_requests
from orders.tracking.canceled_services import watch_services
from orders.tracking.monitor import watch_polls
from orders.tracking.poll import poll_due_orders
from panel.accounts.mails import send_account_mails
from panel.alerts.clocks import may_work, offset_text
from panel.channels.tell import tell_what_is_due
from panel.levels.move import move_customers
from panel.lib import clock
from panel.news.tell import tell_customers
from panel.ops.customers.count import count_customers
from panel.ops.pruning.prune import prune
from panel.ops.watch.business import watch_business
from panel.ops.weekly.tell import tell_week
from panel.staff.mails import send_look_mails


@dataclass(frozen=True, slots=True)
class Round:
    """`run` returns the {count} in `done`. It raises CommandError on failure."""

    run: Callable[[], int | None]
    help: str
    done: str


def _check_providers() -> None:
    if failures := check_providers():
        raise CommandError(f"{failures} providers did not answer; see the alerts.")


def _reconcile_orders() -> int:
    meet_deadlines()
    return reconcile_due_orders()


ROUNDS: dict[str, Round] = {
    "begin_runs": Round(begin_due_runs, "Create the orders of drip-feeds that are due.", "{count} runs began."),
    "check_providers": Round(
        _check_providers, "Ask every active provider for its balance.", "All active providers answered."
    ),
    "compare_payment_days": Round(
        run_comparisons, "Compare days of payments with their gateways' lists.", "{count} days were looked at."
    ),
    "credit_payments": Round(run_payments, "Credit what came in through gateways.", "{count} payments were looked at."),
    "count_customers": Round(
        count_customers, "Count what customers spent and ordered, for their list.", "{count} customers were counted."
    ),
    "count_figures": Round(
        count_figures, "Count the orders of the last weeks for the lists.", "The figures are counted."
    ),
    "count_late_orders": Round(
        count_late_orders, "Count orders that are later than they should be.", "{count} orders are late."
    ),
    "find_shelf_news": Round(
        record_shop_changes, "Find what is new, gone, cheaper or dearer in the shop.", "Changes in the shop: {count}."
    ),
    "move_customers": Round(
        move_customers, "Move customers between levels by what they spent.", "{count} customers moved."
    ),
    "poll_orders": Round(poll_due_orders, "Ask the providers about orders that are due.", "{count} orders polled."),
    "poll_refills": Round(poll_due_refills, "Ask the providers about refills that are due.", "{count} refills polled."),
    "prune": Round(prune, "Delete what the settings no longer keep.", "{count} rows pruned."),
    "reckon_providers": Round(
        reckon_providers, "Compare the balances of providers with what our orders explain.", "{count} reckoned."
    ),
    "reconcile_orders": Round(
        _reconcile_orders, "Search for orders in doubt that are due.", "{count} doubts resolved."
    ),
    "refresh_options": Round(
        refresh_due_options, "Ask gateways what customers may choose, such as coins.", "{count} methods were looked at."
    ),
    "send_account_mails": Round(send_account_mails, "Mail invitations and news about accounts.", "{count} mails sent."),
    "send_deposit_mails": Round(send_due_mails, "Mail customers how their deposits stand.", "{count} mails sent."),
    "send_look_mails": Round(send_look_mails, "Mail those who may confirm second looks.", "{count} mails sent."),
    "send_requests": Round(
        send_due_requests, "Send cancels and refills that are due to their providers.", "{count} requests sent."
    ),
    "submit_orders": Round(submit_due_orders, "Send orders that are due to their providers.", "{count} orders sent."),
    "tell_customers": Round(
        tell_customers, "Tell customers what happened, in the pages and by mail.", "{count} pieces of news."
    ),
    "tell_owner": Round(tell_what_is_due, "Tell the owner of alerts through the channels.", "{count} messages sent."),
    "tell_week": Round(tell_week, "Send the weekly proof, if it is time.", "Channels that get it: {count}."),
    "watch_business": Round(
        watch_business, "Alert on what waits for a person, runs short or is late.", "What waits was looked at."
    ),
    "watch_polls": Round(watch_polls, "Alert on open orders that are not polled in time.", "The polls were checked."),
    "watch_services": Round(
        watch_services, "Take services off sale whose orders are canceled.", "{count} services went off sale."
    ),
}


def command_of(name: str) -> type[BaseCommand]:
    """Return the command that a round used to have: its old name works for one more release."""

    class Command(BaseCommand):
        help = f"{ROUNDS[name].help} Now: run_round {name}"

        def handle(self, *args: Any, **options: Any) -> None:
            self.stdout.write(run_round(name))

    return Command


def run_round(name: str) -> str:
    """Run the round of this name. Return its result as text for people.

    Raise CommandError on failure, and while this machine's clock is wrong.
    """
    if not may_work():
        offset = clock.measured(max_age=clock.MAX_AGE).offset
        raise CommandError(f"The clock of this machine is {offset_text(offset)}. Nothing was done.")
    return ROUNDS[name].done.format(count=ROUNDS[name].run())
