"""Credentials from environment variables, read at every call. Half a pair is broken, not absent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from .._config.settings import Setting, first_set
from .._core.credentials import Credentials
from .._core.errors import CredentialsError, InvalidConfigurationError, NotConfiguredError
from .._core.io import Io, Runtime
from .._core.provider import ClientContext, Provider
from .._core.validation import InvalidValueError, check_text

NAME = "environment variables"
_KEY, _SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
_TOKEN, _EXPIRATION = "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"
_ACCOUNT, _SCOPE = "AWS_ACCOUNT_ID", "AWS_CREDENTIAL_SCOPE"
_ALL = (_KEY, _SECRET, _TOKEN, _EXPIRATION, _ACCOUNT, _SCOPE)


class EnvironmentProvider(Provider):
    """What ``from_env`` makes.

    Follows the AWS "SDKs and Tools" reference, pages "AWS access keys" and "Environment variables list".
    """

    __slots__ = ("_environ",)

    _waits = False

    def __init__(self, runtime: Runtime, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(NAME, runtime)
        self._environ = environ

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        return parse_credentials(self._variables(io))

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        found = [name for name in _ALL if first_set(self._variables(io), name) is not None]
        return [f"{', '.join(found)} (environment)"] if _KEY in found or _SECRET in found else []

    def _variables(self, io: Io) -> Mapping[str, str]:
        return io.environ() if self._environ is None else self._environ


def parse_credentials(environ: Mapping[str, str]) -> Credentials:
    """Return the credentials in environment variables.

    Raises:
        NotConfiguredError: No access key is set.
        InvalidConfigurationError: The variables are incomplete or invalid.

    """
    found = {name: first_set(environ, name) for name in _ALL}
    key, secret = found[_KEY], found[_SECRET]
    if key is None or secret is None:
        raise _incomplete(_KEY if key is None else _SECRET, nothing=key is secret)
    try:
        for name, setting in found.items():
            if setting is not None:
                check_text(setting.value, field=name)
        end = found[_EXPIRATION]
        expiration = None if end is None else _time(end.value)
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


def _time(text: str) -> datetime:
    from .._wire.timestamps import parse_time  # lazily: the variable is rarely set

    return parse_time(text.strip(), field=_EXPIRATION)


def _value(setting: Setting | None) -> str | None:
    return None if setting is None else setting.value


def _incomplete(missing: str, *, nothing: bool) -> CredentialsError:
    if nothing:
        return NotConfiguredError(f"neither {_KEY} nor {_SECRET} is set", source=NAME)
    present = _SECRET if missing == _KEY else _KEY
    return InvalidConfigurationError(
        f"{present} is set, but {missing} is not", source=NAME, hint=f"set {missing} too, or unset {present}"
    )
