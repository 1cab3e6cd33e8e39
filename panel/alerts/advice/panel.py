"""Advice about the panel as a whole, its machines, staff, channels and deposits."""

from __future__ import annotations

from panel.alerts.advice.words import Advice, Topic
from panel.alerts.causes import Cause

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
    Cause.NEWS_MAILS: Advice(
        Topic.STAFF,
        "Keeps them and tries again. The page “News” shows customers everything.",
        "Check EMAIL_URL and the mail server.",
        "",
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
        "Start it again, and look in its log why it ended. Closes by itself once another has started.",
        "admin:index",
    ),
    Cause.REVIEWS: Advice(
        Topic.ORDERS,
        "Moves none of this money. Shows the evidence and the choices with each order.",
        "Open “Orders in review” and decide, the oldest first.",
        "admin:orders_orderinreview_changelist",
    ),
    Cause.PROOF: Advice(
        Topic.MONEY,
        "Goes on. Proves the books every hour while a worker and beat run.",
        "Run manage.py check_ledger, and see that the worker runs.",
        "admin:index",
    ),
    Cause.BACKUP: Advice(
        Topic.MACHINE,
        "Goes on. It makes no backups by itself.",
        "Look at the cron job of manage.py backup, and run it by hand once.",
        "admin:index",
    ),
    Cause.DISK: Advice(
        Topic.MACHINE,
        "Goes on until it is full. Then nothing is sent, as the mark cannot be written.",
        "Free the disk or give it more room. Old backups and logs are the first to look at.",
        "admin:index",
    ),
    Cause.STAFF_SIGN_INS: Advice(
        Topic.STAFF,
        "Counts, and refuses further attempts from strangers for a while.",
        "Ask your colleague. If it was not them, look at “Sign-ins” for the address, and require a second factor.",
        "admin:accounts_signin_changelist",
    ),
    Cause.NEW_STAFF: Advice(
        Topic.STAFF,
        "Lets them do what their role may.",
        "If you did not expect it, take the role away at once and ask who gave it: “Activity” shows from where.",
        "admin:accounts_user_change",
    ),
    Cause.DEPOSIT_WAITS: Advice(
        Topic.DEPOSITS,
        "Credits nothing until somebody decides. The customer sees that it waits.",
        "Look whether the money has arrived, then approve or refuse it. You have to be signed in.",
        "admin:billing_deposit_change",
        "admin:billing_deposit_approve",
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
    Cause.DEPOSIT: Advice(
        Topic.DEPOSITS,
        "Added nothing.",
        "Correct it in the customer's wallet.",
        "admin:billing_deposit_change",
    ),
    Cause.HELD_PAYMENT: Advice(
        Topic.DEPOSITS,
        "Keeps the payment and credits nothing until somebody decides.",
        "Open it: credit it to the request that it belongs to, or say why it is not credited.",
        "admin:billing_payment_change",
    ),
    Cause.REVERSAL: Advice(
        Topic.DEPOSITS,
        "Debits nothing: what a customer has spent cannot be taken back, and gateways err. "
        "Holds the customer's orders if the settings say so.",
        "Look at the payment at the gateway. If the money is gone, take it from the customer's wallet, and settle it.",
        "admin:billing_payment_change",
    ),
    Cause.PAYMENT_DAY: Advice(
        Topic.DEPOSITS,
        "Moves no money for it. Looks at the day again for a week, and ends the alert once both sides agree.",
        "Open the day: each line says what differs. “Ask the gateway now” credits what was missed.",
        "admin:billing_comparedday_change",
    ),
    Cause.UNKNOWN_INVOICE: Advice(
        Topic.DEPOSITS,
        "Keeps the call and credits nothing.",
        "Does another shop use the same account of the gateway? Give each its own. Else look at the gateway's list.",
        "admin:billing_gatewaycall_changelist",
    ),
    Cause.PAYMENT_CONFLICT: Advice(
        Topic.DEPOSITS,
        "Keeps both calls. The first one counts, and the second changed nothing.",
        "Compare them under “Gateway calls”. Mend the sender, or make it a new secret if the second is not its own.",
        "admin:billing_gatewaycall_changelist",
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
