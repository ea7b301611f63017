"""Credentials from an Amazon Cognito identity pool."""
