"""What each of the staff keeps of the list of orders, and the small answers that its page asks for."""
