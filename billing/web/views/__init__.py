"""Views of the wallet and of deposits. They read a request, call one service, and render."""
