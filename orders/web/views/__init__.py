"""Views of the customers' pages of orders. Each parses the request, calls one service, and renders."""
