"""Programs that are measured, or that serve, in a fresh process: run by their path, so that nothing else is loaded."""
