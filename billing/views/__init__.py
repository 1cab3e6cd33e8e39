"""The customers' pages of their wallet and their deposits."""
