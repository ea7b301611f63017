"""A profile is resolved to one base and the roles on top, or to an error that names file, line and key."""

from __future__ import annotations

import pytest

import anycreds
from anycreds._config.parser import read
from anycreds._config.profiles import Profiles
from anycreds._config.settings import Setting
from anycreds._core.errors import strip_frames
from anycreds._providers.profile.role_chain import RoleChain, resolve_role_chain
from anycreds.testing import CANARY
from support.rows import each_row

KEYS = f"aws_access_key_id = AKID\naws_secret_access_key = {CANARY}-secret\n"


def resolved(config: str, name: str = "x", credentials: str = "") -> RoleChain:
    """Return the role chain of a profile in these two files."""
    profiles = Profiles(read(config, "config"), read(credentials, "credentials"), "~/.aws/config", "~/.aws/credentials")
    return resolve_role_chain(profiles, Setting(name, "option profile"))


def summary(config: str, name: str = "x", credentials: str = "") -> str:
    """Return a role chain in one line: its base, and the profiles of its roles, innermost first."""
    chain = resolved(config, name, credentials)
    base = type(chain.base).__name__.removesuffix("Base")
    return " + ".join([f"{base}({chain.base.profile})", *(step.profile for step in chain.roles)])


Invalid = anycreds.InvalidConfigurationError
SOURCES = {
    "static": KEYS,
    "process": "credential_process = /bin/creds\n",
    "web": "web_identity_token_file = /token\nrole_arn = arn\n",
    "sso": "sso_start_url = https://x\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n",
    "login": "login_session = arn\n",
}


@each_row(
    "lines, expected",
    [
        (SOURCES["static"], "Static(x)"),
        (SOURCES["process"], "Process(x)"),
        (SOURCES["web"], "WebIdentity(x)"),
        (SOURCES["sso"], "Sso(x)"),
        (SOURCES["login"], "Login(x)"),
        ("role_arn = arn\ncredential_source = Environment\n", "CredentialSource(x) + x"),
        ("role_arn = arn\ncredential_source = ec2instancemetadata\n", "CredentialSource(x) + x"),
        # several kinds in one profile: keys, web identity, process, SSO, login
        ("".join(SOURCES.values()), "Static(x)"),
        ("".join(list(SOURCES.values())[1:]), "WebIdentity(x)"),
        (SOURCES["process"] + SOURCES["sso"] + SOURCES["login"], "Process(x)"),
        (SOURCES["sso"] + SOURCES["login"], "Sso(x)"),
        # a role takes precedence over keys beside it in the selected profile
        ("role_arn = arn\ncredential_source = EcsContainer\n" + KEYS, "CredentialSource(x) + x"),
        # its own source
        ("role_arn = arn\nsource_profile = x\n" + KEYS, "Static(x) + x"),
    ],
)
def test_profile_of_several_kinds_uses_the_first(lines: str, expected: str) -> None:
    """A profile with settings of several kinds uses the first kind in the order of the AWS SDK for JavaScript."""
    assert summary(f"[profile x]\n{lines}") == expected


def test_roles_in_order_of_assumption() -> None:
    """Roles are listed in the order in which they are assumed, on top of the base at the end of the chain."""
    config = (
        "[profile x]\nrole_arn = outer\nsource_profile = y\n[profile y]\nrole_arn = inner\nsource_profile = z\n"
        f"[profile z]\n{KEYS}region = eu-west-1\n"
    )
    assert summary(config) == "Static(z) + y + x"


@pytest.mark.fault("L09")
def test_source_with_keys_and_a_role() -> None:
    """A source profile with its own access keys is the base: its role is not assumed."""
    config = f"[profile x]\nrole_arn = a\nsource_profile = y\n[profile y]\nrole_arn = b\nsource_profile = z\n{KEYS}"
    assert summary(config) == "Static(y) + x"


def test_credential_source_without_a_role() -> None:
    """A source profile may have a ``credential_source`` without a role."""
    config = "[profile x]\nrole_arn = a\nsource_profile = y\n[profile y]\ncredential_source = EcsContainer\n"
    assert summary(config) == "CredentialSource(y) + x"


def test_settings_of_a_role() -> None:
    """A step contains the settings of its role."""
    config = (
        "[profile x]\nrole_arn = arn\nsource_profile = y\nexternal_id = e\nrole_session_name = s\nmfa_serial = m\n"
        f"duration_seconds = 900\nregion = eu-west-3\n[profile y]\nregion = us-east-1\n{KEYS}"
    )
    chain = resolved(config)
    (step,) = chain.roles
    assert step.duration == 900
    assert (step.role_arn.value, step.source) == ("arn", "source_profile (~/.aws/config:3)")
    assert [one and one.value for one in (step.external_id, step.session_name, step.mfa_serial)] == ["e", "s", "m"]


