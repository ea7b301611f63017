"""botocore: one session for all threads; its frozen credentials are requested for each call, as its signer does."""

from __future__ import annotations

import sys
from collections.abc import Callable

from . import AdvisoryWindow, Peer, not_installed, python_peer

FIRST = """
from botocore.session import get_session
get_session().get_credentials().get_frozen_credentials()
"""

PEERS = (
    Peer(
        name="botocore in threads",
        worker=python_peer(__name__, "threads"),
        packages=("botocore",),
        first=(sys.executable, "-c", FIRST),
        missing=not_installed("botocore"),
        # Its advisory window is 15 minutes, its mandatory window 10 minutes.
        advisory_window=AdvisoryWindow(lifetime=12 * 60.0, after=0.0),
        cannot=dict.fromkeys(("cancelled", "deadlines"), "a thread cannot be cancelled, and a call has no timeout"),
    ),
)


def setup(loop: str) -> Callable[[], str]:
    """Create the session, and return the function that gets credentials."""
    del loop  # threads have no event loop
    from botocore.session import get_session

    session = get_session()

    def get_key() -> str:
        key: str = session.get_credentials().get_frozen_credentials().access_key
        return key

    return get_key
