"""Predictions with NumPy, without PyTorch. It imports base, params, data, text and the files of models."""
