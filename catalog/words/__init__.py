"""The words of providers: what each has answered, and what the owner says it means.

Pages and what is done about the orders are in `orders`.
"""
