"""What the command line wants to know of the shared files beside credentials: names and regions. Never fails."""

from __future__ import annotations

import asyncio
import os

from .._config.locations import select_profile
from .._config.profiles import Profiles
from .._config.settings import first_set
from .._config.shared_files import FileOptions, SharedFiles, view_of
from .._core.errors import CredentialsError
from .._factories.runtime import RUNTIME

# Botocore and the AWS CLI read the second only.
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


def selected_name(profile: str | None) -> str:
    """Return the name of the profile that is meant."""
    return select_profile(profile, None, os.environ).name.value


def profiles() -> Profiles | None:
    """Return what both files say; None: they cannot be read."""
    try:
        return asyncio.run(_read())
    except CredentialsError:
        return None


def known() -> list[str]:
    """Return the names of all profiles."""
    found = profiles()
    return [] if found is None else found.names()


def region_to_set(profile: str | None) -> str | None:
    """Return the region that who had the named profile would use, and who has only its keys would not know."""
    choice = select_profile(profile, None, os.environ)
    if not choice.is_explicit or first_set(os.environ, *REGION_VARIABLES) is not None or (found := profiles()) is None:
        return None
    try:
        setting = view_of(found, choice.name.value).setting("region")
    except CredentialsError:
        return None
    return None if setting is None else setting.value


async def _read() -> Profiles:
    async with RUNTIME.open_io("shared files") as io:
        return await SharedFiles(FileOptions()).profiles(io)
