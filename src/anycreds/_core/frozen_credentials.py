"""A set under the names that botocore's signers read. Its secrets cannot be printed."""

from __future__ import annotations

from typing import NoReturn, Self

from .credentials import Credentials


class FrozenCredentials:
    """One set, for one signature: ``access_key``, ``secret_key``, ``token`` and ``account_id``.

    ``token`` and ``account_id`` are None when there is none: an empty token would stand in presigned URLs.
    """

    __slots__ = ("access_key", "account_id", "secret_key", "token")

    access_key: str
    secret_key: str
    token: str | None
    account_id: str | None

    def __init__(self, credentials: Credentials) -> None:
        put = object.__setattr__
        put(self, "access_key", credentials.access_key_id)
        put(self, "secret_key", credentials.secret_access_key)
        put(self, "token", credentials.session_token)
        put(self, "account_id", credentials.account_id)

    def __repr__(self) -> str:
        return f"FrozenCredentials({self.access_key!r})"  # botocore's own shows the secret

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"FrozenCredentials are frozen; {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"FrozenCredentials are frozen; {name} cannot be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("FrozenCredentials cannot be pickled: send the provider's settings, not the secrets")
