"""What the credential sources share: endpoints, retries, token files, calls of user functions."""
