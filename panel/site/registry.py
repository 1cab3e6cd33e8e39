"""Every setting that an owner changes in the admin. Read one as `registry.PANEL_NAME.value`.

The value may change from one call to the next: read it where it is used, and never keep it.
"""

from __future__ import annotations

from panel.site.accent import DEFAULT as DEFAULT_ACCENT
from panel.site.files import ICO, JPEG, PNG, SVG, WEBP
from panel.site.kinds import (
    Choice,
    Colour,
    EmailText,
    File,
    Flag,
    HeaderText,
    LinkText,
    Number,
    Rate,
    SameWords,
    Seconds,
    SecondsList,
    Text,
)

MAX_WINDOW = 86_400  # Orders within the window are searched while the wallet is locked.


# -- brand -----------------------------------------------------------------------------------------

PANEL_NAME = Text(
    "PANEL_NAME",
    "Name",
    default="Upmark",
    max_length=60,
    is_required=True,
    help="In pages, mails, the API's documentation and this admin.",
)
PANEL_ACCENT = Colour(
    "PANEL_ACCENT",
    "Accent",
    default=DEFAULT_ACCENT,
    help="Buttons and links. Text on it and in it is shaded until it can be read, in light and in dark.",
)
PANEL_LOGO = File(
    "PANEL_LOGO",
    "Logo",
    types=(SVG, PNG, JPEG, WEBP),
    environment="PANEL_LOGO_URL",
    help="In place of the name at the top of each page. SVG, PNG, JPEG or WebP up to 200 KB.",
)
PANEL_FAVICON = File(
    "PANEL_FAVICON",
    "Favicon",
    types=(SVG, PNG, ICO),
    environment="PANEL_FAVICON_URL",
    help="The small picture in the browser's tab. SVG, PNG or ICO up to 200 KB.",
)

# -- contacts --------------------------------------------------------------------------------------

SUPPORT_EMAIL = EmailText(
    "SUPPORT_EMAIL", "Support e-mail", default="", max_length=254, help="Shown to customers who need help."
)
SUPPORT_URL = LinkText(
    "SUPPORT_URL",
    "Support link",
    default="",
    max_length=500,
    help="A chat such as https://t.me/yourname or https://wa.me/15550100, shown beside the e-mail.",
)

# -- shop and sign-up ------------------------------------------------------------------------------

PUBLIC_SHOP = Flag(
    "PUBLIC_SHOP",
    "Public shop",
    default=False,
    help=(
        "Visitors see the services and their list prices without an account, on the start page as well, with your ways "
        "to pay and, from 1,000 orders in 30 days on, how many there were and how they ended."
    ),
)
SEARCH_WORDS = SameWords(
    "SEARCH_WORDS",
    "Words that mean the same",
    default=(),
    help="One meaning on each line, such as: takipçi = followers. Who searches for one finds the others. Short names "
    "of platforms and the usual words of large languages are known already.",
)
SIGN_UP = Choice(
    "SIGN_UP",
    "Sign-up",
    default="open",
    choices=(("open", "Open to everybody"), ("invitation", "By invitation alone")),
    help="By invitation alone, only people whom you invite under “Users” get an account.",
)
EMAIL_VERIFICATION = Choice(
    "EMAIL_VERIFICATION",
    "Confirming the e-mail address",
    default="optional",
    choices=(
        ("none", "No mail is sent"),
        ("optional", "A mail is sent, signing in works without it"),
        ("mandatory", "Nobody signs in before confirming"),
    ),
    help="If nobody signs in before confirming, staff must confirm as well: try first whether mails arrive.",
)

# -- orders and doubts -----------------------------------------------------------------------------

