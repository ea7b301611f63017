"""The locations of the two shared files, and the selected profile, from options and environment. Opens nothing.

Only a leading ``~/`` (or ``~`` alone) stands for the home directory. The home directory is the first that is set of
``HOME``, ``USERPROFILE`` and ``HOMEDRIVE`` with ``HOMEPATH``, on every system, as in JavaScript; otherwise what the
system returns.

See: AWS "SDKs and Tools" reference, "Specifying the location of the shared config and credentials files",
https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

from .._core.errors import InvalidConfigurationError
from .settings import Setting, first_set, first_set_or_old

if TYPE_CHECKING:
    from .parser.sections import FileKind

CONFIG_VARIABLE = "AWS_CONFIG_FILE"
CREDENTIALS_VARIABLE = "AWS_SHARED_CREDENTIALS_FILE"
PROFILE_VARIABLE, OLD_PROFILE_VARIABLE = "AWS_PROFILE", "AWS_DEFAULT_PROFILE"
NO_DEFAULT_PROFILE = "no profile is selected, and there is no profile 'default'"
# A hundred times the size of 10,000 profiles; a larger file is not a shared file.
FILE_LIMIT = 16 * 1024 * 1024
_NO_HOME = "the home directory is not known: HOME is not set, and the system does not know it either"


class Location(NamedTuple):
    """The location of one file."""

    path: str
    origin: str
    """What sets it, for messages: ``AWS_CONFIG_FILE``, ``option filepath``, ``the default location``."""
    display_path: str
    """The path for messages: ``~/.aws/config``."""
    is_explicit: bool
    """Whether an option or a variable names the file. A file at the default location may be missing."""

    @property
    def may_be_missing(self) -> bool:
        """Whether a missing shared file is as good as an empty one. One that an option names must exist."""
        return not self.origin.startswith("option")


class Locations(NamedTuple):
    """The locations of both files; None for a default location if the home directory is unknown."""

    config: Location | None
    credentials: Location | None

    def files(self) -> list[tuple[FileKind, Location]]:
        """Return the files to read. The null device means that there is no such file."""
        kinds: tuple[FileKind, FileKind] = ("config", "credentials")
        null_device = os.path.normcase(os.devnull)
        return [
            (kind, location)
            for kind, location in zip(kinds, self, strict=True)
            if location is not None and os.path.normcase(location.path) != null_device
        ]


class ProfileSelection(NamedTuple):
    """The selected profile."""

    name: Setting
    is_explicit: bool
    """Whether the profile was selected explicitly (argument, client or ``AWS_PROFILE``) rather than by default.

    ``default`` too can be selected explicitly.
    """


_DEFAULT_SELECTION = ProfileSelection(Setting("default", "the default"), is_explicit=False)


def shared_file_locations(
    environ: Mapping[str, str],
    fallback_home: Callable[[], str | None],
    filepath: str | PathLike[str] | None = None,
    config_filepath: str | PathLike[str] | None = None,
    source: str | None = None,
) -> Locations:
    """Return the locations of both files. Options take precedence over the environment.

    ``fallback_home`` returns the home directory from the system, or None. It may query a directory service, so it is
    called only if the environment does not contain the home directory. A path that begins with ``~`` raises
    ``InvalidConfigurationError`` if the home directory is unknown.
    """
    home = _home(environ, fallback_home)
    config = _explicit_option("config_filepath", config_filepath) or first_set(environ, CONFIG_VARIABLE)
    credentials = _explicit_option("filepath", filepath) or first_set(environ, CREDENTIALS_VARIABLE)
    return Locations(
        _default_location(home, "config") if config is None else _location(config, home, source),
        _default_location(home, "credentials") if credentials is None else _location(credentials, home, source),
    )


def resolve_path(
    setting: Setting, environ: Mapping[str, str], fallback_home: Callable[[], str | None], source: str
) -> Location:
    """Return the location of another file, which a setting names. Errors are those of ``shared_file_locations``."""
    return _location(setting, _home(environ, fallback_home), source)


def select_profile(argument: str | None, client_profile: str | None, environ: Mapping[str, str]) -> ProfileSelection:
    """Return the selected profile: the argument, the client's, that of ``AWS_PROFILE``, otherwise ``default``.

    Where ``AWS_PROFILE`` is not set, its old name ``AWS_DEFAULT_PROFILE`` counts, with a warning.
    """
    name = None if argument is None else _explicit_option("profile", argument)
    if name is None and client_profile is not None and str(client_profile).strip():
        name = Setting(str(client_profile), "the profile of the client")
    name = name or first_set_or_old(environ, PROFILE_VARIABLE, OLD_PROFILE_VARIABLE)
    if name is None:
        return _DEFAULT_SELECTION
    return ProfileSelection(name, is_explicit=True)


def _explicit_option(name: str, value: object) -> Setting | None:
    # A path may be an object. A value of any other type becomes a name that does not exist, and an error that shows it.
    return None if value is None or not str(value).strip() else Setting(str(value), f"option {name}")


def _home(environ: Mapping[str, str], fallback: Callable[[], str | None]) -> str | None:
    """Return the home directory without a slash at its end; None if it is unknown."""
    home = first_set(environ, "HOME", "USERPROFILE")
    if home is not None:
        path: str | None = home.value
    elif (on_drive := first_set(environ, "HOMEPATH")) is not None:
        drive = first_set(environ, "HOMEDRIVE")
        path = (drive.value if drive else "C:") + on_drive.value
    else:
        path = fallback()
    return None if path is None or not path.strip() else path.rstrip("/\\")


@lru_cache(maxsize=8)  # every attempt needs the same
def _default_location(home: str | None, name: str) -> Location | None:
    if home is None:
        return None
    return Location(f"{home}/.aws/{name}", "the default location", f"~/.aws/{name}", is_explicit=False)


@lru_cache(maxsize=8)
def _location(setting: Setting, home: str | None, source: str | None) -> Location:
    path, origin = str(setting.value), setting.origin  # an option may be any object
    if path == "~" or path.startswith("~/"):
        if home is None:
            raise InvalidConfigurationError(f"{origin} begins with ~, but {_NO_HOME}", source=source)
        path = home + path[1:] or "/"
    return Location(path, origin, _display_path(path, home), is_explicit=True)


def _display_path(path: str, home: str | None) -> str:
    """Return a path for a message: short, on one line."""
    if home and path.startswith((f"{home}/", f"{home}\\")):
        path = "~" + path[len(home) :]
    return path if path.isprintable() else ascii(path)
