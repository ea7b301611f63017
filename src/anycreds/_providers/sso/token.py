"""The token of IAM Identity Center (SSO) in the file that ``aws sso login`` writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..._core.durations import to_datetime
from ..._core.validation import InvalidValueError, check_header_safe, check_text
from ..._wire.timestamps import parse_cli_time


class SsoToken(NamedTuple):
    """A token, with what a refresh needs, as far as the file contains it. Its repr shows no secret."""

    access_token: str
    expires_at: float
    """In seconds since 1970."""
    refresh_token: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    registration_expires_at: float | None = None
    """When the registration of the client expires, in seconds since 1970; None if the file does not contain it."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets, which must not appear in an error."""
        return tuple(filter(None, (self.access_token, self.refresh_token, self.client_secret)))

    def check_refreshable(self, now: float) -> None:
        """Raise ``InvalidValueError`` if the token cannot be refreshed; the text says why."""
        fields = {"clientId": self.client_id, "clientSecret": self.client_secret, "refreshToken": self.refresh_token}
        if missing := [name for name, value in fields.items() if not value]:
            raise InvalidValueError(f"it has no {' and no '.join(missing)}")
        if self.registration_expires_at is not None and self.registration_expires_at <= now:
            expiration = format_timestamp(self.registration_expires_at)
            raise InvalidValueError(f"the registration of its client expired at {expiration}")

    def __repr__(self) -> str:
        return f"SsoToken(expires_at={self.expires_at:.0f})"


def file_name(key: str) -> str:
    """Return the name of a token file, for the name of an ``sso-session`` or, without one, the start URL."""
    return hashlib.sha1(key.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest() + ".json"


def cache_name(account_id: str, role_name: str, session: str | None, start_url: str) -> str:
    """Return the name of a role's credentials in the cache of the AWS CLI: the SHA-1 of what selects them, as JSON."""
    place = {"startUrl": start_url} if session is None else {"sessionName": session}
    arguments = {"accountId": account_id, "roleName": role_name, **place}
    text = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def parse_token(document: Mapping[str, Any]) -> SsoToken:
    """Return the token in the JSON object of a token file."""
    access_token = check_header_safe(document.get("accessToken"), field="accessToken")
    refresh_token, client_id, client_secret = (
        optional_text(document.get(name), name) for name in ("refreshToken", "clientId", "clientSecret")
    )
    expires_at = _timestamp(document.get("expiresAt"), "expiresAt")
    registration = document.get("registrationExpiresAt")
    return SsoToken(
        access_token,
        expires_at,
        refresh_token,
        client_id,
        client_secret,
        None if registration is None else _timestamp(registration, "registrationExpiresAt"),
    )


def optional_text(value: object, field: str) -> str | None:
    """Return a text; None for null and for an empty text, which some programs write for an absent value."""
    return None if value in (None, "") else check_text(value, field=field)


def format_timestamp(seconds: float) -> str:
    """Return a time as the AWS CLI writes it: in whole seconds, rounded down."""
    return to_datetime(int(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _timestamp(value: object, field: str) -> float:
    """Return a time in seconds since 1970."""
    if value is None:
        raise InvalidValueError("is missing", field=field)
    return parse_cli_time(value, field=field).timestamp()
