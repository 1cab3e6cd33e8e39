"""The proofs of deposits: what was posted is what was credited, and fee and bonus are those that were promised.

Queries for rows that break them, as in `invariants.py`. Only what was promised is compared row by row, since terms are
stored as JSON; the rows are streamed.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Exists, F, Max, OuterRef, Q, Subquery

from billing.bonus_terms import BonusTerms
from billing.fee_terms import FeeTerms
from billing.models import Coupon, Deposit, Payment, PaymentCredit
from billing.models.coupons import bonus_on

CHUNK = 5_000
PROMISES = "a deposit's fee and bonus are those that were promised for what came in"

# name, query, text for a row
DEPOSIT_CHECKS: tuple[tuple[str, str, str], ...] = (
    (
        # Joined by the key, which is unique: by the wallet alone, each deposit would meet all entries of its customer.
        "a deposit is credited once, and only when it was approved",
        """SELECT d.id, COALESCE(d.credited, 0), d.fee, d.bonus,
                  COALESCE(paid.amount, 0) + COALESCE(payments.credited, 0),
                  COALESCE(payments.fee, 0) - COALESCE(taken.amount, 0),
                  COALESCE(extra.amount, 0) + COALESCE(payments.bonus, 0)
           FROM billing_deposit d
           LEFT JOIN (SELECT deposit_id, SUM(credited) AS credited, SUM(fee) AS fee, SUM(bonus) AS bonus
                      FROM billing_payment GROUP BY deposit_id) AS payments ON payments.deposit_id = d.id
           LEFT JOIN billing_wallet w ON w.customer_id = d.customer_id
           LEFT JOIN billing_entry paid
             ON paid.key = 'deposit:' || d.id AND paid.wallet_id = w.id AND paid.kind = 'deposit'
           LEFT JOIN billing_entry taken
             ON taken.key = 'deposit:' || d.id || ':fee' AND taken.wallet_id = w.id AND taken.kind = 'fee'
           LEFT JOIN billing_entry extra
             ON extra.key = 'deposit:' || d.id || ':bonus' AND extra.wallet_id = w.id AND extra.kind = 'bonus'
           WHERE COALESCE(d.credited, 0) <> COALESCE(paid.amount, 0) + COALESCE(payments.credited, 0)
              OR d.fee <> COALESCE(payments.fee, 0) - COALESCE(taken.amount, 0)
              OR d.bonus <> COALESCE(extra.amount, 0) + COALESCE(payments.bonus, 0)""",
        "deposit {}: credited {}, fee {}, bonus {}; its entries and payments say {}, {} and {}",
    ),
    (
        "a payment's credits sum up to what was credited, in the wallet of its deposit's customer",
        """SELECT p.id, p.credited, p.fee, p.bonus,
                  COALESCE(posted.credited, 0), COALESCE(posted.fee, 0), COALESCE(posted.bonus, 0)
           FROM billing_payment p
           LEFT JOIN billing_deposit d ON d.id = p.deposit_id
           LEFT JOIN (
             SELECT c.payment_id, w.customer_id, SUM(e.amount) AS credited,
                    -SUM(COALESCE(f.amount, 0)) AS fee, SUM(COALESCE(b.amount, 0)) AS bonus
             FROM billing_paymentcredit c
             JOIN billing_entry e ON e.id = c.entry_id
             JOIN billing_wallet w ON w.id = e.wallet_id
             LEFT JOIN billing_entry f ON f.id = c.fee_entry_id AND f.wallet_id = e.wallet_id
             LEFT JOIN billing_entry b ON b.id = c.bonus_entry_id AND b.wallet_id = e.wallet_id
             GROUP BY c.payment_id, w.customer_id
           ) AS posted ON posted.payment_id = p.id AND posted.customer_id = d.customer_id
           WHERE p.credited <> COALESCE(posted.credited, 0) OR p.fee <> COALESCE(posted.fee, 0)
              OR p.bonus <> COALESCE(posted.bonus, 0)""",
        "payment {}: credited {}, fee {}, bonus {}; its entries say {}, {} and {}",
    ),
    (
        "a credit's entries are of its payment and deposit, and of their kinds",
        """SELECT c.id, c.payment_id, e.id, e.key FROM billing_paymentcredit c
           JOIN billing_payment p ON p.id = c.payment_id
           JOIN billing_entry e ON e.id = c.entry_id
           LEFT JOIN billing_entry f ON f.id = c.fee_entry_id
           LEFT JOIN billing_entry b ON b.id = c.bonus_entry_id
           WHERE e.kind <> 'deposit' OR e.amount <= 0
              OR e.key NOT LIKE 'deposit:' || COALESCE(p.deposit_id, 0) || ':payment:' || p.id || ':%'
              OR (f.id IS NOT NULL AND (f.kind <> 'fee' OR f.amount >= 0 OR f.key <> e.key || ':fee'))
              OR (b.id IS NOT NULL AND (b.kind <> 'bonus' OR b.amount <= 0 OR b.key <> e.key || ':bonus'))""",
        "credit {} of payment {}: entry {}, key {}, and what was posted with it do not belong together",
    ),
    (
        "an entry of a payment belongs to one",
        """SELECT e.id, e.key FROM billing_entry e
           LEFT JOIN billing_paymentcredit c ON c.entry_id = e.id
           LEFT JOIN billing_paymentcredit f ON f.fee_entry_id = e.id
           LEFT JOIN billing_paymentcredit b ON b.bonus_entry_id = e.id
           WHERE e.key LIKE 'deposit:%:payment:%' AND c.id IS NULL AND f.id IS NULL AND b.id IS NULL""",
        "entry {}: key {}",
    ),
    (
        # Joined by the deposit's name, so that SQLite can index it: keys are not parsed for numbers.
        "an entry of a deposit is its credit, its fee or its bonus, in the wallet of its customer",
        """WITH named AS MATERIALIZED (SELECT 'deposit:' || id AS name, customer_id FROM billing_deposit)
           SELECT e.id, e.kind, e.key FROM billing_entry e
           JOIN billing_wallet w ON w.id = e.wallet_id
           LEFT JOIN named n ON n.name = REPLACE(REPLACE(e.key, ':fee', ''), ':bonus', '')
           WHERE (e.kind = 'fee' OR e.key LIKE 'deposit:%') AND e.key NOT LIKE 'deposit:%:payment:%'
             AND (n.name IS NULL OR w.customer_id <> n.customer_id OR e.key <> n.name ||
                  CASE e.kind WHEN 'deposit' THEN '' WHEN 'fee' THEN ':fee' WHEN 'bonus' THEN ':bonus' ELSE '?' END)""",
        "entry {}: kind {}, key {}",
    ),
    (
        "the request of an approved bank line is approved",
        """SELECT l.id, d.id, d.state FROM billing_bankline l JOIN billing_deposit d ON d.id = l.deposit_id
           WHERE d.state <> 'approved'""",
        "bank line {}: its deposit {} is {}",
    ),
    (
        "orders are held because of a reversal",
        """SELECT w.customer_id FROM billing_wallet w
           WHERE w.order_hold = 'held' AND NOT EXISTS (
             SELECT 1 FROM billing_reversal r
             JOIN billing_payment p ON p.id = r.payment_id
             JOIN billing_deposit d ON d.id = p.deposit_id
             WHERE d.customer_id = w.customer_id AND r.holds_orders)""",
        "customer {}: no reversal holds the orders",
    ),
    (
        "a reversal is of no more than what was credited",
        """SELECT r.id, r.amount, p.id, p.credited FROM billing_reversal r JOIN billing_payment p ON p.id = r.payment_id
           WHERE r.amount > p.credited""",
        "reversal {}: {} was taken back of payment {}, and {} was credited",
    ),
)


def broken_promises() -> Iterator[str]:
    """Yield the approved deposits whose fee or bonus differs from what was promised, each as a line with its number."""
    promising = Q(fee_bp__gt=0) | Q(fee_fixed__gt=0) | Q(fee__gt=0) | Q(bonus__gt=0)
    by_staff = Exists(Payment.objects.filter(deposit=OuterRef("pk"), decided_by__isnull=False))
    credits = PaymentCredit.objects.filter(payment__deposit=OuterRef("pk")).order_by().values("payment__deposit")
    largest = Subquery(credits.annotate(largest=Max("entry__amount")).values("largest"))
    coupon = ("redemption__bonus_bp", "redemption__amount", "redemption__minimum", "redemption__given_back_at")
    rows = (
        Deposit.objects.filter(promising, state=Deposit.State.APPROVED, credited__isnull=False)
        .order_by()
        .values_list(
            *("pk", "credited", "fee", "bonus", "fee_payer", "fee_bp", "fee_fixed", "bonus_bp", "tiers", "decided_by"),
            by_staff,
            largest,
            F("redemption__coupon"),
            *coupon,
        )
    )
    for pk, credited, fee, bonus, payer, fee_bp, fee_fixed, bonus_bp, tiers, decided_by, *rest in rows.iterator(CHUNK):
        is_by_staff, largest_credit, coupon_id, *terms, given_back_at = rest
        due = FeeTerms(fee_bp, fee_fixed) if payer == Deposit.FeePayer.CUSTOMER else FeeTerms()
        if not due.is_fee_of(credited, fee):
            most = due.fee_of(credited)
            # Staff credit what does not exceed its fee without one: all of it, or what came in parts.
            is_in_parts = largest_credit is not None and largest_credit < credited
            if fee > most or not (decided_by or is_by_staff) or not (most >= credited or is_in_parts):
                yield f"deposit {pk}: {credited} came in, a fee of {fee} was taken, {most} was promised"
        promised = BonusTerms.of(bonus_bp, tiers).most_on(credited - fee)
        if coupon_id and given_back_at is None:
            percent, amount, minimum = terms
            promised += bonus_on(credited - fee, Coupon(bonus_bp=percent, amount=amount, minimum=minimum))
        if bonus > promised:
            yield f"deposit {pk}: {credited - fee} was added, with a bonus of {bonus}, {promised} was promised"
