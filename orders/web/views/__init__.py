"""Views of the customers' pages of orders. They read a request, call one service, and render."""
