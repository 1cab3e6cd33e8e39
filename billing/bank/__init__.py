"""Bank statements: what came in by the bank, beside the requests that staff approve by hand."""
