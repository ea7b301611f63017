"""What a program may give for carrying out a profile: functions that take the place of a service, and settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from .credentials import Credentials

MfaCodeProvider: TypeAlias = Callable[[str], Awaitable[str]]
"""An async function that gets the serial number of an MFA device, and returns its code."""
RoleAssumer: TypeAlias = Callable[[Credentials, Mapping[str, Any]], Awaitable[Credentials]]
"""An async function that gets the source's credentials and the parameters of AssumeRole, and returns the role's."""
WebIdentityAssumer: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Credentials]]
"""An async function that gets the parameters of AssumeRoleWithWebIdentity, and returns the role's credentials."""
TokenFunction: TypeAlias = Callable[[], Awaitable[str]]
"""An async function without arguments that returns a web identity token."""


class Callbacks(NamedTuple):
    """Functions of the program."""

    mfa_code_provider: MfaCodeProvider | None = None
    role_assumer: RoleAssumer | None = None
    role_assumer_with_web_identity: WebIdentityAssumer | None = None
