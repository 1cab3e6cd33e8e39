"""The catalog: providers, what they list, and what the panel sells at which price.

Knows neither orders nor wallets. Whatever speaks API v2 to a provider is in `upstream`.
"""
