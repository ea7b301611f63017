"""The one value that everything here hands out: a frozen set of credentials whose secrets cannot be printed.

Hand-written: ``dataclasses`` would cost most of the library's import time, and its ``asdict`` gives the secret away.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NoReturn, Self

from .errors import InvalidConfigurationError

# Longer than any key or session token that AWS issues (tokens are opaque, a few KiB at most); a flood stops here.
LONGEST_FIELD = 16 * 1024


class Credentials:
    """A set of AWS credentials, valid until ``expiration``.

    Equal sets compare equal; the value is immutable, hashable and cannot be pickled. Access keys and ARNs have no
    published format, so none is checked; blank values, control characters and lone surrogates are refused.
    Follows the AWS "SDKs and Tools" reference, page "AWS access keys".

    Raises ``InvalidConfigurationError``, which names the field and never its value.
    """

    __slots__ = (
        "access_key_id",
        "account_id",
        "credential_scope",
        "expiration",
        "identity_id",
        "original_expiration",
        "secret_access_key",
        "session_token",
        "source",
    )

    access_key_id: str
    """The public half of the key."""
    secret_access_key: str
    """The secret half."""
    session_token: str | None
    """Goes with temporary keys; as secret as the key."""
    expiration: datetime | None
    """When the set ends, aware and in UTC; None: no end is known."""
    account_id: str | None
    """The AWS account that the keys belong to, where the source tells."""
    credential_scope: str | None
    """The region scope of the keys, where the source tells."""
    identity_id: str | None
    """The Cognito identity, for sets that come from there."""
    original_expiration: datetime | None
    """When a stale set really ended. Set only if ``expiration`` was moved on during an outage of the source."""
    source: str | None
    """How the set was obtained, for people."""

    def __init__(
        self,
        access_key_id: str,
        secret_access_key: str,
        session_token: str | None = None,
        *,
        expiration: datetime | None = None,
        account_id: str | None = None,
        credential_scope: str | None = None,
        identity_id: str | None = None,
        original_expiration: datetime | None = None,
        source: str | None = None,
    ) -> None:
        problem = self._fill(
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            session_token=session_token,
            expiration=expiration,
            account_id=account_id,
            credential_scope=credential_scope,
            identity_id=identity_id,
            original_expiration=original_expiration,
            source=source,
        )
        if problem is not None:
            del access_key_id, secret_access_key, session_token  # a traceback keeps this frame
            raise InvalidConfigurationError(problem)

    def _fill(self, **fields: object) -> str | None:
        """Set every field, or say what is wrong with the first that is."""
        for name, value in fields.items():
            if name not in ("access_key_id", "secret_access_key") and value is None:
                checked: object = None
            elif name in ("expiration", "original_expiration"):
                checked = _in_utc(value)
            else:
                checked = InvalidReason(problem) if (problem := invalid_reason(value)) else value
            if isinstance(checked, InvalidReason):
                return f"Credentials: {name} {checked}"
            object.__setattr__(self, name, checked)
        return None

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, checked like a new set."""
        twin = object.__new__(type(self))
        if unknown := changes.keys() - set(Credentials.__slots__):
            changes.clear()
            raise TypeError(f"Credentials have no {', '.join(sorted(unknown))}")
        problem = twin._fill(**{**{name: getattr(self, name) for name in Credentials.__slots__}, **changes})
        if problem is not None:
            changes.clear()  # a traceback keeps this frame
            raise InvalidConfigurationError(problem)
        return twin

    __replace__ = replace

    def _key(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in Credentials.__slots__)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Credentials) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        shown = [f"access_key_id={self.access_key_id!r}"]
        shown += [
            f"{name}={value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else f"{name}={value!r}"
            for name in ("expiration", "original_expiration", "account_id", "source")
            if (value := getattr(self, name)) is not None
        ]
        return f"Credentials({', '.join(shown)})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"Credentials are frozen; use replace({name}=...) to get a changed copy")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"Credentials are frozen; {name} cannot be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Credentials cannot be pickled: send the provider's settings, not the secrets")


class InvalidReason(str):
    """What is wrong with a value, in words; a type of its own, so that it cannot be taken for the value."""

    __slots__ = ()


def invalid_reason(value: object, longest: int = LONGEST_FIELD) -> str | None:
    """Say what keeps a value from being a key or a token, without repeating it; None: nothing does."""
    if value is None:
        return "is missing"
    if not isinstance(value, str):
        return f"is not text but {type(value).__name__}"
    if not value.strip():
        return "is blank"
    if len(value) > longest:
        return f"has {len(value)} characters; more than {longest} are never right"
    if value.isprintable():  # as nearly all are, and nothing that is refused below is
        return None
    for character in value:
        if character < " " or character == "\x7f" or "\x80" <= character <= "\x9f":
            return f"contains the control character U+{ord(character):04X}"
        if "\ud800" <= character <= "\udfff":
            return "contains a lone surrogate, that is, bytes which are not UTF-8"
    return None


def _in_utc(value: object) -> datetime | InvalidReason:
    if not isinstance(value, datetime):
        return InvalidReason(f"is not a datetime but {type(value).__name__}")
    if value.utcoffset() is None:
        return InvalidReason("has no time zone: use an aware datetime, such as datetime.now(timezone.utc)")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return InvalidReason("lies outside the years 1 to 9999")
