"""Static stability: credentials of an unavailable source stay in use for some minutes after they have expired."""

from __future__ import annotations

from .credentials import Credentials
from .durations import to_datetime

# In seconds, as in the JavaScript SDK. The extension is random, so that machines retry at different times.
MIN_EXTENSION, MAX_EXTENSION = 5 * 60.0, 10 * 60.0


def extended(credentials: Credentials, now: float, jitter: float) -> Credentials:
    """Return expired credentials with a later expiration, and the real one as ``original_expiration``."""
    return credentials.replace(
        expiration=to_datetime(now + MIN_EXTENSION + (MAX_EXTENSION - MIN_EXTENSION) * jitter),
        original_expiration=credentials.original_expiration or credentials.expiration,
    )
