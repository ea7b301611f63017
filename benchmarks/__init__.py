"""Benchmarks: anycreds beside other libraries, and beside the least that one can do, in one run."""
