"""Word vectors, learned from the training text or read from a file. It imports base, params and data."""
