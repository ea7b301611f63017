"""Credentials that a command prints (``credential_process``)."""
