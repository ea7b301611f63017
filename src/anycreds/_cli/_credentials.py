"""How commands get credentials."""

from __future__ import annotations

import asyncio

from .. import Credentials, from_default_chain
from ._mfa import prompt_for_mfa_code
from ._recursion_guard import recursion_guard


def get_credentials(profile: str | None) -> Credentials:
    """Return the credentials of a profile, or of the default chain if it is None. Raises ``CredentialsError``."""
    with recursion_guard():
        return asyncio.run(from_default_chain(profile, mfa_code_provider=prompt_for_mfa_code)())
