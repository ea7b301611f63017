"""Multi-factor authentication as STS asks for it: a device, and codes of which each is good once."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .messages import Refusal
from .settings import RoleTrust
from .state import World

_BOTH = "must provide both MFA serial number and one time pass code."
_SERIAL = "unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."
_CODE = "MultiFactorAuthentication failed with invalid MFA one time pass code."


def mfa_refusal(world: World, form: Mapping[str, str], trust: RoleTrust, denied: Refusal) -> Refusal | None:
    """Say why the MFA code of a form is refused, or that it lacks one (``denied``); None: all is well.

    The code counts as used then. A role without conditions takes a code of any device, once.
    """
    serial, code = form.get("SerialNumber"), form.get("TokenCode")
    if serial is None and code is None:
        return denied if trust.keys() & {"mfa_serial", "mfa_codes"} else None
    if serial is None or code is None:
        return _failed(f"MultiFactorAuthentication failed, {_BOTH}")
    if trust.get("mfa_serial", serial) != serial:
        return _failed(f"MultiFactorAuthentication failed, {_SERIAL}")
    codes = trust.get("mfa_codes")
    is_good = re.fullmatch(r"[0-9]{6}", code) is not None if codes is None else code in codes
    if not is_good or (serial, code) in world.memory.used_codes:
        return _failed(_CODE)
    world.memory.used_codes.add((serial, code))
    return None


def _failed(message: str) -> Refusal:
    return Refusal(403, "AccessDenied", message)
