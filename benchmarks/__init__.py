"""Measures of speed, beside a textbook implementation: `make bench` writes docs/benchmarks.md."""
