"""What several rooms of orders share: batches of calls, rounds over providers, waits, events, providers' ids.

Nothing here knows one of those rooms, nor decides anything about an order.
"""
