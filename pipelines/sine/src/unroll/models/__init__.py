"""Recurrent networks in PyTorch, their batches and their files. It imports base, params and text."""
