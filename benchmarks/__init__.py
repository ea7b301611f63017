"""Benchmarks: each figure beside its floor from the same run. ``python -m benchmarks``; see ``README.md``."""
