"""Tests of code that needs credentials: with the fake of AWS, with a fault, and with a day of virtual time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

import anycreds
from anycreds.testing import FakeAWS, Status, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend

anyio_backend = virtual_backend  # async tests run on trio and asyncio, under virtual time


class Uploader:
    """The code under test: it signs an upload with a provider's credentials."""

    def __init__(self, provider: anycreds.CachedProvider) -> None:
        self._provider = provider

    async def upload(self) -> str:
        """Return the key that signed."""
        return (await self._provider()).access_key_id


def test_on_an_instance(aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code works on EC2, also if the metadata service fails once."""
    for name, value in fake_aws.metadata_environ().items():
        monkeypatch.setenv(name, value)
    fake_aws.script("role", Status(503))
    provider = anycreds.cached(anycreds.from_instance_metadata(max_retries=1))
    assert anyio.run(Uploader(provider).upload).startswith("ASIA")
    assert fake_aws.count("role") == 2


@pytest.mark.anyio
async def test_for_a_day(virtual_clock: VirtualClock) -> None:
    """In a day of hourly credentials every upload is signed with valid ones, by some thirty calls of the source."""
    issued: list[datetime] = []

    async def source() -> anycreds.Credentials:
        now = datetime.fromtimestamp(virtual_clock.time(), UTC)
        issued.append(now + timedelta(hours=1))
        return anycreds.Credentials(f"AKID{len(issued)}", "not-a-secret", "t", expiration=issued[-1])

    uploader = Uploader(anycreds.cached(source))
    for _ in range(24 * 60):
        key = await uploader.upload()
        assert issued[int(key.removeprefix("AKID")) - 1].timestamp() > virtual_clock.time()
        await anyio.sleep(60)
    assert 25 <= len(issued) <= 40
