"""Measured programs and servers. They are run by path in a fresh process, so that nothing else is loaded."""
