"""Credentials of a profile in the shared config and credentials files."""
