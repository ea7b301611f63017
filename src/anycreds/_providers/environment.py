"""Access keys in environment variables, read at every call. A key without its counterpart is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._config.settings import Setting, first_set, first_set_or_old
from .._core.credentials import Credentials
from .._core.errors import CredentialsError, InvalidConfigurationError, NotConfiguredError
from .._core.provider import ClientContext, Provider
from .._core.validation import InvalidValueError, check_text

if TYPE_CHECKING:
    from datetime import datetime

    from .._core.events import Event
    from .._core.io import ImmediateIo, Io, Runtime

NAME = "environment variables"
_KEY, _SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
_TOKEN, _EXPIRATION = "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"
_OLD_TOKEN = "AWS_SECURITY_TOKEN"
_ACCOUNT, _SCOPE = "AWS_ACCOUNT_ID", "AWS_CREDENTIAL_SCOPE"
_OTHERS = (_TOKEN, _EXPIRATION, _ACCOUNT, _SCOPE)


class EnvironmentProvider(Provider):
    """The provider of ``from_env``.

    Args:
        runtime: What it runs on.
        environ: Replaces the environment variables of the process; None for the process's own.

    See: AWS SDKs and Tools Reference Guide, "AWS access keys" and "Environment variables list",
    https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
    """

    __slots__ = ("_environ",)

    def __init__(self, runtime: Runtime, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(NAME, runtime)
        self._environ = environ

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        return self._load_now(io, context, [])

    def _load_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials:
        return parse_credentials(self._variables(io))

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> None:
        """Raise an error if nothing is configured, so that a chain continues."""
        self._load_now(io, context, [])

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        variables = self._variables(io)
        settings = _keys(variables)
        if any(settings.values()):
            settings |= _others(variables)
        found = [setting.origin for setting in settings.values() if setting is not None]
        return [f"{', '.join(found)} (environment)"] if found else []

    def _variables(self, io: ImmediateIo) -> Mapping[str, str]:
        return io.environ() if self._environ is None else self._environ


def parse_credentials(environ: Mapping[str, str]) -> Credentials:
    """Return the credentials in environment variables.

    Raises:
        NotConfiguredError: No access key is set.
        InvalidConfigurationError: The variables are incomplete or invalid.

    """
    found = _keys(environ)
    key, secret = found[_KEY], found[_SECRET]
    if key is None or secret is None:  # as in most attempts of a chain, which then read no other variable
        raise _missing_key_error(key, secret)
    found |= _others(environ)
    try:
        for setting in found.values():
            if setting is not None:
                check_text(setting.value, field=setting.origin)
        expiration = _parse_expiration(found[_EXPIRATION])
    except InvalidValueError as error:
        raise InvalidConfigurationError(str(error), source=NAME) from None
    return Credentials(
        key.value,
        secret.value,
        _value(found[_TOKEN]),
        expiration=expiration,
        account_id=_value(found[_ACCOUNT]),
        credential_scope=_value(found[_SCOPE]),
        source=NAME,
    )


def _keys(environ: Mapping[str, str]) -> dict[str, Setting | None]:
    return {_KEY: first_set(environ, _KEY), _SECRET: first_set(environ, _SECRET)}


def _others(environ: Mapping[str, str]) -> dict[str, Setting | None]:
    """Return the settings that belong to a key. The old name of the session token counts, too."""
    found = {name: first_set(environ, name) for name in _OTHERS}
    if found[_TOKEN] is None:
        found[_TOKEN] = first_set_or_old(environ, _TOKEN, _OLD_TOKEN)
    return found


def _parse_expiration(setting: Setting | None) -> datetime | None:
    if setting is None:
        return None
    from .._wire.timestamps import parse_time  # lazily: the variable is rarely set

    return parse_time(setting.value.strip(), field=_EXPIRATION)


def _value(setting: Setting | None) -> str | None:
    return None if setting is None else setting.value


def _missing_key_error(key: Setting | None, secret: Setting | None) -> CredentialsError:
    if key is None and secret is None:
        return NotConfiguredError(f"neither {_KEY} nor {_SECRET} is set", source=NAME)
    present, missing = (_SECRET, _KEY) if key is None else (_KEY, _SECRET)
    return InvalidConfigurationError(
        f"{present} is set, but {missing} is not", source=NAME, hint=f"set {missing} too, or unset {present}"
    )
