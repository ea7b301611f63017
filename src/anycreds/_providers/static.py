"""Access keys in a profile of the shared files."""

from __future__ import annotations

from collections.abc import Mapping

from .._config.settings import Setting
from .._core.credentials import Credentials
from .._core.events import Event
from .._core.io import ImmediateIo, Io, Runtime
from .._core.provider import ClientContext, Provider

NAME = "shared files"


class StaticProvider(Provider):
    """The provider of a profile with access keys.

    Args:
        runtime: What it runs on.
        profile: The name of the profile.
        settings: The settings of the profile. They were checked when the role chain was resolved.

    See: AWS SDKs and Tools Reference Guide, "AWS access keys",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html
    """

    __slots__ = ("_profile", "_settings")

    def __init__(self, runtime: Runtime, profile: str, settings: Mapping[str, Setting]) -> None:
        super().__init__(f"{NAME}, profile {profile!r}", runtime)
        self._profile = profile
        self._settings = settings

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        return self._load_now(io, context, [])

    def _load_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials:
        return Credentials(
            self._settings["aws_access_key_id"].value,
            self._settings["aws_secret_access_key"].value,
            self._value("aws_session_token"),
            account_id=self._value("aws_account_id"),
            credential_scope=self._value("aws_credential_scope"),
            source=self.name,
        )

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        return [f"aws_access_key_id of profile {self._profile!r} ({self._settings['aws_access_key_id'].origin})"]

    def _value(self, key: str) -> str | None:
        setting = self._settings.get(key)
        return None if setting is None else setting.value