QUEUE_LIMIT_HOURS = Number(
    "QUEUE_LIMIT_HOURS",
    "Longest wait in the queue",
    default=24,
    least=1,
    most=720,
    unit="hours",
    help="An order that could not be sent by then is canceled and refunded. A lower limit does so at once.",
    touches_money=True,
)
DOUBT_DEADLINE_MINUTES = Number(
    "DOUBT_DEADLINE_MINUTES",
    "Deadline of a doubt",
    default=30,
    least=1,
    most=10_080,
    unit="minutes",
    help="How long the panel searches for an order in doubt before it asks you.",
)
UPSTREAM_ADD_TIMEOUT = Seconds(
    "UPSTREAM_ADD_TIMEOUT",
    "Longest answer to an order",
    default=60.0,
    least=0.1,
    most=600,
    touches_money=True,
    help="How long a provider may take to answer. Without an answer by then, the order is in doubt.",
)
SUBMISSION_LEASE_SECONDS = Number(
    "SUBMISSION_LEASE_SECONDS",
    "Lease of an order that is sent",
    default=90,
    least=1,
    most=3_600,
    unit="seconds",
    touches_money=True,
    help="How long a worker holds the order before it is in doubt. Longer than the above.",
)
MAX_UNKNOWN_REFUSALS = Number(
    "MAX_UNKNOWN_REFUSALS",
    "Refusals in unknown words before a provider waits",
    default=3,
    least=1,
    most=100,
    unit="in a row",
    help="Each leaves an order that you must decide about. Then the queue waits, and single orders are tried.",
)
MAX_REFUSALS_IN_ROW = Number(
    "MAX_REFUSALS_IN_ROW",
    "Refusals for good before a provider waits",
    default=10,
    least=2,
    most=1_000,
    unit="in a row",
    touches_money=True,
    help="Each refunds an order. So many without an accepted one in between may be the provider's fault.",
)
UNKNOWN_DEADLINE_HOURS = Number(
    "UNKNOWN_DEADLINE_HOURS",
    "Deadline of a refusal in unknown words",
    default=24,
    least=1,
    most=720,
    unit="hours",
    touches_money=True,
    help="Then the order is searched for at the provider. It is refunded if it is surely not there; else you are told.",
)
MAX_LATE_ANSWERS = Number(
    "MAX_LATE_ANSWERS",
    "Orders that may wait for late answers",
    default=3,
    least=0,
    most=50,
    unit="orders",
    touches_money=True,
    help="At each provider. So many, beside those sent at the same time, may wait for longer than 5 seconds.",
)
UPSTREAM_USER_AGENT = HeaderText(
    "UPSTREAM_USER_AGENT",
    "User agent",
    default="",
    max_length=200,
    help="How the panel introduces itself to providers. Empty: by its name and address.",
)

# -- polling ---------------------------------------------------------------------------------------

POLL_INTERVALS = SecondsList(
    "POLL_INTERVALS",
    "Intervals",
    default=(60, 300, 900, 3_600),
    help="Seconds between two polls of an open order, from left to right the longer nothing changes.",
)
WAVE_ORDERS = Number(
    "WAVE_ORDERS",
    "Wave of cancels: orders",
    default=10,
    least=1,
    most=100_000,
    unit="orders",
    touches_money=True,
    help="When so many orders of one provider turn canceled, and so large a share, their refunds wait for a second "
    "answer. Cancels that somebody asked for do not count.",
)
WAVE_PERCENT = Number(
    "WAVE_PERCENT",
    "Wave of cancels: share",
    default=20,
    least=1,
    most=100,
    unit="percent",
    touches_money=True,
    help="Of the provider's open orders, or of those in one call.",
)
WAVE_MINUTES = Number(
    "WAVE_MINUTES",
    "Wave of cancels: time",
    default=30,
    least=1,
    most=720,
    unit="minutes",
    touches_money=True,
    help="Orders that ended within this time count together.",
)
WAVE_WAIT_MINUTES = Number(
    "WAVE_WAIT_MINUTES",
    "Wave of cancels: second answer",
    default=10,
    least=1,
    most=1_440,
    unit="minutes",
    touches_money=True,
    help="How long the panel waits before it asks again. Customers see the old status until then.",
)

# -- limits of the served API ----------------------------------------------------------------------

API_RATE_PER_KEY = Rate(
    "API_RATE_PER_KEY",
    "Requests of one key",
    default="1200/m",
    help="Per s, m, h or d. A customer's keys together may make as many.",
)
API_RATE_PER_ADDRESS = Rate(
    "API_RATE_PER_ADDRESS", "Requests from one address", default="2400/m", help="Per s, m, h or d."
)
API_RATE_LIMIT_429 = Flag(
    "API_RATE_LIMIT_429", "Status 429 beyond a limit", default=False, help="Some clients need it; others fail on it."
)
API_DUPLICATE_WINDOW = Number(
    "API_DUPLICATE_WINDOW",
    "Refuse repetitions for",
    default=0,
    least=0,
    most=MAX_WINDOW,
    unit="seconds",
    help="The same service, link and quantity from one key is refused for so long. 0: never.",
)


