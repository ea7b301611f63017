"""The locations of the shared files and the selected profile, from options and environment."""

from __future__ import annotations

import pytest

from anycreds._config.locations import Location, select_profile, shared_file_locations
from anycreds._config.settings import _warn_of_old_name
from anycreds._core.errors import InvalidConfigurationError
from support.errors import error_of
from support.rows import each_row

CONFIG, CREDENTIALS = "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"


def places(
    environ: dict[str, str],
    fallback_home: str | None = None,
    filepath: str | None = None,
    config_filepath: str | None = None,
) -> tuple[Location, Location]:
    """Return the locations of both files, the config file first."""
    config, credentials = shared_file_locations(environ, lambda: fallback_home, filepath, config_filepath)
    assert isinstance(config, Location)
    assert isinstance(credentials, Location)
    return config, credentials


@pytest.mark.fault("L11")
@each_row(
    "environ, fallback, home",
    [
        ({"HOME": "/home/me"}, None, "/home/me"),
        ({"HOME": "/home/me"}, "/elsewhere", "/home/me"),
        ({"HOME": "/home/me/"}, None, "/home/me"),
        ({"HOME": "/"}, None, ""),
        ({"HOME": "relative"}, None, "relative"),
        ({"HOME": "/a b/\u00fc"}, None, "/a b/\u00fc"),
        ({"HOME": "", "USERPROFILE": "C:\\Users\\me"}, None, "C:\\Users\\me"),
        ({"HOME": " ", "USERPROFILE": "C:\\Users\\me\\"}, "/x", "C:\\Users\\me"),
        ({"HOME": "/home/me", "USERPROFILE": "C:\\Users\\me"}, None, "/home/me"),
        ({"USERPROFILE": "P", "HOMEDRIVE": "D:", "HOMEPATH": "\\me"}, None, "P"),
        ({"HOMEDRIVE": "D:", "HOMEPATH": "\\me"}, "/x", "D:\\me"),
        ({"HOMEPATH": "\\me"}, None, "C:\\me"),
        ({"HOMEDRIVE": "D:"}, "/x", "/x"),
        ({}, "/root", "/root"),
        ({"HOME": ""}, "/root/", "/root"),
    ],
)
def test_home_directory_is_the_first_that_is_set(environ: dict[str, str], fallback: str | None, home: str) -> None:
    """The home directory is the first that is set of HOME, USERPROFILE, HOMEDRIVE with HOMEPATH, and the system's."""
    assert places(environ, fallback) == (
        (f"{home}/.aws/config", "the default location", "~/.aws/config", False),
        (f"{home}/.aws/credentials", "the default location", "~/.aws/credentials", False),
    )


@each_row("environ", [{"HOME": "/home/me"}, {"USERPROFILE": "P"}, {"HOMEPATH": "\\me"}])
def test_the_system_is_asked_last(environ: dict[str, str]) -> None:
    """The system is not queried if the environment has the home directory."""

    def ask() -> str:
        raise AssertionError("the system was asked")

    assert isinstance(shared_file_locations(environ, ask).config, Location)


@pytest.mark.fault("L11")
@each_row(
    "path, expected, shown",
    [
        ("~/x", "/home/me/x", "~/x"),
        ("~/", "/home/me/", "~/"),
        ("~", "/home/me", "/home/me"),
        ("~me/x", "~me/x", "~me/x"),
        ("~~/x", "~~/x", "~~/x"),
        ("/etc/~/x", "/etc/~/x", "/etc/~/x"),
        ("$HOME/x", "$HOME/x", "$HOME/x"),
        ("rel/x", "rel/x", "rel/x"),
        ("./x", "./x", "./x"),
        ("/home/me/.aws/x", "/home/me/.aws/x", "~/.aws/x"),
        ("/home/meagain/x", "/home/meagain/x", "/home/meagain/x"),
        ("/tmp/a\nb", "/tmp/a\nb", "'/tmp/a\\nb'"),
        ("/tmp/\udcff", "/tmp/\udcff", "'/tmp/\\udcff'"),
    ],
)
@each_row("by_option", [True, False])
def test_leading_tilde_is_the_home_directory(path: str, expected: str, shown: str, by_option: bool) -> None:
    """Only a leading ~/ is the home directory, and a path is displayed short and on one line."""
    home = {"HOME": "/home/me"}
    if by_option:
        config, credentials = places(home, None, filepath=path, config_filepath=path)
        assert config == (expected, "option config_filepath", shown, True)
        assert credentials == (expected, "option filepath", shown, True)
    else:
        config, credentials = places({**home, CONFIG: path, CREDENTIALS: path})
        assert config == (expected, CONFIG, shown, True)
        assert credentials == (expected, CREDENTIALS, shown, True)


