"""Providers plugged into other libraries: one module for each, one extra for each. Nothing else here imports them."""
