"""Credentials under the attribute names that botocore's signers read."""

from __future__ import annotations

from .credentials import Credentials
from .frozen import Frozen


class FrozenCredentials(Frozen):
    """The credentials for one signature, as botocore's ``ReadOnlyCredentials``. Secrets are not printed.

    Attributes:
        access_key: The access key id.
        secret_key: The secret access key.
        token: The session token; None for long-term keys. An empty token would appear in presigned URLs.
        account_id: The AWS account id; None if unknown.

    """

    __slots__ = ("access_key", "account_id", "secret_key", "token")

    access_key: str
    secret_key: str
    token: str | None
    account_id: str | None

    def __init__(self, credentials: Credentials) -> None:
        self._set(
            access_key=credentials.access_key_id,
            secret_key=credentials.secret_access_key,
            token=credentials.session_token,
            account_id=credentials.account_id,
        )

    def __repr__(self) -> str:
        return f"FrozenCredentials({self.access_key!r})"  # botocore's own class prints the secret