@pytest.mark.fault("L11")
def test_option_overrides_its_variable() -> None:
    """Each option overrides its own variable only, and a blank one counts as not set."""
    environ = {"HOME": "/h", CONFIG: "/c", CREDENTIALS: "/d"}
    assert [place.path for place in places(environ)] == ["/c", "/d"]
    assert [place.path for place in places(environ, filepath="/o")] == ["/c", "/o"]
    assert [place.path for place in places(environ, config_filepath="/o")] == ["/o", "/d"]
    assert [place.path for place in places(environ, filepath="", config_filepath=" ")] == ["/c", "/d"]
    assert [place.is_explicit for place in places({"HOME": "/h", CONFIG: "", CREDENTIALS: " "})] == [False, False]


@pytest.mark.fault("L11")
def test_paths_are_absolute_if_home_is_the_root_directory() -> None:
    """Paths are absolute if the home directory is the root directory, as in some containers."""
    assert places({"HOME": "/", CONFIG: "~", CREDENTIALS: "~/x"}) == (
        ("/", CONFIG, "/", True),
        ("/x", CREDENTIALS, "/x", True),
    )


@pytest.mark.fault("L11")
def test_unknown_home_directory_has_no_default_locations() -> None:
    """Without a home directory there are no default locations, and an explicit path below it is an error."""
    assert shared_file_locations({}, lambda: None) == (None, None)
    config, credentials = shared_file_locations({CONFIG: "/c"}, lambda: " ", filepath="/d")
    assert config == ("/c", CONFIG, "/c", True)
    assert credentials == ("/d", "option filepath", "/d", True)
    for environ in ({CREDENTIALS: "~/x"}, {CONFIG: "~", CREDENTIALS: "~/x"}):
        error = error_of(
            shared_file_locations, environ, lambda: None, source="a provider", kind=InvalidConfigurationError
        )
        assert str(error).startswith(
            f"a provider: {next(iter(environ))} begins with ~, but the home directory is not known"
        )


@each_row(
    "argument, caller, environ, name, origin",
    [
        ("a", "b", {"AWS_PROFILE": "c"}, "a", "option profile"),
        (None, "b", {"AWS_PROFILE": "c"}, "b", "the profile of the client"),
        (None, None, {"AWS_PROFILE": "c"}, "c", "AWS_PROFILE"),
        ("", " ", {"AWS_PROFILE": "c"}, "c", "AWS_PROFILE"),
        ("", "b", {}, "b", "the profile of the client"),
        ("default", None, {}, "default", "option profile"),
        (None, None, {"AWS_PROFILE": "default"}, "default", "AWS_PROFILE"),
        (None, None, {"AWS_PROFILE": "my dev"}, "my dev", "AWS_PROFILE"),
        (None, None, {"AWS_PROFILE": "c", "AWS_DEFAULT_PROFILE": "d"}, "c", "AWS_PROFILE"),
        (None, None, {"AWS_PROFILE": " ", "AWS_DEFAULT_PROFILE": "d"}, "d", "AWS_DEFAULT_PROFILE"),
        (None, "b", {"AWS_DEFAULT_PROFILE": "d"}, "b", "the profile of the client"),
    ],
)
def test_profile_argument_precedes_client_and_environment(
    argument: str | None, caller: str | None, environ: dict[str, str], name: str, origin: str
) -> None:
    """The argument overrides the client, the client the environment; blank values select nothing."""
    assert select_profile(argument, caller, environ) == ((name, origin), True)


@each_row("environ", [{}, {"AWS_PROFILE": ""}, {"AWS_PROFILE": " "}, {"AWS_DEFAULT_PROFILE": ""}])
def test_profile_is_default_without_a_selection(environ: dict[str, str]) -> None:
    """Without an explicit selection the profile is ``default``, by default."""
    assert select_profile(None, None, environ) == (("default", "the default"), False)


def test_warning_about_the_old_variable(caplog: pytest.LogCaptureFixture) -> None:
    """``AWS_DEFAULT_PROFILE`` is read with one warning per process, which names both variables."""
    _warn_of_old_name.cache_clear()
    for _ in range(2):
        select_profile(None, None, {"AWS_DEFAULT_PROFILE": "dev"})
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("anycreds.config", "WARNING")
    assert (
        record.getMessage()
        == "AWS_DEFAULT_PROFILE is the old name of AWS_PROFILE, which is not set; set AWS_PROFILE instead"
    )
