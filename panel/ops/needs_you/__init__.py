"""The page "Needs you": what waits for a decision, one after the other, with what is known and the choices."""
