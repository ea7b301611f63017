"""Types of the functions that a program passes to factories. All of them are async."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from .credentials import Credentials

MfaCodeProvider: TypeAlias = Callable[[str], Awaitable[str]]
"""Called with the serial number (ARN) of an MFA device; returns its current code."""
RoleAssumer: TypeAlias = Callable[[Credentials, Mapping[str, Any]], Awaitable[Credentials]]
"""Called with the source credentials and the parameters of AssumeRole; returns the credentials of the role."""
WebIdentityAssumer: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Credentials]]
"""Called with the parameters of AssumeRoleWithWebIdentity; returns the credentials of the role."""
TokenFunction: TypeAlias = Callable[[], Awaitable[str]]
"""Called without arguments; returns a web identity token."""


class Callbacks(NamedTuple):
    """The functions that a program passes for the roles of a profile; None for the default behaviour."""

    mfa_code_provider: MfaCodeProvider | None = None
    role_assumer: RoleAssumer | None = None
    role_assumer_with_web_identity: WebIdentityAssumer | None = None


def missing_mfa_callback(role: str) -> str:
    """Return the message that a role requires an MFA code, and no function is given that returns one."""
    return f"{role} requires a code of the MFA device, but no mfa_code_provider is given"
