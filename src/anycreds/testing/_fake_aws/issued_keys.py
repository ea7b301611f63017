"""The keys that the fake knows: the sets that it handed out, and the long-term ones that it was told of."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from .messages import CANARY
from .state import Issue, World

USER_NAME = "anycreds-fake-user"
_PADDING = "x" * 800  # real session tokens are about this long


class Key(NamedTuple):
    """A pair of keys that the fake knows, and who they stand for."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None
    """None: it is a long-term one."""
    end: float | None
    """When it ends, in seconds since 1970; None: never."""
    arn: str

    def __repr__(self) -> str:
        return f"Key({self.access_key_id}, {self.arn})"

    @property
    def account_id(self) -> str:
        """The account of who it stands for."""
        return self.arn.split(":")[4]

    @property
    def is_role_session(self) -> bool:
        """Whether a role was assumed for it, so that assuming another from here is role chaining."""
        return ":assumed-role/" in self.arn


class IssuedSet(NamedTuple):
    """A set as it is handed out."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    end: float
    """In seconds since 1970."""

    def __repr__(self) -> str:
        return f"IssuedSet({self.access_key_id})"


def issue(world: World, arn: str, lifetime: float, ended: float | None = None) -> IssuedSet:
    """Make a new set for this ARN that lives so many seconds; with ``ended``, one that ended so many seconds ago."""
    now = world.clock.time()
    end = now + lifetime if ended is None else now - ended
    # AWS writes whole seconds. They are rounded up for a new set, so that it lives as long as was asked; a life of
    # part of a second would be lost in that, so then the end is exact.
    if ended is None and float(lifetime).is_integer():
        end = float(ceil(end))
    world.issued += 1
    made = IssuedSet(f"ASIAFAKEFAKEFAKE{world.issued:04d}", _secret(world.issued), _token(world.issued), end)
    world.memory.issues[made.access_key_id] = Issue(world.issued, end, arn)
    return made


def find(world: World, access_key_id: str) -> Key | None:
    """Return a key by its id; None: the fake knows no such key."""
    if (secret := world.keys.get(access_key_id)) is not None:
        return Key(access_key_id, secret, None, None, user_arn(world))
    if (found := world.memory.issues.get(access_key_id)) is None:
        return None
    return Key(access_key_id, _secret(found.number), _token(found.number), found.end, found.arn)


def user_arn(world: World) -> str:
    """Return the ARN of the user whose long-term keys the fake knows."""
    return f"arn:aws:iam::{world.account_id}:user/{USER_NAME}"


def session_arn(account_id: str, role_name: str, session_name: str, partition: str = "aws") -> str:
    """Return the ARN of the session of a role. It has the role's name without its path."""
    return f"arn:{partition}:sts::{account_id}:assumed-role/{role_name.rpartition('/')[2]}/{session_name}"


def _secret(number: int) -> str:
    return f"{CANARY}-secret-{number:04d}-{_PADDING[:20]}"


def _token(number: int) -> str:
    return f"{CANARY}-session-{number:04d}-{_PADDING}"
