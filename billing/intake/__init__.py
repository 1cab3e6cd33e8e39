"""Money that comes in by itself: what gateways tell, the payments that follow from it, and crediting them once.

A call is kept before anything else. A genuine one becomes a payment under the gateway's own id, and only
`crediting` puts money into a wallet. See docs/adr/0038-payments-are-counted-by-their-id.md.
"""
