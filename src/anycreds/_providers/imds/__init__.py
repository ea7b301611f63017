"""Credentials of an EC2 instance's role, from the instance metadata service."""
