"""The default chain: its order, what it says when there is nothing, and who may not be replaced in silence."""

from __future__ import annotations

import pytest

import anycreds
from anycreds.testing import FakeAWS

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "shh"}


@pytest.mark.anyio
async def test_default_chain_asks_the_environment_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment win, are read when awaited, and are cached."""
    chain = anycreds.from_default_chain()
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    first = await chain()
    assert first.access_key_id == "AKIDENV"
    assert first.source == "environment variables"
    assert await chain() is first


@pytest.mark.anyio
async def test_default_chain_with_nothing_explains_itself() -> None:
    """With nothing configured the error lists every provider of the chain, in order."""
    with pytest.raises(anycreds.NoCredentialsError) as caught:
        await anycreds.from_default_chain()()
    names = [attempt.provider for attempt in caught.value.attempts]
    expected = "environment variables, SSO, web identity, shared files, container credentials, EC2 instance metadata"
    assert names == expected.split(", ")
    assert "AWS_EC2_METADATA_DISABLED" in str(caught.value)


@pytest.mark.anyio
async def test_default_chain_stops_at_half_a_key_pair() -> None:
    """An access key without its secret is an error, not a reason to look elsewhere."""
    chain = anycreds.from_default_chain(environ={"AWS_ACCESS_KEY_ID": "AKIDENV"})
    with pytest.raises(anycreds.InvalidConfigurationError, match="AWS_SECRET_ACCESS_KEY"):
        await chain()


@pytest.mark.anyio
@pytest.mark.parametrize("by", ["argument", "variable"])
async def test_named_profile_is_never_replaced_by_what_lies_around(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a profile gets an error that says who named it, not the keys of the environment."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    if by == "variable":
        monkeypatch.setenv("AWS_PROFILE", "work")
    chain = anycreds.from_default_chain("work" if by == "argument" else None)
    with pytest.raises(anycreds.ProfileNotFoundError, match=r"'work'.*selected by (option profile|AWS_PROFILE)"):
        await chain()


def test_metadata_sets_survive_an_outage_through_the_default_chain(
    fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Static stability holds for a set from EC2 metadata inside a chain, and for no other set in it."""
    import asyncio

    from anycreds.testing import Forever, ManualClock, Status

    for name, value in fake_aws.metadata_environ().items():
        monkeypatch.setenv(name, value)
    clock = ManualClock()
    fake_aws.clock = clock
    provider = anycreds.cached(anycreds.from_default_chain(), clock=clock, refresh_window=60)

    async def ask() -> anycreds.Credentials:
        return await provider()

    first = asyncio.run(ask())
    assert first.source == "EC2 instance metadata"
    fake_aws.script("role", Forever(Status(503)))
    clock.advance(7 * 3600)
    stale = asyncio.run(ask())
    assert stale.access_key_id == first.access_key_id
    assert stale.original_expiration == first.expiration
    fake_aws.restore()
    clock.advance(20 * 60)
    assert asyncio.run(ask()).original_expiration is None
