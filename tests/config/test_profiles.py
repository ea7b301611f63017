"""Profiles of both files: the file of each setting, and the errors of malformed and missing profiles."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal

import pytest

from anycreds._config.parser import read
from anycreds._config.parser.sections import FileKind, Section, Sections
from anycreds._config.profiles import Profile, Profiles
from anycreds._config.settings import Setting
from anycreds._core.errors import ConfigParseError, InvalidConfigurationError, ProfileNotFoundError
from support.errors import error_of
from support.fake_io import SECRET_KEY
from support.rows import each_row

CONFIG, CREDENTIALS = "~/.aws/config", "~/.aws/credentials"


def both(config: str | None, credentials: str | None = None) -> Profiles:
    """Merge two texts. None stands for a file that does not exist."""

    def sections(text: str | None, kind: FileKind) -> Sections | None:
        return None if text is None else read(text, kind)

    return Profiles(sections(config, "config"), sections(credentials, "credentials"), CONFIG, CREDENTIALS)


def found(profiles: Profiles, name: str) -> Profile:
    """Return a profile that exists."""
    return profiles.find(name)


def fatal(profiles: Profiles, name: str) -> ConfigParseError | None:
    """Return the error of a profile that exists; None if it can be used."""
    try:
        profiles.find(name).check("a provider")
    except ConfigParseError as error:
        return error
    return None


def section_error(profiles: Profiles, kind: Literal["sso-session", "services"], name: str) -> InvalidConfigurationError:
    """Return the error that the config file has no such section."""
    referrer = Profile("profile", "dev", {}, {}, (), ())
    reference = Setting(name, f"{CONFIG}:9")
    return error_of(profiles.find_section, kind, reference, referrer, "a provider", kind=InvalidConfigurationError)


def plain(profile: Profile) -> dict[str, str]:
    """Return the settings without their origins."""
    return {key: setting.value for key, setting in profile.settings.items()}


def missing(profiles: Profiles, name: str) -> ProfileNotFoundError:
    """Return the error that neither file has the profile."""
    error = error_of(profiles.find, name, "a provider", kind=ProfileNotFoundError)
    assert error.source == "a provider"
    assert error.profile == name
    return error


@pytest.mark.fault("L08")
def test_each_setting_knows_its_file_and_line() -> None:
    """Settings come from both files, the credentials file takes precedence, and each setting has its file and line."""
    profiles = both("[profile f]\na = 1\nb = 2", "\n[f]\nb = 3\nC = 4")
    profile = found(profiles, "f")
    assert profile.settings == {
        "a": ("1", f"{CONFIG}:2"),
        "b": ("3", f"{CREDENTIALS}:3"),
        "c": ("4", f"{CREDENTIALS}:4"),
    }
    assert profile.origins == (f"{CONFIG}:1", f"{CREDENTIALS}:2")
    assert profile.diagnostics == ()
    profile.check()


@pytest.mark.fault("L08")
def test_profile_default_merges_with_credentials() -> None:
    """[profile default] replaces [default] in the config file, and is merged with that of the credentials file."""
    profiles = both("[profile default]\na = 1\n[default]\nb = 2", "[default]\nc = 3")
    assert plain(found(profiles, "default")) == {"a": "1", "c": "3"}
    assert fatal(profiles, "default") is None


def test_profile_in_one_file() -> None:
    """A profile in only one file is found, even if the other file does not exist."""
    assert plain(found(both("[profile f]\na = 1"), "f")) == {"a": "1"}
    assert plain(found(both(None, "[f]\na = 1"), "f")) == {"a": "1"}
    assert both("[profile b]\n[profile a]", "[c]\n[a]").names() == ["b", "a", "c"]


def test_profile_without_settings() -> None:
    """A profile without settings is found and has no settings."""
    assert found(both("[profile f]"), "f").settings == {}
    assert found(both("[profile f]\na =\nb = # c\nc = \u00a0"), "f").settings == {}


def test_blank_value_counts_as_not_set() -> None:
    """A blank value in the credentials file does not hide one in the config file."""
    assert plain(found(both("[profile f]\na = 1", "[f]\na ="), "f")) == {"a": "1"}


ID, SECRET, TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
ACCOUNT, SCOPE = "aws_account_id", "aws_credential_scope"

# config, credentials, merged settings, and whether keys of the config file are ignored
KEYS: list[tuple[str, dict[str, str], dict[str, str], dict[str, str], bool]] = [
    ("config only", {ID: "a", SECRET: "b", TOKEN: "c"}, {}, {ID: "a", SECRET: "b", TOKEN: "c"}, False),
    ("credentials only", {}, {ID: "a", SECRET: "b"}, {ID: "a", SECRET: "b"}, False),
    ("both", {ID: "a", SECRET: "b"}, {ID: "c", SECRET: "d"}, {ID: "c", SECRET: "d"}, True),
    ("an old token", {TOKEN: "old"}, {ID: "a", SECRET: "b"}, {ID: "a", SECRET: "b"}, True),
    (
        "an old token with keys",
        {ID: "x", SECRET: "y", TOKEN: "z"},
        {ID: "a", SECRET: "b"},
        {ID: "a", SECRET: "b"},
        True,
    ),
    ("half and half is no set", {SECRET: "b"}, {ID: "a"}, {ID: "a"}, True),
    ("only a token", {ID: "a", SECRET: "b"}, {TOKEN: "c"}, {TOKEN: "c"}, True),
    ("blank keys", {ID: "a", SECRET: "b"}, {ID: "", SECRET: "", TOKEN: ""}, {ID: "a", SECRET: "b"}, False),
    ("blank keys with a no-break space", {ID: "a"}, {ID: "\u00a0"}, {ID: "a"}, False),
    ("an old account", {ID: "x", ACCOUNT: "1"}, {ID: "a", SECRET: "b"}, {ID: "a", SECRET: "b"}, True),
    ("an account on its own", {ACCOUNT: "1"}, {ID: "a"}, {ID: "a", ACCOUNT: "1"}, False),
    ("two accounts", {ACCOUNT: "1"}, {ID: "a", ACCOUNT: "2"}, {ID: "a", ACCOUNT: "2"}, False),
    ("another account", {ID: "a", ACCOUNT: "1"}, {ACCOUNT: "2"}, {ID: "a", ACCOUNT: "1"}, False),
    ("an account for config", {ID: "a"}, {ACCOUNT: "2"}, {ID: "a", ACCOUNT: "2"}, False),
    ("an old scope", {ID: "x", SCOPE: "1"}, {ID: "a", ACCOUNT: "3"}, {ID: "a", ACCOUNT: "3"}, True),
    ("no keys", {ACCOUNT: "1", SCOPE: "s"}, {ACCOUNT: "2"}, {ACCOUNT: "2", SCOPE: "s"}, False),
    (
        "other settings",
        {ID: "x", "region": "r"},
        {ID: "a", "output": "o"},
        {ID: "a", "region": "r", "output": "o"},
        True,
    ),
]


@pytest.mark.fault("L08")
@each_row("config, credentials, expected, unused", [row[1:] for row in KEYS], ids=[row[0] for row in KEYS])
def test_keys_come_from_one_file(
    config: dict[str, str], credentials: dict[str, str], expected: dict[str, str], unused: bool
) -> None:
    """Access key id, secret and token come from one file, with its account and scope; the others have a diagnostic."""

    def text(settings: dict[str, str]) -> str:
        return "\n".join(f"{key} = {value}" for key, value in settings.items())

    profile = found(both(f"[profile f]\n{text(config)}", f"[f]\n{text(credentials)}"), "f")
    assert plain(profile) == expected
    profile.check()
    assert [(note.path, note.line, note.is_fatal) for note in profile.diagnostics] == (
        [(CONFIG, 2, False)] if unused else []
    )


def test_nested_settings_are_replaced_as_a_whole() -> None:
    """Nested settings have lines, and the other file replaces them as a whole."""
    profiles = both("[profile f]\ns3 =\n a = 1\n b = 2\nc =\n d = 3\ne = 4", "[f]\ns3 =\n a = 5\nc = 6\ne =\n g = 7")
    profile = found(profiles, "f")
    assert profile.nested == {"s3": {"a": ("5", f"{CREDENTIALS}:3")}, "e": {"g": ("7", f"{CREDENTIALS}:6")}}
    assert profile.settings == {"c": ("6", f"{CREDENTIALS}:4")}


def test_nested_settings_instead_of_a_value_are_an_error() -> None:
    """Indented settings below a key that takes one value are an error of that profile."""
    profiles = both("[profile f]\naws_session_token =\n  aws_access_key_id = AKIDEXAMPLE\n[profile g]\ns3 =\n  a = 1")
    error = fatal(profiles, "f")
    assert isinstance(error, ConfigParseError)
    assert (error.path, error.line, error.source) == (CONFIG, 2, "a provider")
    assert "AKIDEXAMPLE" not in str(error)
    assert fatal(profiles, "g") is None


def test_malformed_line_is_an_error_of_its_profile() -> None:
    """``check`` raises an error with file and line for a malformed line, and only for the profile that contains it."""
    profiles = both("[profile f]\na = 1\nbad\n[profile g]\nin valid = 1\n[profile h]", "[h]\nbad")
    assert str(fatal(profiles, "f")) == (
        f"a provider: unable to parse {CONFIG}:3: the line has no = (profile 'f') "
        "(write key = value, [section] or # comment)"
    )
    assert fatal(profiles, "g") is None
    assert [str(note).partition(": ")[0] for note in found(profiles, "g").diagnostics] == [f"{CONFIG}:5"]
    error = fatal(profiles, "h")
    assert isinstance(error, ConfigParseError)
    assert (error.path, error.line) == (CREDENTIALS, 2)


def test_diagnostics_of_unused_sections_are_listed() -> None:
    """``other_diagnostics`` yields the diagnostics of all unused sections, with file and line."""
    profiles = both("a = 1\n[profile f]\nbad\n[profile g]\nbad", "[g]\nbad\n[profile f]")

    def lines(*used: str) -> list[str]:
        notes = profiles.other_diagnostics({("profile", name) for name in used})
        return sorted(str(note).partition(": ")[0] for note in notes)

    assert lines() == [f"{CONFIG}:1", f"{CONFIG}:3", f"{CONFIG}:5", f"{CREDENTIALS}:2", f"{CREDENTIALS}:3"]
    assert lines("f") == [f"{CONFIG}:1", f"{CONFIG}:5", f"{CREDENTIALS}:2"]
    assert lines("f", "g") == [f"{CONFIG}:1"]


@pytest.mark.parametrize("header", ["[profile f", "[profile f] x", "[profile f\0]"])
def test_malformed_header_is_not_a_missing_profile(header: str) -> None:
    """A profile whose header is malformed has an error, even if another header for it is valid."""
    if "\0" in header:
        profile = found(both("[profile a]\n[profile f]\nb = 1\0"), "f")
    else:
        profile = found(both(f"[profile a]\n{header}\nb = 1"), "f")
        assert profile.settings == {}
        assert fatal(both(f"[profile f]\n{header}\nb = 1", "[f]\nc = 1"), "f") is not None
    with pytest.raises(ConfigParseError, match="unable to parse"):
        profile.check()
    assert fatal(both(f"[profile a]\n{header}\nb = 1"), "a") is None


def test_missing_profile_names_both_files() -> None:
    """The error for a missing profile names both files, and says which of them do not exist."""
    error = missing(both("[profile prod]", ""), "dev")
    assert str(error) == f"a provider: profile 'dev' could not be found in {CONFIG} or {CREDENTIALS}"
    error = missing(both("[profile prod]", None), "dev")
    assert error.message == f"profile 'dev' could not be found in {CONFIG} or {CREDENTIALS} (which does not exist)"
    error = missing(both(None, None), "default")
    assert error.message.count("(which does not exist)") == 2


@pytest.mark.fault("L10")
@each_row(
    "name, suggested",
    [
        ("Prod", ["prod"]),
        ("PROD", ["prod"]),
        (" prod", ["prod"]),
        ("prodd", ["prod"]),
        ("rod", ["prod"]),
        ("develpment", ["development"]),
        ("staging-eu-wset-1", ["staging-eu-west-1", "staging-us-east-1"]),
        ("zzz", []),
        ("", []),
        ("p" * 10_240, []),
    ],
)
def test_missing_profile_suggests_similar_names(name: str, suggested: list[str]) -> None:
    """Similar names of both files are suggested."""
    config = "[profile prod]\n[profile development]\n[profile staging-us-east-1]"
    error = missing(both(config, "[staging-eu-west-1]\n[prod]"), name)
    expected = f"did you mean {' or '.join(map(repr, suggested))}?" if suggested else None
    assert error.hint == expected


@each_row(
    "config, credentials, where, hint",
    [
        ("\n[dev]\na = 1", None, f"{CONFIG}:2", "write [profile dev]"),
        (None, "[profile dev]\na = 1", f"{CREDENTIALS}:1", "write [dev]"),
        ("[PROFILE dev]", "", f"{CONFIG}:1", "write [profile dev]"),
        (
            "[profiles dev]",
            "",
            f"{CONFIG}:1",
            "write [profile NAME], [sso-session NAME] or [services NAME]",
        ),
    ],
)
def test_ignored_header_is_explained(config: str | None, credentials: str | None, where: str, hint: str) -> None:
    """The error for a missing profile contains the header that was probably meant to be it, and how to write it."""
    error = missing(both(config, credentials), "dev")
    assert f"; {where}: " in error.message
    assert "ignored" in error.message
    assert error.hint == hint


def test_hint_for_unusual_names() -> None:
    """A hint quotes names with blanks, and uses a placeholder for names that are too long."""
    assert missing(both("[PROFILE 'my dev']"), "my dev").hint == 'write [profile "my dev"]'
    assert missing(both(f"[{'n' * 100}]"), "n" * 100).hint == "write [profile NAME]"


def test_section_is_read_from_the_config_file_only() -> None:
    """``sso-session`` and ``services`` sections are read from the config file only, and a missing one is an error."""
    config = "[sso-session corp]\nsso_region = r\n[services x]\ns3 =\n a = 1\n[sso-session bad]\nbad"
    profiles = both(config, "[corp]\nb = 2\n[sso-session only]\n")
    referrer = Profile("profile", "dev", {}, {}, (), ())
    session = profiles.find_section("sso-session", Setting("corp", ""), referrer)
    assert session.settings == {"sso_region": ("r", f"{CONFIG}:2")}
    services = profiles.find_section("services", Setting("x", ""), referrer)
    assert services.nested == {"s3": {"a": ("1", f"{CONFIG}:5")}}
    bad = profiles.find_section("sso-session", Setting("bad", ""), referrer)
    with pytest.raises(ConfigParseError):
        bad.check()
    error = section_error(profiles, "sso-session", "crop")
    assert str(error) == (
        f"a provider: sso-session 'crop' could not be found in {CONFIG}; profile 'dev' refers to it ({CONFIG}:9) "
        "(did you mean 'corp'?)"
    )
    section_error(profiles, "sso-session", "only")
    section_error(profiles, "services", "corp")
    error = section_error(both("[SSO-Session x]\n"), "sso-session", "x")
    assert f"; {CONFIG}:1: " in error.message
    assert error.hint == "write [sso-session x]"


@pytest.mark.fault("L08", "L10", "S01")
@each_row("name", ["__class__", "__proto__", "../../etc/passwd", "{0}", "%s", "a'b", "n" * 10_240, "\u65e5"])
def test_names_are_only_keys(name: str) -> None:
    """Any name finds exactly its profile, and the error for a missing one is one short line."""
    assert plain(found(both(None, f"[{name}]\na = 1"), name)) == {"a": "1"}
    message = missing(both(None, "[x]"), name).message
    assert "\n" not in message
    assert len(message) < 250


def test_no_output_contains_a_value() -> None:
    """No ``repr``, diagnostic or error of a profile contains a value."""
    keys = f"aws_access_key_id = {SECRET_KEY}\naws_secret_access_key = {SECRET_KEY}"
    profiles = both(
        f"[profile f]\n{keys}\ns3 =\n {SECRET_KEY} = {SECRET_KEY}\nrole_arn =\n {SECRET_KEY} = 1\n{SECRET_KEY}",
        f"[f]\n{keys}\n{SECRET_KEY}==\n[g] {SECRET_KEY}",
    )
    profile = found(profiles, "f")
    section = read(f"[f]\n{keys}", "credentials").section("profile", "f")
    assert isinstance(section, Section)
    output: list[object] = [
        profile,
        profiles,
        section,
        profile.diagnostics,
        fatal(profiles, "f"),
        *map(str, profile.diagnostics),
    ]
    output += [*map(str, profiles.other_diagnostics()), fatal(profiles, "g"), missing(profiles, "h")]
    assert [note.line for note in profile.diagnostics] == [8, 2, 6]
    assert SECRET_KEY.lower() not in f"{output!r} {' '.join(map(str, output))}".lower()


@pytest.mark.fault("L10")
def test_few_names_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing name is compared with few and short names only: comparing with 10,000 takes 0.1 s."""
    compared: list[str] = []

    def spy(word: str, possibilities: list[str]) -> list[str]:
        compared.extend(possibilities)
        return get_close_matches(word, possibilities)

    monkeypatch.setattr("difflib.get_close_matches", spy)
    names = [f"team-{number:05}" for number in range(10_000)]
    profiles = both("\n".join(f"[profile {name}]" for name in [*names, "zebra", "t" * 10_240]))
    assert missing(profiles, "team-0000x").hint is not None
    assert 0 < len(compared) <= 64
    compared.clear()
    assert missing(profiles, "zebar").hint == "did you mean 'zebra'?"
    assert compared == ["zebra"]
    assert missing(both(f"[profile {'t' * 10_240}]"), "t" * 64).hint is None
    assert compared == ["zebra"]
