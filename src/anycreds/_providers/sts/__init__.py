"""Credentials of a role, from AWS STS."""
