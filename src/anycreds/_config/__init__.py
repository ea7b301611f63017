"""What is configured, and where: texts to settings, with plain functions. Nothing here waits or looks anywhere."""
