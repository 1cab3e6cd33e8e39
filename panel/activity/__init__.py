"""Who did what, from where, before and after. The lowest of our apps: everything may write to it.

Django's log of the admin is the list of acts; a detail beside each entry adds the address, the program and the values.
Entries from before there were details stay in the list. Neither can be changed or deleted.
"""
