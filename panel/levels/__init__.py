"""Levels by money spent: whom they move, what a move rests on, and what customers and the owner see of it."""
