"""The weekly proof: what a week brought, and that nothing was doubled or lost. A message and a page."""
