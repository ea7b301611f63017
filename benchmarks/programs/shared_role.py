"""One of many processes that need the credentials of a role. Prints the access key id for each line of its input.

Arguments: the event loop, and how credentials are got: ``disk`` (``disk_cached``), ``memory`` (``cached`` alone), or
``botocore``, with its cache on disk as the AWS CLI sets it up. The second line stands for an expiration: the process
then wants other credentials than those it has. Everything is imported before the first line is read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

PROFILE = "role"
# What the first call imports.
MODULES = (
    "filelock",
    "anycreds._factories.profile_build",
    "anycreds._providers.disk_cache.provider",
    "anycreds._providers.sts.assume_role",
    "anycreds._system.http.services",
    "anycreds._system.local",
)


def from_anycreds(loop: str, *, on_disk: bool) -> Callable[[bool], str]:
    """Return a function that returns an access key id."""
    import anyio

    import anycreds

    for module in (*MODULES, f"anyio._backends._{loop}"):
        import_module(module)
    role = anycreds.from_ini(PROFILE)
    provider = anycreds.cached(anycreds.disk_cached(role) if on_disk else role)

    async def call(refresh: bool) -> str:
        return (await provider(refresh=refresh)).access_key_id

    return lambda refresh: anyio.run(call, refresh, backend=loop)


def from_botocore() -> Callable[[bool], str]:
    """Return a function that returns an access key id."""
    from botocore.session import Session
    from botocore.utils import JSONFileCache

    session = Session(profile=PROFILE)
    cache = JSONFileCache(str(Path("~/.aws/cli/cache").expanduser()))
    session.get_component("credential_provider").get_provider("assume-role").cache = cache
    credentials = session.get_credentials()
    return lambda _: credentials.get_frozen_credentials().access_key


if __name__ == "__main__":
    loop, kind = sys.argv[1:]
    call = from_botocore() if kind == "botocore" else from_anycreds(loop, on_disk=kind == "disk")
    print("ready", flush=True)
    for number, _ in enumerate(sys.stdin):
        print(call(number > 0), flush=True)
