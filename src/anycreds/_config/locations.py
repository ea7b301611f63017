"""Where the two shared files are, and which profile is meant. Decided from options and environment; nothing is opened.

Follows the AWS "SDKs and Tools" reference, page "Location of the shared config and credentials files". Only a leading
``~/`` (or ``~`` alone) stands for the home directory. That is the first that is set of ``HOME``, ``USERPROFILE`` and
``HOMEDRIVE`` with ``HOMEPATH``, on every system, as in JavaScript; else what the system says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import NamedTuple

from .._core.errors import InvalidConfigurationError, NotConfiguredError
from .settings import Setting, first

CONFIG_VARIABLE = "AWS_CONFIG_FILE"
CREDENTIALS_VARIABLE = "AWS_SHARED_CREDENTIALS_FILE"
PROFILE_VARIABLE = "AWS_PROFILE"
_HOMELESS = "the home directory is not known: HOME is not set, and the system does not tell"


class Location(NamedTuple):
    """Where one file is to be looked for."""

    path: str
    origin: str
    """What says so, for people: ``AWS_CONFIG_FILE``, ``option filepath``, ``the default location``."""
    shown: str
    """The path as people are shown it: ``~/.aws/config``."""
    chosen: bool
    """Whether somebody named this file. The default location may well hold none."""


class Locations(NamedTuple):
    """Where both files are to be looked for, or why that cannot be told.

    ``NotConfiguredError``: nobody named a file, and there is no home directory to have one.
    ``InvalidConfigurationError``: somebody named a file in a home directory that is not known.
    """

    config: Location | NotConfiguredError | InvalidConfigurationError
    credentials: Location | NotConfiguredError | InvalidConfigurationError


class Selected(NamedTuple):
    """Which profile is meant."""

    name: Setting
    named: bool
    """Whether somebody named it; "default" too can be named. Else it is what merely lies around."""


def locations(
    environ: Mapping[str, str],
    fallback_home: Callable[[], str | None],
    filepath: str | PathLike[str] | None = None,
    config_filepath: str | PathLike[str] | None = None,
    source: str | None = None,
) -> Locations:
    """Tell where both files are. Options beat the environment; what is blank is not set.

    ``fallback_home`` returns what the system has as the user's home directory; None: it does not know. It may ask a
    directory service, so it is called only where the environment does not say. ``filepath`` is the credentials file.
    """
    home = _home(environ, fallback_home)
    return Locations(
        _located(
            _set_option("config_filepath", config_filepath) or first(environ, CONFIG_VARIABLE), home, "config", source
        ),
        _located(
            _set_option("filepath", filepath) or first(environ, CREDENTIALS_VARIABLE), home, "credentials", source
        ),
    )


def located(
    setting: Setting, environ: Mapping[str, str], fallback_home: Callable[[], str | None], source: str
) -> Location | InvalidConfigurationError:
    """Tell where another file is that a setting names."""
    place = _located(setting, _home(environ, fallback_home), "", source)
    assert not isinstance(place, NotConfiguredError)  # somebody named it
    return place


def selected(argument: str | None, caller_profile: str | None, environ: Mapping[str, str]) -> Selected:
    """Tell which profile is meant: the argument's, the caller's, that of ``AWS_PROFILE``, or else ``default``."""
    name = _set_option("profile", argument)
    if name is None and caller_profile is not None and str(caller_profile).strip():
        name = Setting(str(caller_profile), "the profile of the client")
    name = name or first(environ, PROFILE_VARIABLE)
    return Selected(Setting("default", "the default"), named=False) if name is None else Selected(name, named=True)


def _set_option(name: str, value: object) -> Setting | None:
    # A path may be an object; what is no text at all becomes a name that nothing has, and an error that says so.
    return None if value is None or not str(value).strip() else Setting(str(value), f"option {name}")


def _home(environ: Mapping[str, str], fallback: Callable[[], str | None]) -> str | None:
    """Return the home directory, without a slash at its end."""
    home = first(environ, "HOME") or first(environ, "USERPROFILE")
    if home is not None:
        path: str | None = home.value
    elif (on_drive := first(environ, "HOMEPATH")) is not None:
        drive = first(environ, "HOMEDRIVE")
        path = (drive.value if drive else "C:") + on_drive.value
    else:
        path = fallback()
    return None if path is None or not path.strip() else path.rstrip("/\\")


def _located(
    setting: Setting | None, home: str | None, name: str, source: str | None
) -> Location | NotConfiguredError | InvalidConfigurationError:
    if setting is None:
        if home is None:
            return NotConfiguredError(f"{_HOMELESS}, so there is no ~/.aws/{name}", source=source)
        return Location(f"{home}/.aws/{name}", "the default location", f"~/.aws/{name}", chosen=False)
    path, origin = str(setting.value), setting.origin  # whatever a program has given as an option
    if path == "~" or path.startswith("~/"):
        if home is None:
            return InvalidConfigurationError(f"{origin} begins with ~, but {_HOMELESS}", source=source)
        path = home + path[1:] or "/"
    return Location(path, origin, _shown(path, home), chosen=True)


def _shown(path: str, home: str | None) -> str:
    """Return a path as it may stand in a message: short, on one line."""
    if home and path.startswith((f"{home}/", f"{home}\\")):
        path = "~" + path[len(home) :]
    return path if path.isprintable() else ascii(path)
