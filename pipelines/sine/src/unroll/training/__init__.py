"""The training loop and what it is made of. It imports base, params, evaluation and models."""