@pytest.mark.fault("L09")
@each_row(
    "config, kind, parts",
    [
        (
            "[profile x]\naws_access_key_id = A\n",
            Invalid,
            ["aws_secret_access_key", "config:2"],
        ),
        (
            "[profile x]\naws_secret_access_key = B\n",
            Invalid,
            ["aws_access_key_id", "config:2"],
        ),
        ("[profile x]\nrole_arn = a\n", Invalid, ["role_arn is set, but no source of credentials is (", "config:2"]),
        (
            f"[profile x]\nrole_arn = a\n{KEYS}",
            Invalid,
            ["role_arn", "no source", "config:2"],
        ),
        (
            "[profile x]\nrole_arn = a\nsource_profile = y\ncredential_source = Environment\n",
            Invalid,
            [
                "role_arn is set, but both source_profile and credential_source are (",
                "config:2) (set exactly one of the two)",
            ],
        ),
        (
            "[profile x]\nrole_arn = a\ncredential_source = Moon\n",
            Invalid,
            ["credential_source", "config:3", "Ec2InstanceMetadata"],
        ),
        ("[profile x]\ncredential_source = Environment\n", Invalid, ["role_arn is not"]),
        (
            "[profile x]\nsource_profile = y\n",
            Invalid,
            ["source_profile", "role_arn is not"],
        ),
        (
            "[profile x]\nweb_identity_token_file = t\n",
            Invalid,
            ["web_identity_token_file", "role_arn is not", "config:2"],
        ),
        (
            f"[profile x]\nrole_arn = a\nsource_profile = y\nduration_seconds = soon\n[profile y]\n{KEYS}",
            Invalid,
            ["duration_seconds", "config:4"],
        ),
        ("[profile x]\nrole_arn = a\nsource_profile = x\n", anycreds.ProfileLoopError, ["its own source", "config:3"]),
        (
            "[profile x]\nrole_arn = a\nsource_profile = y\n[profile y]\nrole_arn = b\nsource_profile = x\n",
            anycreds.ProfileLoopError,
            ["x -> y -> x"],
        ),
        (
            "[profile x]\nrole_arn = a\nsource_profile = why\n[profile wy]\n",
            anycreds.ProfileNotFoundError,
            ["'why'", "~/.aws/config", "selected by profile 'x' (~/.aws/config:3)", "did you mean 'wy'"],
        ),
        ("[profile y]\n", anycreds.ProfileNotFoundError, ["'x'", "selected by option profile"]),
        (
            "[profile x]\nrole_arn = a\nsource_profile = y\n[profile y]\nregion = r\n",
            Invalid,
            ["'y' has no credential settings", "the source of profile 'x' (~/.aws/config:2)"],
        ),
        (
            (
                "[profile x]\nrole_arn = a\nsource_profile = y\nduration_seconds = 3601\n[profile y]\nrole_arn = b\n"
                f"source_profile = z\n[profile z]\n{KEYS}"
            ),
            Invalid,
            ["profile 'x' (~/.aws/config:2): duration_seconds is 3601; AWS allows at most 3600 s"],
        ),
        ("[profile x]\nthis is not a setting\n", anycreds.ConfigParseError, ["config:2", "'x'"]),
        (f"[profile x]\n{KEYS}aws_session_token = {CANARY}\x07\n", anycreds.ConfigParseError, ["config:4"]),
    ],
)
def test_contradiction_is_an_error_with_key_file_and_line(
    config: str, kind: type[anycreds.CredentialsError], parts: list[str]
) -> None:
    """Each contradiction raises an error of its class that names the key, the file and the line."""
    with pytest.raises(kind) as caught:
        resolved(config)
    strip_frames(caught.value)
    assert (type(caught.value), caught.value.source) == (kind, "shared files")
    for part in parts:
        assert part in str(caught.value)


def test_profile_without_credential_settings() -> None:
    """A profile with only a region is not configured, so that a chain continues."""
    with pytest.raises(anycreds.NotConfiguredError, match="'x' has no credential settings") as caught:
        resolved("[profile x]\nregion = eu-west-1\n")
    assert caught.value.source == "shared files"


def test_malformed_lines_elsewhere() -> None:
    """A malformed line in another profile, or before all of them, has no effect."""
    config = f"rubbish\n[profile other]\nrubbish\n[profile x]\n{KEYS}[broken\nkey = value\n"
    assert summary(config) == "Static(x)"


@pytest.mark.fault("L09")
def test_chain_of_more_than_99_roles_is_an_error() -> None:
    """A chain may have 99 roles. A longer chain is an error at once, and so is a long loop."""
    links = "".join(f"[profile p{n}]\nrole_arn = a\nsource_profile = p{n + 1}\n" for n in range(5000))
    chain = resolved(f"{links}[profile p5000]\n{KEYS}", "p4901")
    assert len(chain.roles) == 99
    with pytest.raises(anycreds.InvalidConfigurationError, match="'p4900' has more than 100 profiles") as caught:
        resolved(f"{links}[profile p5000]\n{KEYS}", "p4900")
    assert caught.value.source == "shared files"
    loop = "".join(f"[profile p{n}]\nrole_arn = a\nsource_profile = p{(n + 1) % 90}\n" for n in range(90))
    with pytest.raises(anycreds.ProfileLoopError, match="profile loop: p0 -> p1"):
        resolved(loop, "p0")
