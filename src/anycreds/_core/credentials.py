"""``Credentials``: the immutable value that every provider returns. Its secrets cannot be printed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NoReturn, Self

from .errors import InvalidConfigurationError
from .frozen import Frozen
from .validation import InvalidValueError, check_text


class Credentials(Frozen):
    """AWS credentials. Immutable and hashable; equal values compare equal. They cannot be pickled.

    AWS publishes no format of access keys and ARNs, so none is checked. Blank values, control characters and lone
    surrogates are rejected.

    Attributes:
        access_key_id: The access key id, which is not a secret.
        secret_access_key: The secret access key.
        session_token: The session token of temporary credentials, a secret; None for long-term access keys.
        expiration: When the credentials expire, an aware datetime in UTC; None if they do not, or it is unknown.
        account_id: The AWS account of the credentials; None if the source does not return it.
        credential_scope: The region scope of the credentials; None if the source does not return it.
        identity_id: The Cognito identity id; None if the credentials are not from Cognito.
        original_expiration: The real expiration of credentials whose ``expiration`` was extended because their source
            is unavailable; None for all others.
        source: The name of the provider that returned the credentials, for display; None if unknown.

    Raises:
        InvalidConfigurationError: A value cannot be used. The message names the field and does not repeat its value.

    See: AWS SDKs and Tools Reference Guide, "AWS access keys",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html

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
    secret_access_key: str
    session_token: str | None
    expiration: datetime | None
    account_id: str | None
    credential_scope: str | None
    identity_id: str | None
    original_expiration: datetime | None
    source: str | None

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
        set_field, text = object.__setattr__, None
        try:
            set_field(self, "access_key_id", check_text(access_key_id, field="access_key_id"))
            set_field(self, "secret_access_key", check_text(secret_access_key, field="secret_access_key"))
            for name, text in (
                ("session_token", session_token),
                ("account_id", account_id),
                ("credential_scope", credential_scope),
                ("identity_id", identity_id),
                ("source", source),
            ):
                set_field(self, name, None if text is None else check_text(text, field=name))
            set_field(self, "expiration", _in_utc("expiration", expiration))
            set_field(self, "original_expiration", _in_utc("original_expiration", original_expiration))
            return
        except InvalidValueError as error:
            message = f"Credentials: {error}"
        # Programs call this themselves, so no provider strips this frame from the traceback.
        del access_key_id, secret_access_key, session_token, text
        raise InvalidConfigurationError(message)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed.

        Args:
            changes: New values by the names of the fields. They are checked as in the constructor.

        Raises:
            InvalidConfigurationError: A value cannot be used.
            TypeError: There is no such field.

        """
        fields = {name: getattr(self, name) for name in Credentials.__slots__}
        fields.update(changes)
        try:
            return type(self)(**fields)
        finally:
            changes.clear()  # no provider strips this frame from the traceback
            fields.clear()

    __replace__ = replace

    def __repr__(self) -> str:
        shown = [f"access_key_id={self.access_key_id!r}"]
        shown += [
            f"{name}={value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else f"{name}={value!r}"
            for name in ("expiration", "original_expiration", "account_id", "source")
            if (value := getattr(self, name)) is not None
        ]
        return f"Credentials({', '.join(shown)})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"Credentials is frozen; use replace({name}=...) to get a changed copy")


def fingerprint_of(credentials: Credentials) -> int:
    """Return what tells credentials apart by key id and token, without keeping the secrets of dropped ones."""
    return hash((credentials.access_key_id, credentials.session_token))


def _in_utc(field: str, value: object) -> datetime | None:
    if value is None:
        return None
    if type(value) is datetime and value.tzinfo is UTC:  # as all readers return it
        return value
    if not isinstance(value, datetime):
        raise InvalidValueError(f"is not a datetime but {type(value).__name__}", field=field)
    if value.utcoffset() is None:
        reason = "has no time zone: use an aware datetime, such as datetime.now(timezone.utc)"
        raise InvalidValueError(reason, field=field)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidValueError("is outside the years 1 to 9999", field=field) from None
