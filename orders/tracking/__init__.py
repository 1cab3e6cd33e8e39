"""Following accepted orders: asking for their status, reading the answers, and applying what changed.

Refunds that follow are decided and posted in `orders.refunds`.
"""
