"""A month of a small shop, written at the first start of the demo.

`story` makes up what was ordered, always the same; the other modules write it as the panel would have written it, with
the panel's own rules for prices, refunds and money. All moments are ages: seconds before the moment of writing, so that
the month ends today.
"""
