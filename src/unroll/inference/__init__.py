"""Predictions with NumPy, without PyTorch. It imports base, params, text, vectors and the files of models."""
