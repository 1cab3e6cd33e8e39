"""Views of the wallet and of deposits. Each parses the request, calls one service, and renders."""
