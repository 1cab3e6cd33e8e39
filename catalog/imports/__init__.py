"""Import of a provider's list of services: queue, run, diff and apply.

`inbox` holds the changes for staff to see. An import never overwrites the panel's services, except their cost, price
and whether they are on sale.
"""
