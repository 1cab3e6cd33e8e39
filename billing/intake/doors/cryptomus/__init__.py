"""Cryptomus and Heleket: one protocol at two hosts. See docs/payments/heleket-and-cryptomus.md."""

from billing.intake.doors.cryptomus.door import Cryptomus, Heleket
from billing.intake.gateways import register

register(Cryptomus())
register(Heleket())
