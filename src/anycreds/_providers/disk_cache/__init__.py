"""Credentials in a cache on disk, which processes share."""
