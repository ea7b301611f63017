"""botocore: one session for all threads, whose credentials are asked before each request, as its own signer does."""

from __future__ import annotations

import sys
from collections.abc import Callable

from . import Ahead, Peer, not_installed, python_peer

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
        # It refreshes from 15 minutes before the end, and lets callers wait for it from 10 minutes before.
        ahead=Ahead(life=12 * 60.0, after=0.0),
        cannot=dict.fromkeys(("cancelled", "deadlines"), "a thread cannot be cancelled, nor a call given up"),
    ),
)


def opened(loop: str) -> Callable[[], str]:
    """Return the way to ask."""
    del loop  # there is none
    from botocore.session import get_session

    session = get_session()

    def ask() -> str:
        key: str = session.get_credentials().get_frozen_credentials().access_key
        return key

    return ask
