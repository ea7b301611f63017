"""How long before their expiration credentials are refreshed, for the caches in memory and on disk."""

from __future__ import annotations

# The window for a lifetime of at most 20 minutes, of less than 90 minutes, and of more: the AWS SDKs' common refresh
# behavior of 2026. Seconds.
SHORT_LIFETIME, SHORT_WINDOW = 20 * 60.0, 5 * 60.0
MEDIUM_LIFETIME, MEDIUM_WINDOW = 90 * 60.0, 15 * 60.0
LONG_WINDOW = 60 * 60.0


def advisory_window(lifetime: float) -> float:
    """Return the window for a lifetime, both in seconds. Callers limit it to half of the lifetime."""
    if lifetime <= SHORT_LIFETIME:
        return SHORT_WINDOW
    return MEDIUM_WINDOW if lifetime < MEDIUM_LIFETIME else LONG_WINDOW
