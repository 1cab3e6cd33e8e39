"""Staff see a customer's pages as the customer does, for 15 minutes, and change nothing. See docs/adr/0044."""
