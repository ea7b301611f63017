"""Files on this machine: read, locked, replaced atomically."""
