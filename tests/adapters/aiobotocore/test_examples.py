"""The docstring examples of the aiobotocore adapter."""

from __future__ import annotations

import doctest
import functools
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import anycreds
from adapters.aiobotocore.signed_aws import SignedAws
from anycreds.testing import CANARY

pytest.importorskip("aiobotocore")

import aiobotocore.session

from anycreds.adapters.aiobotocore import ProviderSession, create_session, install

pytestmark = pytest.mark.filterwarnings("ignore:aiobotocore's httpx backend:DeprecationWarning")

KEYS = anycreds.Credentials("AKIDEXAMPLE", f"{CANARY}-secret")


class FileSystem:
    """A replacement for s3fs, which has its own tests, and for its module."""

    def __init__(self, session: ProviderSession) -> None:
        self.session = session


FileSystem.S3FileSystem = FileSystem  # type: ignore[attr-defined]


def names_of_example(function: Callable[..., object]) -> dict[str, Any]:
    """Run the example of a function, and return its variables."""
    known = {
        "aiobotocore": aiobotocore,
        "anycreds": anycreds,
        "create_session": create_session,
        "functools": functools,
        "install": install,
        "s3fs": FileSystem,
    }
    (example,) = doctest.DocTestFinder(recurse=False).find(function, globs=known)
    assert example.examples
    assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
    return example.globs


@pytest.fixture(autouse=True)
def environment(aws: SignedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set keys and the endpoint in the environment."""
    aws.know(KEYS)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret_access_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)


@pytest.mark.anyio
async def test_create_session(aws: SignedAws) -> None:
    """The example's session lists buckets, and its file system can be pickled."""
    names = names_of_example(create_session)
    assert await names["buckets"]() == ["first", "second"]
    assert (aws.key_ids, aws.error_codes) == (["AKIDEXAMPLE"], [None])
    assert names["files"].session is names["session"]
    assert pickle.loads(pickle.dumps(names["files"])).session is names["session"]


@pytest.mark.anyio
async def test_install() -> None:
    """The example's session returns the keys of the environment."""
    session = names_of_example(install)["session"]
    frozen = await (await session.get_credentials()).get_frozen_credentials()
    assert frozen.access_key == "AKIDEXAMPLE"
