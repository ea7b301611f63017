"""One profile from what two files say of it: which file each setting comes from.

The credentials file beats the config file, key by key; what is blank is absent. Keys are different: access key id,
secret and session token come from one file together, the credentials file if it has any of them, because half of one
set and half of another is no set. An account id or a credential scope beside keys belongs to those keys.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from .parser.sections import Values
from .settings import Setting

KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_BESIDE_KEYS = ("aws_account_id", "aws_credential_scope")
# What decides which credentials come out. Nested lines below one of these mean that its value is missing.
_SINGLE = frozenset(
    (
        *KEYS,
        *_BESIDE_KEYS,
        *("role_arn", "source_profile", "credential_source", "role_session_name", "external_id", "mfa_serial"),
        *("duration_seconds", "web_identity_token_file", "credential_process", "login_session", "region"),
        *("sso_session", "sso_start_url", "sso_region", "sso_account_id", "sso_role_name"),
    )
)


class Part(NamedTuple):
    """What one file says of a profile."""

    shown: str
    """The file, as people are shown it."""
    values: Values

    def __repr__(self) -> str:
        return f"Part({len(self.values)} settings from {self.shown})"


NOTHING = Part("", {})


class Spot(NamedTuple):
    """A line of a file."""

    shown: str
    line: int


class Merged(NamedTuple):
    """What both files say of a profile."""

    settings: dict[str, Setting]
    """What is set to a text that is not blank."""
    nested: dict[str, dict[str, Setting]]
    """What has settings of its own."""
    unused_keys: Spot | None
    """Keys of the config file, where the credentials file has some too."""
    without_value: tuple[Spot, ...]
    """What takes one value and has nested settings instead."""

    def __repr__(self) -> str:
        return f"Merged({len(self.settings)} settings, {len(self.nested)} with nested ones)"


def merge_parts(config: Part, credentials: Part = NOTHING) -> Merged:
    """Take both together; a file that has no such profile has no values."""
    unused = None
    if _has_keys(credentials.values):
        unused = next((Spot(config.shown, config.values[key][1]) for key in KEYS if _is_set(config.values, key)), None)
        config = _without_keys(config, credentials)
    elif _has_keys(config.values):
        credentials = _without_keys(credentials, config)
    merged = Merged({}, {}, unused, ())
    without_value = [spot for part in (config, credentials) for spot in _add(merged, part)]
    return merged._replace(without_value=tuple(without_value))


def _add(merged: Merged, part: Part) -> list[Spot]:
    """Add what a file says, over what is there, and return where a single value is missing."""
    missing = []
    for key, (value, line) in part.values.items():
        if isinstance(value, dict):
            merged.settings.pop(key, None)
            merged.nested[key] = {inner: Setting(text, f"{part.shown}:{at}") for inner, (text, at) in value.items()}
            if key in _SINGLE:
                missing.append(Spot(part.shown, line))
        elif value.strip():
            merged.nested.pop(key, None)
            merged.settings[key] = Setting(value, f"{part.shown}:{line}")
    return missing


def _without_keys(part: Part, owner: Part) -> Part:
    """Leave out keys, because another file's are used, and what belongs to either file's."""
    gone: Container[str] = (*KEYS, *_BESIDE_KEYS) if _has_keys(part.values) else (*KEYS, *_set_of(owner))
    return Part(part.shown, {key: value for key, value in part.values.items() if key not in gone})


def _set_of(owner: Part) -> tuple[str, ...]:
    return tuple(key for key in _BESIDE_KEYS if _is_set(owner.values, key))


def _has_keys(values: Values) -> bool:
    return any(_is_set(values, key) for key in KEYS)


def _is_set(values: Values, key: str) -> bool:
    """Tell whether there is a value that is not blank; nested settings stand for a value whose place they took."""
    value = values[key][0] if key in values else ""
    return bool(value) if isinstance(value, dict) else bool(value.strip())
