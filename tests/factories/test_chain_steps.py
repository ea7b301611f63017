"""The steps of a default chain without options: what is built, and that its errors are those of the providers."""

from __future__ import annotations

from pathlib import Path

import pytest

import anycreds
from anycreds import NoCredentialsError
from anycreds._core.io import ReadFailure
from anycreds._factories.chain_steps import ChainStep
from anycreds._factories.default_chain import CHAIN_WITHOUT_PROFILE, ENVIRONMENT
from anycreds._providers.chain import DefaultChain
from anycreds._system.files import snapshot

pytestmark = pytest.mark.anyio


async def attempts_of(provider: anycreds.CachedProvider) -> list[tuple[str, str, str | None]]:
    """Return what the providers of a chain report that finds no credentials."""
    with pytest.raises(NoCredentialsError) as raised:
        await provider()
    return [(one.provider, one.reason, one.error.source) for one in raised.value.attempts]


def built(provider: anycreds.CachedProvider) -> list[str]:
    """Return the names of the steps whose provider was built."""
    chain = provider._source
    assert isinstance(chain, DefaultChain)
    steps = [step for step in chain._providers if isinstance(step, ChainStep)]
    return [step.name for step in steps if step._provider is not None]


@pytest.mark.parametrize("at_once", [True, False])
async def test_without_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    """Steps without configuration are not built if that is found without a thread, and report the same as always."""
    environ = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    missing = ReadFailure("cannot be read: No such file or directory", is_missing=True)
    monkeypatch.setattr(snapshot, "read_directly", lambda wanted: [missing for _ in wanted] if at_once else None)
    without_options = anycreds.from_default_chain(environ=environ)
    with_options = anycreds.from_default_chain(environ=environ, timeout=1.0)
    assert built(without_options) == built(with_options) == []
    assert await attempts_of(without_options) == await attempts_of(with_options)
    unchecked = [one.provider for one in CHAIN_WITHOUT_PROFILE if one.absence is None and one is not ENVIRONMENT]
    assert built(without_options) == (unchecked if at_once else ["SSO", *unchecked])


async def test_names() -> None:
    """A step has the name of its provider."""
    chain = anycreds.from_default_chain()._source
    assert isinstance(chain, DefaultChain)
    assert [step._built().name for step in chain._providers if isinstance(step, ChainStep)] == [
        step.name for step in chain._providers[1:]
    ]


@pytest.mark.parametrize("profile", [None, "default"])
async def test_files_with_a_profile(tmp_path: Path, profile: str | None) -> None:
    """A profile in the shared files is found by the step that reads them."""
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text("[default]\naws_access_key_id = AKID\naws_secret_access_key = x\n")
    provider = anycreds.from_default_chain(profile, environ={"HOME": str(tmp_path)})
    assert (await provider()).source == "shared files, profile 'default'"