# -- thresholds of alerts --------------------------------------------------------------------------

LOW_BALANCE_DAYS = Number(
    "LOW_BALANCE_DAYS",
    "Low balance at a provider",
    default=1,
    least=1,
    most=90,
    unit="days",
    help="Urgent when our balance there lasts for less than so many days, at the rate of last week.",
)
OLD_BALANCE_HOURS = Number(
    "OLD_BALANCE_HOURS",
    "Old balance",
    default=2,
    least=1,
    most=168,
    unit="hours",
    help="A warning when a provider's balance was not read for so long. It is read every five minutes.",
)
OLD_LIST_HOURS = Number(
    "OLD_LIST_HOURS",
    "Old list of services",
    default=24,
    least=1,
    most=720,
    unit="hours",
    help="A warning when a provider's services were not imported for so long.",
)
LOW_COMPLETION_PERCENT = Number(
    "LOW_COMPLETION_PERCENT",
    "Few orders completed",
    default=80,
    least=1,
    most=100,
    unit="percent",
    help="A warning when a provider completed less of the orders of last week that ended.",
)
OVERCHARGE_PERCENT = Number(
    "OVERCHARGE_PERCENT",
    "Overcharge",
    default=5,
    least=0,
    most=100,
    unit="percent",
    help="An alert when a provider charged more than we expected, by more than this and a cent. Refunds do not change.",
)
RECKONING_BAND_PERCENT = Number(
    "RECKONING_BAND_PERCENT",
    "Missing money at a provider",
    default=2,
    least=0,
    most=50,
    unit="percent",
    help="An urgent alert when more is missing from a balance than this part of what our orders cost, and two cents.",
)
POLL_SPARE_MINUTES = Number(
    "POLL_SPARE_MINUTES",
    "Late polls",
    default=15,
    least=1,
    most=1_440,
    unit="minutes",
    help="An urgent alert when an open order waits for a poll so much longer than the longest interval.",
)
SILENCE_HOURS = Number(
    "SILENCE_HOURS",
    "Silence about an order",
    default=24,
    least=1,
    most=720,
    unit="hours",
    help="You are asked about an order of which its provider has said nothing usable for so long.",
)
LOST_SERVICES_PERCENT = Number(
    "LOST_SERVICES_PERCENT",
    "Services lost in a list",
    default=30,
    least=0,
    most=100,
    unit="percent",
    touches_money=True,
    help="A list that lacks more of a provider's services on sale is refused, and waits for you.",
)
REPRICE_FACTOR = Number(
    "REPRICE_FACTOR",
    "Leap of a rate",
    default=5,
    least=2,
    most=1_000,
    unit="times",
    touches_money=True,
    help="A list in which most rates changed by this factor is refused: its currency may have changed.",
)
RATE_RISE_PERCENT = Number(
    "RATE_RISE_PERCENT",
    "Steep rise of a rate",
    default=50,
    least=0,
    most=10_000,
    unit="percent",
    touches_money=True,
    help="A service whose rate rises by more within a week, at once or in steps, goes off sale and asks you. 0: never.",
)
FLOOR_BAND_PERCENT = Number(
    "FLOOR_BAND_PERCENT",
    "Band of exchange rates",
    default=20,
    least=0,
    most=90,
    unit="percent",
    touches_money=True,
    help="An exchange rate or minimum margin further from the last one that was confirmed needs your confirmation.",
)
CANCELED_SERVICE_PERCENT = Number(
    "CANCELED_SERVICE_PERCENT",
    "Canceled by the provider",
    default=80,
    least=0,
    most=99,
    unit="percent",
    touches_money=True,
    help="A service of whose last 20 orders the provider canceled more goes off sale and asks you. 0: never.",
)

# -- how long data is kept -------------------------------------------------------------------------

OLD_BACKUP_HOURS = Number(
    "OLD_BACKUP_HOURS", "Old backup", default=26, least=1, most=720, unit="hours", help="An older one is an alert."
)
