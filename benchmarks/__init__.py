"""Benchmarks that compare anycreds with other libraries and with minimal baselines, in one run."""
