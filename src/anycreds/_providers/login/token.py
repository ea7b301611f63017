"""The credentials and the refresh token in the file that ``aws login`` writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..._core.credentials import Credentials
from ..._core.validation import MAX_TEXT_LENGTH, InvalidValueError, check_account_id, check_text
from ..._wire.endpoints import is_region
from ..._wire.json import object_in
from ..._wire.timestamps import parse_time

KEYS = ("accessKeyId", "secretAccessKey", "sessionToken")


class LoginToken(NamedTuple):
    """The content of the file. Its repr shows no secret."""

    credentials: Credentials
    """They always have an expiration and an account ID."""
    client_id: str
    refresh_token: str
    """It can be used once."""
    dpop_key: str
    """The private key of DPoP proofs, as PEM. It is parsed when it is needed."""
    region: str | None
    """The region of the sign-in, if the file contains a valid one."""
    access_token: Mapping[str, Any]
    """The object with the credentials, including fields that are unknown here."""

    @property
    def expires_at(self) -> float:
        """When the credentials expire, in seconds since 1970."""
        expiration = self.credentials.expiration
        assert expiration is not None
        return expiration.timestamp()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets, which must not appear in an error."""
        credentials = self.credentials
        return (self.refresh_token, credentials.secret_access_key, credentials.session_token or "")

    def __repr__(self) -> str:
        return f"LoginToken({self.credentials!r})"


def file_name(session: str) -> str:
    """Return the name of the file for a value of ``login_session``."""
    return hashlib.sha256(session.strip().encode("utf-8", "surrogatepass")).hexdigest() + ".json"


def parse_token(document: Mapping[str, Any], source: str) -> LoginToken:
    """Return the token in the JSON object of a file. ``source`` is that of the credentials in it."""
    keys = object_in(document, "accessToken")
    key_id, secret, session_token, expires_at = (
        check_text(keys.get(name), field=f"accessToken.{name}") for name in (*KEYS, "expiresAt")
    )
    account_id = check_account_id(keys.get("accountId"), field="accessToken.accountId")
    client_id, refresh_token = (check_text(document.get(name), field=name) for name in ("clientId", "refreshToken"))
    expiration = parse_time(expires_at, field="accessToken.expiresAt")
    region = document.get("signInRegion")
    return LoginToken(
        Credentials(key_id, secret, session_token, expiration=expiration, account_id=account_id, source=source),
        client_id,
        refresh_token,
        _check_pem(document.get("dpopKey")),
        region if is_region(region) else None,
        keys,
    )


def _check_pem(value: object) -> str:
    """Return a text that may have several lines. Its content is validated when the key is needed."""
    if not isinstance(value, str) or not value.strip():
        return check_text(value, field="dpopKey")
    if len(value) > MAX_TEXT_LENGTH:
        reason = f"has {len(value)} characters; expected at most {MAX_TEXT_LENGTH}"
        raise InvalidValueError(reason, field="dpopKey")
    return value
