"""Credentials from IAM Identity Center (single sign-on)."""
