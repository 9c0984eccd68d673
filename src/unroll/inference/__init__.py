"""Predictions with NumPy, without PyTorch. It imports base, params, data, text, linear and the files of models."""
