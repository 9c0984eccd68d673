"""Experiments on many machines: grids and searches, each experiment run by a Dask worker in a clone of its own."""
