"""Settings: texts that know where they were set. A blank text counts as not set, everywhere and for every setting."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from os import PathLike
from typing import NamedTuple

from .._core.errors import InvalidConfigurationError
from .._core.logs import log

# AWS documents "true" and "false"; the others occur in unit files and container definitions.
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")
# A secret access key has 40 characters: one that was put into the wrong variable must not be displayed.
_MAX_DISPLAYED = 32


class Setting(NamedTuple):
    """A text and where it was set. The text may be a secret, so ``repr`` does not contain it."""

    value: str
    origin: str
    """Where it was set, for messages: ``AWS_PROFILE``, ``~/.aws/config:12``, ``option full_uri``."""

    def __repr__(self) -> str:
        return f"Setting(from {self.origin})"


def first_set(environ: Mapping[str, str], *variables: str) -> Setting | None:
    """Return the first of these variables that is not blank; None if all are unset or blank."""
    for variable in variables:
        value = environ.get(variable)
        if value is not None and str(value).strip():  # a mapping given by the user may contain any object
            return Setting(value, variable)
    return None


def first_set_or_old(environ: Mapping[str, str], variable: str, old: str) -> Setting | None:
    """Return the first of a variable and its old name that is not blank, with a warning for the old name."""
    setting = first_set(environ, variable, old)
    if setting is not None and setting.origin == old:
        _warn_of_old_name(variable, old)
    return setting


@cache  # one warning per process: the variables are read at every call
def _warn_of_old_name(variable: str, old: str) -> None:
    log("config", "warning", "%s is the old name of %s, which is not set; set %s instead", old, variable, variable)


def from_argument(name: str, value: str | None) -> Setting | None:
    """Return an argument of a factory as a setting, even if it is blank; None if it was not given."""
    return None if value is None else Setting(value, f"option {name}")


def from_path_argument(name: str, value: str | PathLike[str] | None) -> Setting | None:
    """Return an argument of a factory that may be a path as a setting; None if it was not given or is blank."""
    if value is None:
        return None
    text = value.__fspath__() if isinstance(value, PathLike) else value
    return None if (isinstance(text, str) and not text.strip()) else Setting(text, f"option {name}")


def parse_bool(setting: Setting, source: str | None = None) -> bool:
    """Return the value of a setting that is true or false; raise ``InvalidConfigurationError`` if it is neither."""
    word = str(setting.value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise InvalidConfigurationError(
        f"{setting.origin} is {display_value(setting.value)}, which is neither true nor false",
        source=source,
        hint=f"set it to one of {', '.join(_TRUE)}, or {', '.join(_FALSE)}",
    )


def display_value(value: object) -> str:
    """Return a short value for a message, quoted and escaped; of a long one only its length, as it may be a secret."""
    if not isinstance(value, str):
        return f"not text but {type(value).__name__}"
    return ascii(value) if len(value) <= _MAX_DISPLAYED else f"a text of {len(value)} characters"
