"""Advice about providers, their services and orders."""

from __future__ import annotations

from panel.alerts.advice.words import Advice, Topic
from panel.alerts.causes import Cause

ADVICE = {
    Cause.NO_PRICE: Advice(
        Topic.CATALOG,
        "Took them off sale.",
        "Open the services, and correct rate, margin or exchange rate.",
        "admin:catalog_service_changelist",
    ),
    Cause.LOW_BALANCE: Advice(
        Topic.PROVIDERS,
        "Goes on sending until the balance is used up. Then orders wait in the queue.",
        "Add funds at the provider. Both thresholds are on its page.",
        "admin:catalog_provider_change",
    ),
    Cause.OLD_LIST: Advice(
        Topic.CATALOG,
        "Tries to import every hour. Sells at the prices of the last import.",
        "Look at the last import of this provider, and start one by hand.",
        "admin:catalog_provider_change",
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
    Cause.LATE_ORDERS: Advice(
        Topic.ORDERS,
        "Goes on asking how they stand, and refunds what is not delivered.",
        "Ask the provider. Take the services off sale, or sell them from another provider, until it has caught up.",
        "admin:orders_lateorders_changelist",
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
}
