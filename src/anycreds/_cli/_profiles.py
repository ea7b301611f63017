"""Names and regions in the shared files, for messages and for ``exec``. A file that cannot be read is no error here."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from .._config.locations import select_profile
from .._config.profiles import Profiles
from .._config.settings import first_set
from .._config.shared_files import NAME, FileOptions, SharedFiles, view_of
from .._core.errors import CredentialsError
from .._factories.runtime import RUNTIME

# Botocore and the AWS CLI only read the second.
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


def selected_name(profile: str | None) -> str:
    """Return the name of the selected profile."""
    return select_profile(profile, None, os.environ).name.value


def profile_names() -> list[str]:
    """Return the names of all profiles."""
    with suppress(CredentialsError):
        return _read_profiles().names()
    return []


def region_to_set(profile: str | None) -> str | None:
    """Return the region of an explicitly selected profile, which a command that only gets the keys would not find."""
    selection = select_profile(profile, None, os.environ)
    if not selection.is_explicit or first_set(os.environ, *REGION_VARIABLES) is not None:
        return None
    with suppress(CredentialsError):
        setting = view_of(_read_profiles(), selection.name.value).setting("region")
        return None if setting is None else setting.value
    return None


def _read_profiles() -> Profiles:
    async def read() -> Profiles:
        async with RUNTIME.open_io(NAME) as io:
            return await SharedFiles(FileOptions()).profiles(io)

    return asyncio.run(read())
