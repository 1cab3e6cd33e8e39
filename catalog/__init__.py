"""The catalog: providers, their lists, and the services that the panel sells at which price.

It knows neither orders nor wallets. All code that speaks API v2 to a provider is in `upstream`.
"""
