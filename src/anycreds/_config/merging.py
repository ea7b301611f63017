"""Merges one profile of both files: decides which file each setting comes from.

The credentials file takes precedence over the config file, key by key; a blank value counts as not set. Access keys are
different: access key id, secret access key and session token come from one file together, the credentials file if it
has any of them, because parts of two different keys are not a key. An account id or a credential scope in the same file
as the keys belongs to those keys.
"""

from __future__ import annotations

from typing import NamedTuple

from .parser.sections import KEY_ATTRIBUTES, KEYS, SINGLE_VALUE_KEYS, Values
from .settings import Setting


class FileProfile(NamedTuple):
    """The values of a profile in one file."""

    display_path: str
    values: Values

    def __repr__(self) -> str:
        return f"FileProfile({len(self.values)} settings from {self.display_path})"


NO_PROFILE = FileProfile("", {})


class LineReference(NamedTuple):
    """A line of a file."""

    display_path: str
    line: int


class MergedSettings(NamedTuple):
    """The settings of a profile in both files."""

    settings: dict[str, Setting]
    """By key: the texts that are not blank."""
    nested: dict[str, dict[str, Setting]]
    """By key: the nested settings."""
    unused_keys: LineReference | None
    """Access keys of the config file that are not used, because the credentials file has some too."""
    without_value: list[LineReference]
    """Keys that take one value and have nested settings instead."""

    def __repr__(self) -> str:
        return f"MergedSettings({len(self.settings)} settings, {len(self.nested)} with nested ones)"


def merge_files(config: FileProfile, credentials: FileProfile = NO_PROFILE) -> MergedSettings:
    """Merge a profile of both files. A file without that profile has no values."""
    unused = None
    if _has_keys(credentials.values):
        lines = [config.values[key][1] for key in KEYS if _is_set(config.values, key)]
        unused = LineReference(config.display_path, lines[0]) if lines else None
        config = _without_keys(config, credentials)
    elif _has_keys(config.values):
        credentials = _without_keys(credentials, config)
    merged = MergedSettings({}, {}, unused, [])
    _add(merged, config)
    _add(merged, credentials)
    return merged


def _add(merged: MergedSettings, file: FileProfile) -> None:
    """Add the values of a file, replacing those that are present."""
    path = file.display_path
    for key, (value, line) in file.values.items():
        if isinstance(value, dict):
            merged.settings.pop(key, None)
            merged.nested[key] = {inner: Setting(text, f"{path}:{at}") for inner, (text, at) in value.items()}
            if key in SINGLE_VALUE_KEYS:
                merged.without_value.append(LineReference(path, line))
        elif value.strip():
            merged.nested.pop(key, None)
            merged.settings[key] = Setting(value, f"{path}:{line}")


def _without_keys(file: FileProfile, owner: FileProfile) -> FileProfile:
    """Remove access keys, because those of ``owner`` are used, and the attributes of either file's keys."""
    has_keys = _has_keys(file.values)
    removed = (*KEYS, *(key for key in KEY_ATTRIBUTES if has_keys or _is_set(owner.values, key)))
    return file._replace(values={key: value for key, value in file.values.items() if key not in removed})


def _has_keys(values: Values) -> bool:
    return any(_is_set(values, key) for key in KEYS)


def _is_set(values: Values, key: str) -> bool:
    """Return whether there is a value that is not blank; nested settings count, as they replace a value."""
    value = values[key][0] if key in values else ""
    return bool(value) if isinstance(value, dict) else bool(value.strip())
