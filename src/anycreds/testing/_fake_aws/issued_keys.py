"""The access keys that the fake knows: the credentials that it issued, and the long-term keys in its settings."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from .messages import CANARY
from .state import FakeState, IssueRecord

USER_NAME = "anycreds-fake-user"
_PADDING = "x" * 800  # real session tokens are about this long


class AccessKey(NamedTuple):
    """An access key with its owner."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None
    """None for a long-term key."""
    expiration: float | None
    """In seconds since 1970; None for a long-term key."""
    arn: str

    def __repr__(self) -> str:
        return f"AccessKey({self.access_key_id}, {self.arn})"

    @property
    def account_id(self) -> str:
        """The account of the owner."""
        return self.arn.split(":")[4]

    @property
    def is_role_session(self) -> bool:
        """Whether the owner is an assumed role, so that assuming another role is role chaining."""
        return ":assumed-role/" in self.arn


class IssuedCredentials(NamedTuple):
    """Temporary credentials as a service returns them."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: float
    """In seconds since 1970."""

    def __repr__(self) -> str:
        return f"IssuedCredentials({self.access_key_id})"


def issue(state: FakeState, arn: str, lifetime: float, expired_ago: float | None = None) -> IssuedCredentials:
    """Issue credentials for an ARN.

    Args:
        state: The fake's state, which records them.
        arn: The owner.
        lifetime: In seconds.
        expired_ago: Let the credentials have expired so many seconds ago instead.
    """
    now = state.clock.time()
    expiration = now + lifetime if expired_ago is None else now - expired_ago
    # AWS returns whole seconds. Rounding up gives the whole lifetime that was requested. Rounding would distort a
    # lifetime with a fraction of a second, so that expiration stays exact.
    if expired_ago is None and float(lifetime).is_integer():
        expiration = float(ceil(expiration))
    state.issued += 1
    number = state.issued
    issued = IssuedCredentials(f"ASIAFAKEFAKEFAKE{number:04d}", _secret(number), _token(number), expiration)
    state.records.issues[issued.access_key_id] = IssueRecord(number, expiration, arn)
    return issued


def find(state: FakeState, access_key_id: str) -> AccessKey | None:
    """Return the access key with an id; None if it is unknown."""
    if (secret := state.keys.get(access_key_id)) is not None:
        return AccessKey(access_key_id, secret, None, None, user_arn(state))
    if (record := state.records.issues.get(access_key_id)) is None:
        return None
    return AccessKey(access_key_id, _secret(record.number), _token(record.number), record.expiration, record.arn)


def user_arn(state: FakeState) -> str:
    """Return the ARN of the user who owns the long-term keys."""
    return f"arn:aws:iam::{state.account_id}:user/{USER_NAME}"


def session_arn(account_id: str, role_name: str, session_name: str, partition: str = "aws") -> str:
    """Return the ARN of a role session. It contains the role's name without its path."""
    return f"arn:{partition}:sts::{account_id}:assumed-role/{role_name.rpartition('/')[2]}/{session_name}"


def _secret(number: int) -> str:
    return f"{CANARY}-secret-{number:04d}-{_PADDING[:20]}"


def _token(number: int) -> str:
    return f"{CANARY}-session-{number:04d}-{_PADDING}"
