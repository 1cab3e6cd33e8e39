"""What the panel does by itself about each cause of alerts, what the owner does, and on which page.

`docs/what-can-go-wrong.md` has the same sentences; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.urls import NoReverseMatch, reverse

from panel.alerts.causes import Cause, cause_of


class Topic(StrEnum):
    """What an alert is about, for whom it should reach. The value is stored."""

    MONEY = "money"
    PROVIDERS = "providers"
    ORDERS = "orders"
    DEPOSITS = "deposits"
    STAFF = "staff"
    CATALOG = "catalog"
    MACHINE = "machine"


TOPICS = (
    (Topic.MONEY, "Money: the ledger, costs, exchange rates, unexplained spending"),
    (Topic.PROVIDERS, "Providers: trouble, balances, words that the panel does not know"),
    (Topic.ORDERS, "Orders: reviews, doubts, deadlines, stops"),
    (Topic.DEPOSITS, "Deposits and ways to pay"),
    (Topic.STAFF, "Staff, mails and settings"),
    (Topic.CATALOG, "Services and prices"),
    (Topic.MACHINE, "The machine: workers, clocks, disk, Redis, errors"),
)


@dataclass(frozen=True, slots=True)
class Advice:
    """`page` is the name of a route. One that ends in "change" takes the primary key of what the alert is about."""

    topic: Topic
    panel_does: str
    you_do: str
    page: str


def advice_about(stored: str) -> Advice | None:
    """Return the advice for a stored cause; None for one that this version does not know."""
    cause, _ = cause_of(stored)
    return ADVICE[cause] if cause else None


def path_about(stored: str) -> str:
    """Return the path of the page on which the owner acts: the list of alerts where there is no other."""
    cause, about = cause_of(stored)
    page = ADVICE[cause].page if cause else ""
    try:
        return reverse(page, args=[about] if page.endswith("_change") else [])
    except NoReverseMatch:
        return reverse("admin:ops_alert_changelist")


ADVICE = {
    Cause.LEDGER: Advice(
        Topic.MONEY,
        "Changes nothing. Checks every hour.",
        "Run manage.py check_ledger, which names the rows. Keep a backup of this state before you correct anything.",
        "admin:billing_entry_changelist",
    ),
    Cause.DEADLINES: Advice(
        Topic.ORDERS,
        "Tries again in every round.",
        "Read the error in the alert and in the log.",
        "admin:orders_orderinreview_changelist",
    ),
    Cause.NO_PRICE: Advice(
        Topic.CATALOG,
        "Took them off sale.",
        "Open the services, and correct rate, margin or exchange rate.",
        "admin:catalog_service_changelist",
    ),
    Cause.ACCOUNT_MAILS: Advice(
        Topic.STAFF,
        "Keeps them and tries again.",
        "Check EMAIL_URL and the mail server.",
        "",
    ),
    Cause.DEPOSIT_MAILS: Advice(
        Topic.DEPOSITS,
        "Keeps them and tries again.",
        "Check EMAIL_URL and the mail server.",
        "",
    ),
    Cause.SETTINGS: Advice(
        Topic.STAFF,
        "Uses its default instead.",
        "Correct it under “Settings”.",
        "settings",
    ),
    Cause.NEIGHBOUR: Advice(
        Topic.MACHINE,
        "Goes on: orders are in the database. Neither panel starts beside the other again.",
        "Give one of them a PANEL_PREFIX or VAR_DIR of its own and restart it.",
        "",
    ),
    Cause.FLOOR: Advice(
        Topic.MONEY,
        "Applied it after a confirmation, and mailed all owners.",
        "If it is not meant, undo it under “Price changes”.",
        "admin:catalog_pricechange_changelist",
    ),
    Cause.SENDING: Advice(
        Topic.ORDERS,
        "Keeps orders in the queue. What was sent before is polled and refunded as always.",
        "Read the reason, settle it, then resume.",
        "admin:orders_sendingstop_changelist",
    ),
    Cause.MARK: Advice(
        Topic.MACHINE,
        "Sends nothing while it cannot be written.",
        "Free the disk, or correct the rights of VAR_DIR.",
        "admin:orders_sendingstop_changelist",
    ),
    Cause.ANSWERS: Advice(
        Topic.MACHINE,
        "Sets the file aside and guesses nothing.",
        "Read the alert, which says what was answered. After a restore it belongs to an order that is missing here.",
        "",
    ),
    Cause.ANSWER_DISK: Advice(
        Topic.MACHINE,
        (
            "Records them in the database alone. An answer is lost if the database is away at that moment; its order "
            "is in doubt then."
        ),
        "Free the disk, or correct the rights of VAR_DIR.",
        "",
    ),
    Cause.CLOCK_JUMP: Advice(
        Topic.MACHINE,
        "Refunds none of them for waiting until an hour has passed without a jump. The gap does not count.",
        (
            "Look at the clock. If it is right and you do not want to wait, press “The clock is right” on the alert's "
            "page, or run manage.py trust_clock."
        ),
        "",
    ),
    Cause.UNDECIDED: Advice(
        Topic.ORDERS,
        "Nothing more: what may have been accepted is never refunded by itself.",
        "Open “Orders in review”, look each up at the provider and decide.",
        "admin:orders_orderinreview_changelist",
    ),
    Cause.LOOK_MAILS: Advice(
        Topic.STAFF,
        "Keeps them and tries again. Nothing moves meanwhile.",
        "Check EMAIL_URL and the mail server.",
        "admin:staff_secondlook_changelist",
    ),
    Cause.WORKERS: Advice(
        Topic.MACHINE,
        "Takes orders and keeps them in the queue. Nothing is sent, followed or refunded until a worker runs.",
        "Start the worker, and look in its log why it ended. It goes on where the last one stopped.",
        "admin:index",
    ),
    Cause.WEB: Advice(
        Topic.MACHINE,
        "Goes on sending, following and refunding. Customers see no pages.",
        "Start the web server, and look in its log why it ended.",
        "admin:index",
    ),
    Cause.TASKS: Advice(
        Topic.MACHINE,
        "Keeps everything in the database until the tasks run again. Nothing is lost.",
        "See that beat runs and that Redis answers. If they do, restart the worker and look in its log.",
        "admin:index",
    ),
    Cause.REDIS: Advice(
        Topic.MACHINE,
        "Goes on as far as it can: pages work, and tasks wait. Workers reconnect by themselves.",
        "Start Redis again. Nothing of worth is in it.",
        "admin:index",
    ),
    Cause.PROCESS: Advice(
        Topic.MACHINE,
        "Has the others do its work. What it was sending is searched for at the provider, and not sent twice.",
        "Start it again, and look in its log why it ended. Closes by itself once another runs on that machine.",
        "admin:index",
    ),
    Cause.ERROR: Advice(
        Topic.MACHINE,
        "Shows whoever met it a page with its number. Tries again what is a task. Closes this after a day without it.",
        "Open “Errors” and look at its trace. If it comes again, report it with the trace.",
        "admin:ops_errorreport_changelist",
    ),
    Cause.CHANNEL: Advice(
        Topic.MACHINE,
        "Tells you through your other channels. Keeps the messages, and tries again for up to two days.",
        "Open the channel, correct the address or token, and send a test: what waits follows at once.",
        "admin:channels_channel_change",
    ),
    Cause.STAFF_MONEY: Advice(
        Topic.STAFF,
        "Moved the money: it was within limits, or confirmed.",
        (
            "Ask the person. “Goodwill” lists what they moved, for whom and why. If it was not them, switch the "
            "account off."
        ),
        "admin:staff_staffdeed_changelist",
    ),
    Cause.CLOCK: Advice(
        Topic.MACHINE,
        "Its worker does nothing. Pages work, by the database's time.",
        "Set the clock, and switch on NTP. The worker goes on within a minute.",
        "",
    ),
    Cause.TROUBLE: Advice(
        Topic.PROVIDERS,
        (
            "Pauses it. Tries one order at a time, after waits that grow from a minute to an hour, or once its "
            "balance suffices."
        ),
        "Add funds or correct the key, then press “Resume”.",
        "admin:catalog_provider_change",
    ),
    Cause.PROVIDER_SENDING: Advice(
        Topic.PROVIDERS,
        "Keeps its orders in the queue. What was sent before is polled and refunded as always.",
        "Read the reason, settle it, then resume.",
        "admin:orders_sendingstop_changelist",
    ),
    Cause.UNREACHABLE: Advice(
        Topic.PROVIDERS,
        "Pauses it and tries again.",
        "Nothing for an hour. Then ask the provider.",
        "admin:catalog_provider_change",
    ),
    Cause.WORDS: Advice(
        Topic.PROVIDERS,
        "Holds the order. After three such refusals in a row its queue waits, and single orders are tried.",
        "Open “Providers' words” and say what they mean: the page shows the orders and the money that follow.",
        "admin:catalog_providerword_changelist",
    ),
    Cause.BALANCE: Advice(
        Topic.PROVIDERS,
        "Ignores it.",
        "Look at the account at the provider.",
        "admin:catalog_provider_change",
    ),
    Cause.MONEY: Advice(
        Topic.MONEY,
        "Shows the figures by day.",
        "Compare the days with the provider's own list. Record a top-up or other spending that you know of.",
        "admin:catalog_provider_change",
    ),
    Cause.CURRENCY: Advice(
        Topic.MONEY,
        "Stops sending to it.",
        "Change the currency back, or set currency and exchange rate of the provider and import again.",
        "admin:catalog_provider_change",
    ),
    Cause.CHARGE_CURRENCY: Advice(
        Topic.MONEY,
        "Does not compare them with the expected costs.",
        "Change the currency back, or set currency and exchange rate of the provider and import again.",
        "admin:catalog_provider_change",
    ),
    Cause.REQUEST_IDS: Advice(
        Topic.PROVIDERS,
        "Stopped using request ids there.",
        "Ask the provider to refund the second order.",
        "admin:catalog_provider_change",
    ),
    Cause.POLLING: Advice(
        Topic.PROVIDERS,
        "Pauses polling for 30 seconds, then longer, up to 10 minutes.",
        "Nothing for an hour. Then ask the provider.",
        "admin:catalog_provider_change",
    ),
    Cause.STATUS_LISTS: Advice(
        Topic.PROVIDERS,
        "Polls orders one by one, a bounded number in each round, and takes no row by its position.",
        "Send the answer to the provider, or to us. Refunds come later while there are many orders.",
        "admin:catalog_provider_change",
    ),
    Cause.STATUS_WORD: Advice(
        Topic.PROVIDERS,
        "Changes nothing and goes on polling. Opens a review where the word stays for a day.",
        "Ask the provider what the word means.",
        "admin:catalog_providerword_changelist",
    ),
    Cause.UNCHECKED: Advice(
        Topic.PROVIDERS,
        "Goes on trying.",
        "See that the workers run. If they do, ask the provider.",
        "admin:catalog_provider_change",
    ),
    Cause.RECANTED: Advice(
        Topic.ORDERS,
        "Opened a review for each.",
        "Decide in the reviews.",
        "admin:orders_orderinreview_changelist",
    ),
    Cause.WAVE: Advice(
        Topic.ORDERS,
        (
            "Asks again after some minutes, and refunds when the answer is the same. Customers see the old status "
            "until then."
        ),
        "Ask the provider, if there are many.",
        "admin:catalog_provider_change",
    ),
    Cause.HELD_ORDERS: Advice(
        Topic.ORDERS,
        "Canceled and refunded them, after a day in which the panel ran.",
        "Sell these services from another provider, or take them off sale.",
        "admin:catalog_provider_change",
    ),
    Cause.CANCELS: Advice(
        Topic.PROVIDERS,
        "Keeps them and tries again.",
        "Ask the provider if it lasts.",
        "admin:catalog_provider_change",
    ),
    Cause.REFILLS: Advice(
        Topic.PROVIDERS,
        "Keeps those that were certainly not sent.",
        "Ask the provider if it lasts.",
        "admin:catalog_provider_change",
    ),
    Cause.REFILL_STATUSES: Advice(
        Topic.PROVIDERS,
        "Tries again, for up to 30 days.",
        "Ask the provider if it lasts.",
        "admin:catalog_provider_change",
    ),
    Cause.IMPORT: Advice(
        Topic.CATALOG,
        "Changed nothing.",
        "Look at the import. If the list is right, apply it anyway.",
        "admin:catalog_syncrun_changelist",
    ),
    Cause.RATE_RISES: Advice(
        Topic.CATALOG,
        "Raised the prices with the rates, or took the services off sale, as the provider's setting says.",
        "Look at the inbox.",
        "admin:catalog_catalogchange_changelist",
    ),
    Cause.PROVIDER_FLOOR: Advice(
        Topic.MONEY,
        "Applied it after a confirmation, and mailed all owners.",
        (
            "Compare it with another source. If it is wrong, undo it under “Price changes” at once and ask who did "
            "it: “Activity” shows from where."
        ),
        "admin:catalog_provider_change",
    ),
    Cause.BELOW_FLOOR: Advice(
        Topic.MONEY,
        "Sells nothing below the cost at the confirmed rate; such orders in the queue wait in review.",
        "Set the rate right, or confirm it on the provider's page.",
        "admin:catalog_provider_change",
    ),
    Cause.OVERCHARGE: Advice(
        Topic.MONEY,
        "Recorded the true cost. It is urgent if the order was sold at a loss.",
        "Complain to the provider, or raise the margin.",
        "admin:catalog_service_change",
    ),
    Cause.CANCELED_SERVICE: Advice(
        Topic.CATALOG,
        "Took the service off sale.",
        "Ask the provider. Put it back on sale in the inbox, or resell another service.",
        "admin:catalog_catalogchange_changelist",
    ),
    Cause.LATE_ANSWER: Advice(
        Topic.ORDERS,
        "Recorded the id and changed nothing.",
        "Ask the provider to cancel it. If it was delivered, take the refund back by an adjustment, or bear it.",
        "admin:orders_order_change",
    ),
    Cause.HELD_ORDER: Advice(
        Topic.ORDERS,
        "Tries again in every round.",
        "Read the error.",
        "admin:orders_order_change",
    ),
    Cause.NOT_APPLIED: Advice(
        Topic.ORDERS,
        "Moved no money, and tries again.",
        "Read the log.",
        "admin:orders_order_change",
    ),
    Cause.STUCK: Advice(
        Topic.ORDERS,
        "Tries again later.",
        "Read the error. Stop the drip-feed if the service is gone: the other runs are refunded.",
        "admin:orders_dripfeed_change",
    ),
    Cause.DEPOSIT: Advice(
        Topic.DEPOSITS,
        "Added nothing.",
        "Correct it in the customer's wallet.",
        "admin:billing_deposit_change",
    ),
    Cause.DESTINATION: Advice(
        Topic.DEPOSITS,
        "Saved it after showing old and new, and mailed all owners both.",
        (
            "If it is not meant, change it back at once, switch the account off that did it, and look at the deposits "
            "since."
        ),
        "admin:billing_paymentmethod_change",
    ),
}
