"""The customers' pages of orders: forms, filters, tables, columns, and what these read.

Views are in `views`. What changes an order is called here and lives in the rooms below.
"""
