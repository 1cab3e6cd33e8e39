"""The customers' pages of orders: forms, filters, tables, columns, and what these read.

Views are in `views`. The services that change orders are in `orders.checkout`, `orders.requests` and others.
"""
