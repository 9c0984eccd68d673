"""Experiments on many machines: a grid of them, each run by a worker of a Dask cluster in a clone of its own."""
