"""Keys that stand in a profile."""

from __future__ import annotations

from collections.abc import Mapping

from .._config.settings import Setting
from .._core.credentials import Credentials
from .._core.errors import CredentialsError
from .._core.io import Io, Runtime
from .._core.provider import ClientContext, Provider

NAME = "shared files"


class StaticProvider(Provider):
    """What a profile with keys means. The settings were checked when the profile was planned.

    Follows the AWS "SDKs and Tools" reference, page "AWS access keys".
    """

    __slots__ = ("_profile", "_settings")

    _waits = False

    def __init__(self, runtime: Runtime, profile: str, settings: Mapping[str, Setting]) -> None:
        super().__init__(f"{NAME}, profile {profile!r}", runtime)
        self._profile = profile
        self._settings = settings

    async def _load(self, io: Io, context: ClientContext) -> Credentials | CredentialsError:
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
