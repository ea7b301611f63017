"""Loads the fixtures ``aws_isolated``, ``fake_aws`` and ``virtual_clock``."""

pytest_plugins = ["anycreds.testing.pytest_plugin"]
