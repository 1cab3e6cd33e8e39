"""What staff do to many orders at once: each action is planned first, and then done to each order by itself."""
