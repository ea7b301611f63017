"""Credentials of the session that `aws login` created."""
