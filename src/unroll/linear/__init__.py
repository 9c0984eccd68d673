"""The linear classifier of n-grams, the networks' rival. It imports base, params, text, evaluation and models."""
