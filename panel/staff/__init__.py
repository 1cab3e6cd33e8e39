"""What people of the staff may move of customers' money: limits, second looks, and a record of each deed.

Services that move money call `deeds.record_deed` in their transaction. Above a limit nothing moves, and `looks` keeps
what was asked until a second person confirms it.
"""
