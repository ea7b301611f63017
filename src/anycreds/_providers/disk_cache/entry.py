"""One entry of the cache, in the format of the AWS CLI and botocore: the response of STS, as JSON. Pure.

Unknown fields are ignored. botocore reads the four fields that are always there, and ``AccountId``.

See: ``JSONFileCache`` in botocore, https://github.com/boto/botocore/blob/develop/botocore/utils.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..._core.advisory_window import advisory_window
from ..._core.credentials import Credentials
from ..._core.validation import InvalidValueError, check_account_id, check_text
from ..._wire.json import object_in, parse_object
from ..._wire.text import decode_utf8
from ..._wire.timestamps import parse_cli_time

# Seconds. No credentials live longer (``expire_after`` has the same limit), so the clock of the writer was wrong.
_MAX_LIFETIME = 7 * 86_400.0
# Seconds by which the clock of a network drive may differ from that of this machine.
_MAX_CLOCK_SKEW = 60.0


class DiskCacheEntry(NamedTuple):
    """Credentials in a file, and when they were written."""

    credentials: Credentials
    expires_at: float
    """In seconds since 1970, as the other times."""
    written_at: float

    def is_valid(self, now: float) -> bool:
        """Return whether the credentials have not expired."""
        return self.expires_at > now

    def is_due(self, now: float, *, may_prompt_user: bool) -> bool:
        """Return whether the credentials are to be refreshed, by the rule of the cache in memory, without its jitter.

        A refresh that may prompt the user is due when they have expired.
        """
        remaining, lifetime = self.expires_at - now, self.expires_at - min(self.written_at, now)
        return remaining <= (0.0 if may_prompt_user else min(advisory_window(lifetime), lifetime / 2))


def parse_entry(content: bytes, written_at: float, now: float, source: str) -> DiskCacheEntry:
    """Return the entry in a file. An ``InvalidValueError`` does not name the file, and shows nothing of it."""
    if written_at > now + _MAX_CLOCK_SKEW:
        raise InvalidValueError("was written in the future, so the clock has been set back since then")
    found = object_in(parse_object(decode_utf8(content)), "Credentials")
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    key_id, secret, token = (check_text(found.get(name), field=name) for name in names)
    expiration = parse_cli_time(check_text(found.get("Expiration"), field="Expiration"), field="Expiration")
    expires_at = expiration.timestamp()
    if expires_at - min(written_at, now) > _MAX_LIFETIME:
        raise InvalidValueError(f"is more than {_MAX_LIFETIME / 86_400:.0f} days away", field="Expiration")
    account_id = found.get("AccountId")
    credentials = Credentials(
        key_id,
        secret,
        token,
        expiration=expiration,
        account_id=None if account_id is None else check_account_id(account_id, field="AccountId"),
        credential_scope=_optional(found, "CredentialScope"),
        identity_id=_optional(found, "IdentityId"),
        source=source,
    )
    return DiskCacheEntry(credentials, expires_at, written_at)


def _optional(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return None if value is None else check_text(value, field=name)


def is_temporary(credentials: Credentials) -> bool:
    """Return whether credentials may be written: never access keys of a user, nor ones with an extended expiration."""
    has_lifetime = credentials.expiration is not None and credentials.original_expiration is None
    return has_lifetime and credentials.session_token is not None


def format_entry(credentials: Credentials, provider_type: str | None) -> bytes:
    """Return the content of the file for temporary credentials."""
    assert credentials.expiration is not None  # they are temporary
    fields = {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "SessionToken": credentials.session_token,
        "Expiration": f"{credentials.expiration:%Y-%m-%dT%H:%M:%SZ}",
        "AccountId": credentials.account_id,
        "CredentialScope": credentials.credential_scope,
        "IdentityId": credentials.identity_id,
    }
    document: dict[str, object] = {} if provider_type is None else {"ProviderType": provider_type}
    document["Credentials"] = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(document).encode()
