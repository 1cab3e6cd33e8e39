"""Polling accepted orders: request their status, interpret the answers, apply the changes.

Refunds that result are computed and posted in `orders.refunds`.
"""
