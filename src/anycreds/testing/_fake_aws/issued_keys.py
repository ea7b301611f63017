"""The access keys that the fake knows: the credentials that it issued, and the long-term keys in its settings."""

from __future__ import annotations

from math import ceil, inf

from .messages import CANARY
from .state import AccessKey, FakeState

USER_NAME = "anycreds-fake-user"
_PADDING = "x" * 800  # real session tokens are about this long


def issue(state: FakeState, arn: str, lifetime: float, expired_ago: float | None = None) -> AccessKey:
    """Issue credentials for an ARN, valid for ``lifetime`` seconds, or expired ``expired_ago`` seconds ago."""
    now = state.clock.time()
    expiration = now + lifetime if expired_ago is None else now - expired_ago
    # AWS returns whole seconds. Rounding up gives the whole lifetime that was requested. Rounding would distort a
    # lifetime with a fraction of a second, so that expiration stays exact.
    if expired_ago is None and float(lifetime).is_integer():
        expiration = float(ceil(expiration))
    state.issued += 1
    secret = f"{CANARY}-secret-{state.issued:04d}-{_PADDING[:20]}"
    token = f"{CANARY}-session-{state.issued:04d}-{_PADDING}"
    issued = AccessKey(f"ASIAFAKEFAKEFAKE{state.issued:04d}", secret, token, expiration, arn)
    state.records.issues[issued.access_key_id] = issued
    return issued


def find(state: FakeState, access_key_id: str) -> AccessKey | None:
    """Return the access key with an id; None if it is unknown."""
    if (secret := state.keys.get(access_key_id)) is not None:
        return AccessKey(access_key_id, secret, None, inf, user_arn(state))
    return state.records.issues.get(access_key_id)


def user_arn(state: FakeState) -> str:
    """Return the ARN of the user who owns the long-term keys."""
    return f"arn:aws:iam::{state.account_id}:user/{USER_NAME}"


def session_arn(account_id: str, role_name: str, session_name: str, partition: str = "aws") -> str:
    """Return the ARN of a role session. It contains the role's name without its path."""
    return f"arn:{partition}:sts::{account_id}:assumed-role/{role_name.rpartition('/')[2]}/{session_name}"
