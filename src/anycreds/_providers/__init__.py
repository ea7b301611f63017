"""The ways to get credentials, one file each. None of them knows another one."""
