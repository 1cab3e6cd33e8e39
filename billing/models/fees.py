"""The columns of a payment's fee: of a method as it is now, of a deposit as it was at the request."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.fee_terms import MAX_FEE_BP, FeeTerms
from panel.lib.money import MAX_MICROS

FEE_IN_RANGE = Q(fee_bp__gte=0, fee_bp__lte=MAX_FEE_BP, fee_fixed__gte=0, fee_fixed__lte=MAX_MICROS)


class WithFee(models.Model):
    """What the owner's gateway takes of a payment: `fee_bp` basis points and `fee_fixed` micro-units."""

    class FeePayer(models.TextChoices):
        OWNER = "owner", "You: customers pay what is added, and no more"
        CUSTOMER = "customer", "The customer, on top of what is added"

    fee_bp = models.IntegerField("fee", default=0, db_default=0)
    fee_fixed = models.BigIntegerField("fixed fee", default=0, db_default=0)
    fee_payer = models.CharField(
        "who pays the fee",
        max_length=8,
        choices=FeePayer.choices,
        default=FeePayer.OWNER,
        db_default=FeePayer.OWNER,
    )

    class Meta:
        abstract = True

    @property
    def all_fee_terms(self) -> FeeTerms:
        """Return the terms of the fee, whoever pays it."""
        return FeeTerms(self.fee_bp, self.fee_fixed)

    @property
    def fee_terms(self) -> FeeTerms:
        """Return the terms of the fee that the customer pays; none if the owner does."""
        return self.all_fee_terms if self.fee_payer == self.FeePayer.CUSTOMER else FeeTerms()
