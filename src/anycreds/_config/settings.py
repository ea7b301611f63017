"""One setting is a text that knows where it came from. Blank means absent, everywhere and for every setting."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import NamedTuple

from .._core.errors import InvalidConfigurationError

# What AWS documents is "true" and "false"; the others are what people write in unit files and containers.
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")
# A secret access key has 40 characters: what is shown must never be one that went into the wrong variable.
_SHOWN = 32


class Setting(NamedTuple):
    """A text that was set somewhere. It may be a secret, so it cannot be printed."""

    value: str
    origin: str
    """Where it was set, for people: ``AWS_PROFILE``, ``~/.aws/config:12``, ``option full_uri``."""

    def __repr__(self) -> str:
        return f"Setting(from {self.origin})"


def first(environ: Mapping[str, str], *variables: str) -> Setting | None:
    """Return the first of these variables that is set to more than blanks."""
    for variable in variables:
        value = environ.get(variable)
        if value is not None and str(value).strip():  # a mapping of a user may hold anything
            return Setting(value, variable)
    return None


def option(name: str, value: str | None) -> Setting | None:
    """Return an argument of a factory as a setting; None: it was not given."""
    return None if value is None else Setting(value, f"option {name}")


def given_option(name: str, value: str | PathLike[str] | None) -> Setting | None:
    """Return an argument of a factory as a setting; None: it was not given, or is blank."""
    text = value.__fspath__() if isinstance(value, PathLike) else value
    return Setting(text, f"option {name}") if text is not None and (not isinstance(text, str) or text.strip()) else None


def switch(setting: Setting, source: str | None = None) -> bool | InvalidConfigurationError:
    """Read a setting that is on or off."""
    word = str(setting.value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    return InvalidConfigurationError(
        f"{setting.origin} is {shown(setting.value)}, which is neither true nor false",
        source=source,
        hint=f"set it to one of {', '.join(_TRUE)}, or {', '.join(_FALSE)}",
    )


def shown(value: object) -> str:
    """Return a short value as it may stand in a message, and of a long one only its length."""
    if not isinstance(value, str):
        return f"not text but {type(value).__name__}"
    return ascii(value) if len(value) <= _SHOWN else f"a text of {len(value)} characters"
