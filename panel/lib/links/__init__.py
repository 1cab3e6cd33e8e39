"""Links that customers order for: what they lead to, and when two of them are one. Pure; imports no app."""
