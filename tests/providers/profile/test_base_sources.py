"""``from_ini`` with every kind of profile: what it comes down to is asked in order, and options reach every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

import anycreds
from anycreds import (
    ClientConfig,
    ConfigParseError,
    Credentials,
    CredentialsError,
    InvalidConfigurationError,
    LoginRequiredError,
    NotConfiguredError,
    ProfileNotFoundError,
    RetrievalError,
)
from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.callbacks import Callbacks
from anycreds._core.http import Request
from anycreds._core.provider import ClientContext
from anycreds._factories.profile_build import CONSTRUCTORS
from anycreds._providers.profile.options import BuildOptions
from anycreds._providers.profile.provider import ProfileProvider
from support.fake_io import FakeIo, FakeRuntime, Step, answer, assert_no_secret, document, run

CONFIG = "/home/user/.aws/config"
KEYS = "aws_access_key_id = AKIDBASE\naws_secret_access_key = canarySECRET\n"
STS = "https://sts.eu-central-1.amazonaws.com/"
MFA = "arn:aws:iam::1:mfa/me"


def given(key: str, operation: str = "AssumeRole") -> bytes:
    return (
        f"<{operation}Response><{operation}Result><Credentials><AccessKeyId>{key}</AccessKeyId>"
        "<SecretAccessKey>canaryROLE</SecretAccessKey><SessionToken>canaryTOKEN</SessionToken>"
        "<Expiration>2024-01-02T04:04:05Z</Expiration></Credentials><AssumedRoleUser>"
        f"<Arn>arn:aws:sts::123456789012:assumed-role/R/s</Arn></AssumedRoleUser></{operation}Result>"
        f"</{operation}Response>"
    ).encode()


def sends(key: str, operation: str = "AssumeRole", url: str = STS) -> Step:
    return ("POST", url, answer(given(key, operation)))


def runtime(config: str, *script: Step, environ: Mapping[str, str] | None = None, **files: bytes) -> FakeIo:
    io = FakeIo(*script, environ=environ)
    io.files[CONFIG] = config.encode()
    io.files.update({f"/{name}": content for name, content in files.items()})
    return io


def provider(io: FakeIo, profile: str | None = "top", **options: Any) -> ProfileProvider:
    files = SharedFiles(options.pop("files", FileOptions()))
    return ProfileProvider(
        FakeRuntime(io), profile, files=files, constructors=CONSTRUCTORS, options=BuildOptions(**options)
    )


def fetch(io: FakeIo, one: ProfileProvider | None = None, **options: Any) -> Credentials:
    credentials = run((one or provider(io, **options))._fetch(io, ClientContext()))
    assert io.script == []
    return credentials


def failing(io: FakeIo, kind: type[CredentialsError], **options: Any) -> str:
    with pytest.raises(kind) as caught:
        run(provider(io, **options)._fetch(io, ClientContext()))
    assert_no_secret(caught.value, "canary")
    return str(caught.value)


def form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def signer(request: Request) -> str:
    return request.headers["authorization"].partition("Credential=")[2].partition(",")[0]


def test_chain_of_roles() -> None:
    """Each role is assumed with what the one before gave, in the selected profile's region, innermost first."""
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = middle\nregion = eu-central-1\nexternal_id = e\n"
        "duration_seconds = 1800\nrole_session_name = me\n"
        "[profile middle]\nrole_arn = arn:middle\nsource_profile = base\nregion = us-west-2\n"
        f"[profile base]\n{KEYS}region = ap-south-1\n",
        sends("ASIAMIDDLE"),
        sends("ASIATOP"),
    )
    assert fetch(io).access_key_id == "ASIATOP"
    middle, top = io.requests
    assert signer(middle) == "AKIDBASE/20240102/eu-central-1/sts/aws4_request"
    assert signer(top) == "ASIAMIDDLE/20240102/eu-central-1/sts/aws4_request"
    assert form(middle)["RoleArn"] == "arn:middle"
    sent = form(top)
    assert (sent["RoleArn"], sent["ExternalId"], sent["DurationSeconds"], sent["RoleSessionName"]) == (
        "arn:top",
        "e",
        "1800",
        "me",
    )


def test_profile_that_is_its_own_source() -> None:
    """A profile with keys and a role that names itself assumes the role with its own keys."""
    io = runtime(f"[profile top]\nrole_arn = arn:r\nsource_profile = top\n{KEYS}region = eu-central-1\n", sends("ASIA"))
    assert fetch(io).access_key_id == "ASIA"
    assert signer(io.requests[0]).startswith("AKIDBASE/")


@pytest.mark.parametrize("name", ["Environment", "environment"])
def test_named_source_environment(name: str) -> None:
    """``credential_source = Environment`` assumes the role with the keys of the environment."""
    io = runtime(
        f"[profile top]\nrole_arn = arn:r\ncredential_source = {name}\nregion = eu-central-1\n",
        sends("ASIA"),
        environ={"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "canaryENV"},
    )
    assert fetch(io).access_key_id == "ASIA"
    assert signer(io.requests[0]).startswith("AKIDENV/")


def test_named_source_without_anything() -> None:
    """A named source that has nothing is a mistake that names role, profile and line, and stops a chain."""
    io = runtime("[profile top]\nrole_arn = arn:r\ncredential_source = EcsContainer\n")
    error = failing(io, InvalidConfigurationError)
    assert "arn:r" in error
    assert "~/.aws/config:2" in error
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in error


def test_named_source_alone_as_a_source() -> None:
    """A profile that has only a ``credential_source`` is good as somebody's source."""
    io = runtime(
        "[profile top]\nrole_arn = arn:r\nsource_profile = env\nregion = eu-central-1\n"
        "[profile env]\ncredential_source = Environment\n",
        sends("ASIA"),
        environ={"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "canaryENV"},
    )
    assert fetch(io).access_key_id == "ASIA"


def test_web_identity_and_a_role_on_top() -> None:
    """A profile's token file gives the base, with the profile's duration; the role on top is signed with it."""
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = web\nregion = eu-central-1\n"
        "[profile web]\nrole_arn = arn:web\nweb_identity_token_file = /token\nduration_seconds = 7200\n",
        sends("ASIAWEB", "AssumeRoleWithWebIdentity"),
        sends("ASIATOP"),
        environ={"AWS_ROLE_SESSION_NAME": "not-mine"},
        token=b"canary.token\n",
    )
    assert fetch(io).access_key_id == "ASIATOP"
    web, top = io.requests
    assert form(web)["DurationSeconds"] == "7200"
    assert form(web)["RoleSessionName"] != "not-mine"
    assert signer(top).startswith("ASIAWEB/")


def test_process_and_a_role_on_top() -> None:
    """A command gives the base of a role."""
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = command\nregion = eu-central-1\n"
        "[profile command]\ncredential_process = vault\n",
        sends("ASIATOP"),
    )
    from anycreds._core.io import ProcessResult

    output = b'{"Version": 1, "AccessKeyId": "AKIDPROC", "SecretAccessKey": "canaryPROC"}'
    io.processes["vault"] = ProcessResult(0, None, output, b"")
    assert fetch(io).access_key_id == "ASIATOP"
    assert signer(io.requests[0]).startswith("AKIDPROC/")


def test_mfa_of_two_roles_is_asked_one_after_another() -> None:
    """Two roles with devices: the person is asked for each just before it is needed, the inner one first."""
    io = runtime(
        f"[profile top]\nrole_arn = arn:top\nsource_profile = in\nmfa_serial = {MFA}2\nregion = eu-central-1\n"
        f"[profile in]\nrole_arn = arn:in\nsource_profile = base\nmfa_serial = {MFA}1\n[profile base]\n{KEYS}",
        sends("ASIAIN"),
        sends("ASIATOP"),
    )
    asked: list[tuple[str, int]] = []

    async def mfa(serial: str) -> str:
        asked.append((serial, len(io.requests)))
        return f"canary-{serial[-1]}23456"

    one = provider(io, callbacks=Callbacks(mfa))
    assert one._may_prompt_user
    fetch(io, one)
    assert asked == [(f"{MFA}1", 0), (f"{MFA}2", 1)]
    assert [form(request)["TokenCode"] for request in io.requests] == ["canary-123456", "canary-223456"]
    assert one._may_prompt_user


def test_profile_without_a_device_asks_nobody() -> None:
    """With a function for codes and no device in the profile, nobody will be asked, and that is known then."""

    async def mfa(serial: str) -> str:
        raise AssertionError("nobody is to be asked")

    io = runtime(f"[profile top]\n{KEYS}")
    one = provider(io, callbacks=Callbacks(mfa))
    fetch(io, one)
    assert one._may_prompt_user
    assert not io.prompts_user


def test_device_without_a_function() -> None:
    """A role with a device, and nobody to ask, is an error before anything is asked."""
    io = runtime(f"[profile top]\nrole_arn = arn:r\nsource_profile = b\nmfa_serial = {MFA}\n[profile b]\n{KEYS}")
    error = failing(io, InvalidConfigurationError)
    assert "mfa_code_provider" in error
    assert "~/.aws/config:2" in error


def test_hooks_take_the_place_of_sts() -> None:
    """``role_assumer`` is called for each role, ``role_assumer_with_web_identity`` for the token; STS is not asked."""
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = web\n"
        "[profile web]\nrole_arn = arn:web\nweb_identity_token_file = /token\n",
        token=b"canary.token",
    )
    seen: list[str] = []

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        seen.append(f"{source.access_key_id} {params['RoleArn']}")
        return Credentials("ASIAHOOK", "canaryHOOK")

    async def web(params: Mapping[str, Any]) -> Credentials:
        seen.append(f"{params['WebIdentityToken']} {params['RoleArn']}")
        return Credentials("ASIAWEB", "canaryWEB")

    assert fetch(io, callbacks=Callbacks(None, assumer, web)).access_key_id == "ASIAHOOK"
    assert seen == ["canary.token arn:web", "ASIAWEB arn:top"]


def test_client_config_reaches_every_step() -> None:
    """Region and endpoint of ``client_config`` hold for every hop, over what the profile says."""
    url = "https://sts.example.com/base"
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = in\nregion = eu-central-1\nendpoint_url = https://no/\n"
        f"[profile in]\nrole_arn = arn:in\nsource_profile = base\n[profile base]\n{KEYS}",
        sends("ASIAIN", url=f"{url}/"),
        sends("ASIATOP", url=f"{url}/"),
    )
    fetch(io, config=ClientConfig(region="us-gov-west-1", endpoint_url=url))
    assert all("/us-gov-west-1/sts/" in signer(request) for request in io.requests)


def test_settings_of_the_selected_profile_count() -> None:
    """Endpoint and kind come from the profile that is asked for, not from ``default`` or AWS_PROFILE's."""
    io = runtime(
        "[default]\nendpoint_url = https://wrong.example.com\nuse_fips_endpoint = true\n"
        "[profile other]\nregion = us-west-2\n"
        "[profile top]\nrole_arn = arn:top\nsource_profile = base\nregion = eu-central-1\nservices = s\n"
        f"[profile base]\n{KEYS}[services s]\nsts =\n  endpoint_url = https://right.example.com\n",
        sends("ASIATOP", url="https://right.example.com/"),
        environ={"AWS_PROFILE": "other"},
    )
    fetch(io)


def test_custom_files_reach_every_step() -> None:
    """With files of the program's own, everything of the profile comes from them, and ``~/.aws`` is not looked at."""
    io = runtime("[profile top]\nbroken", sends("ASIATOP"))
    io.files["/c"] = b"[profile top]\nrole_arn = arn:r\nsource_profile = base\nregion = eu-central-1\n"
    io.files["/k"] = f"[base]\n{KEYS}".encode()
    assert fetch(io, files=FileOptions("/k", "/c")).access_key_id == "ASIATOP"


def test_changed_files_are_seen() -> None:
    """A role that was edited is the one that the next attempt assumes; an unchanged plan keeps its provider."""
    text = f"[profile top]\nrole_arn = arn:one\nsource_profile = b\nregion = eu-central-1\n[profile b]\n{KEYS}"
    io = runtime(text, sends("ASIA1"), sends("ASIA2"))
    one = provider(io)
    run(one._fetch(io, ClientContext()))
    io.files[CONFIG] = text.replace("arn:one", "arn:two").encode()
    fetch(io, one)
    assert [form(request)["RoleArn"] for request in io.requests] == ["arn:one", "arn:two"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("duration_seconds = abc", "duration_seconds"),
        ("duration_seconds = 60", "900"),
        ("duration_seconds = 43201", "43200"),
        ("external_id = a\x07b", "control character"),
    ],
)
def test_values_that_cannot_be_right(text: str, says: str) -> None:
    """A value that STS cannot take is an error with file and line, before anything is asked."""
    io = runtime(f"[profile top]\nrole_arn = arn:r\nsource_profile = b\n{text}\n[profile b]\n{KEYS}")
    error = failing(io, InvalidConfigurationError)
    assert says in error
    assert "~/.aws/config:4" in error


@pytest.mark.parametrize(
    "base",
    [
        f"role_arn = arn:in\nsource_profile = base\n[profile base]\n{KEYS}",
        "role_arn = arn:web\nweb_identity_token_file = /token\n",
        "sso_account_id = 1\nsso_role_name = r\nsso_region = us-east-1\nsso_start_url = https://x.awsapps.com/start\n",
    ],
)
def test_cap_of_role_chaining_is_known_before(base: str) -> None:
    """More than an hour with another role's credentials is refused before the first request."""
    io = runtime(
        f"[profile top]\nrole_arn = arn:top\nsource_profile = in\nduration_seconds = 7200\n[profile in]\n{base}"
    )
    assert "3600" in failing(io, InvalidConfigurationError)
    assert io.requests == []


def test_profile_that_says_nothing() -> None:
    """A profile with only a region lets a chain go on, and so does one for bearer tokens only."""
    for text in ("region = eu-west-1", "sso_session = s"):
        failing(runtime(f"[profile top]\n{text}\n[sso-session s]\nsso_region = us-east-1\n"), NotConfiguredError)


def test_region_of_the_client_counts_at_every_step() -> None:
    """Where neither option nor profile says a region, that of the client is called, for each hop."""
    io = runtime(
        f"[profile top]\nrole_arn = arn:top\nsource_profile = in\n[profile in]\nrole_arn = arn:in\n"
        f"source_profile = base\n[profile base]\n{KEYS}",
        sends("ASIAIN"),
        sends("ASIATOP"),
        environ={"AWS_REGION": "us-west-2"},
    )
    assert run(provider(io)._fetch(io, ClientContext(region="eu-central-1"))).access_key_id == "ASIATOP"
    assert all("/eu-central-1/sts/" in signer(request) for request in io.requests)


METADATA = "http://127.0.0.1:7"
ON_METADATA = (
    "[profile top]\nrole_arn = arn:r\nsource_profile = ec2\nregion = eu-central-1\n"
    f"ec2_metadata_service_endpoint = {METADATA}\n"
    "[profile ec2]\ncredential_source = Ec2InstanceMetadata\nec2_metadata_service_endpoint = http://127.0.0.1:8\n"
)


def metadata(url: str = METADATA) -> list[Step]:
    path = "/latest/meta-data/iam/security-credentials/"
    return [
        ("PUT", f"{url}/latest/api/token", answer(b"canary-token", x_aws_ec2_metadata_token_ttl_seconds="21600")),
        ("GET", f"{url}{path}", answer(b"instance")),
        ("GET", f"{url}{path}instance", answer(document(AccessKeyId="ASIAEC2"))),
    ]


def test_named_source_metadata() -> None:
    """EC2 metadata is asked where the selected profile says, and signs the call for the role."""
    io = runtime(ON_METADATA, *metadata(), sends("ASIATOP"))
    assert fetch(io).access_key_id == "ASIATOP"
    assert signer(io.requests[-1]).startswith("ASIAEC2/")


def test_options_for_metadata_as_a_source() -> None:
    """What a chain has been told about EC2 metadata holds for a profile that stands on it."""
    io = runtime(ON_METADATA, *metadata("http://127.0.0.1:9"), sends("ASIATOP"))
    fetch(io, metadata={"endpoint": "http://127.0.0.1:9"})


def test_files_for_metadata_as_a_source() -> None:
    """Its endpoint, too, is looked for in the program's own files only."""
    io = runtime("[profile top]\nec2_metadata_service_endpoint = http://127.0.0.1:8\n", *metadata(), sends("ASIATOP"))
    io.files["/c"] = ON_METADATA.encode()
    fetch(io, files=FileOptions(config_filepath="/c"))


def test_session_name_of_a_web_identity() -> None:
    """``role_session_name`` of a profile with a token file is sent."""
    io = runtime(
        "[profile top]\nrole_arn = arn:web\nweb_identity_token_file = /token\nrole_session_name = me\n"
        "region = eu-central-1\n",
        sends("ASIAWEB", "AssumeRoleWithWebIdentity"),
        token=b"canary.token",
    )
    fetch(io)
    assert form(io.requests[0])["RoleSessionName"] == "me"


@pytest.mark.parametrize(
    ("lines", "command"),
    [
        ("login_session = arn:me\n", "aws login --profile base"),
        (
            "sso_account_id = 1\nsso_role_name = r\nsso_region = us-east-1\nsso_start_url = https://x\n",
            "aws sso login --profile base",
        ),
    ],
)
def test_command_to_sign_in_is_for_the_profile_that_says_so(lines: str, command: str) -> None:
    """Whoever stands on a profile with a sign-in is told to sign in for that one."""
    io = runtime(f"[profile top]\nrole_arn = arn:top\nsource_profile = base\n[profile base]\n{lines}")
    with pytest.raises(LoginRequiredError) as caught:
        fetch(io)
    assert caught.value.command == command


def test_all_that_a_pair_of_keys_comes_with() -> None:
    """Session token, account and scope of a profile are taken."""
    more = "aws_session_token = canaryTOKEN\naws_account_id = 1\naws_credential_scope = us-east-1\n"
    given = fetch(runtime(f"[profile top]\n{KEYS}{more}"))
    assert (given.session_token, given.account_id, given.credential_scope) == ("canaryTOKEN", "1", "us-east-1")


def test_half_a_pair_in_a_source_with_a_role() -> None:
    """A source with a role gives its own keys only if it has both; else its role is assumed, as in JavaScript."""
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = in\nregion = eu-central-1\n"
        f"[profile in]\nrole_arn = arn:in\nsource_profile = base\naws_access_key_id = AKIDHALF\n[profile base]\n{KEYS}",
        sends("ASIAIN"),
        sends("ASIATOP"),
    )
    fetch(io)
    assert [signer(request).partition("/")[0] for request in io.requests] == ["AKIDBASE", "ASIAIN"]


@pytest.mark.parametrize("duration", ["abc", "900.5", "-900", "60", "\u0669\u0660\u0660", "\u00b2", "9" * 4999])
@pytest.mark.parametrize("base", [f"source_profile = b\n[profile b]\n{KEYS}", "web_identity_token_file = /token\n"])
def test_durations_that_are_none(base: str, duration: str) -> None:
    """What is no number of seconds, or not so many as a session lasts, is an error with its line in both kinds."""
    io = runtime(f"[profile top]\nrole_arn = arn:r\nduration_seconds = {duration}\n{base}", token=b"canary.token")
    error = failing(io, InvalidConfigurationError)
    assert error.startswith("shared files: ")
    assert "duration_seconds" in error
    assert "~/.aws/config:3" in error
    assert io.requests == []


@pytest.mark.parametrize(
    ("duration", "base"), [(43200, KEYS), (3600, f"role_arn = arn:in\nsource_profile = base\n[profile base]\n{KEYS}")]
)
def test_longest_durations(duration: int, base: str) -> None:
    """Twelve hours with a user's keys, and exactly one hour with another role's, are asked for."""
    first = [] if base is KEYS else [sends("ASIAIN")]
    io = runtime(
        f"[profile top]\nrole_arn = arn:r\nsource_profile = in\nregion = eu-central-1\nduration_seconds = {duration}\n"
        f"[profile in]\n{base}",
        *first,
        sends("ASIATOP"),
    )
    fetch(io)
    assert form(io.requests[-1])["DurationSeconds"] == str(duration)


@pytest.mark.parametrize("missing", ["sso_account_id", "sso_role_name", "sso_region", "sso_start_url"])
def test_a_sign_in_that_is_not_all_there(missing: str) -> None:
    """A profile for SSO that leaves something out is a mistake, and not a profile that says nothing."""
    lines = {"sso_account_id": "1", "sso_role_name": "r", "sso_region": "us-east-1", "sso_start_url": "https://x"}
    io = runtime("[profile top]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if key != missing))
    assert f"{missing} is missing" in failing(io, InvalidConfigurationError)


def test_who_names_an_empty_source() -> None:
    """Of several roles, the one that stands on the profile which says nothing is named."""
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = in\n"
        "[profile in]\nrole_arn = arn:in\nsource_profile = empty\n[profile empty]\nregion = eu-west-1\n"
    )
    assert "the source of profile 'in' (~/.aws/config:5)" in failing(io, InvalidConfigurationError)


def test_what_a_role_without_one_source_needs() -> None:
    """The error for none and for both says what to do."""
    for lines in ("", f"source_profile = b\ncredential_source = Environment\n[profile b]\n{KEYS}"):
        assert "exactly one of the two" in failing(
            runtime(f"[profile top]\nrole_arn = arn:r\n{lines}"), InvalidConfigurationError
        )


def test_changes_of_what_is_kept() -> None:
    """New keys in a source, and a new region in the selected profile, are what the next attempt uses."""
    text = f"[profile top]\nrole_arn = arn:r\nsource_profile = b\nregion = eu-central-1\n[profile b]\n{KEYS}"
    west = STS.replace("eu-central-1", "us-west-2")
    io = runtime(text, sends("ASIA1"), sends("ASIA2"), sends("ASIA3", url=west))
    one = provider(io)
    run(one._fetch(io, ClientContext()))
    io.files[CONFIG] = text.replace("AKIDBASE", "AKIDNEXT").encode()
    run(one._fetch(io, ClientContext()))
    io.files[CONFIG] = text.replace("AKIDBASE", "AKIDNEXT").replace("eu-central-1", "us-west-2").encode()
    fetch(io, one)
    assert [signer(request).partition("/sts")[0] for request in io.requests] == [
        "AKIDBASE/20240102/eu-central-1",
        "AKIDNEXT/20240102/eu-central-1",
        "AKIDNEXT/20240102/us-west-2",
    ]


def test_callers_keep_what_is_theirs() -> None:
    """What one caller's profile remembers, such as a spent code, outlives an attempt for another caller's profile."""
    text = f"[profile b]\n{KEYS}[profile top]\nrole_arn = arn:r\nsource_profile = b\nmfa_serial = {MFA}\n"
    io = runtime(text, sends("ASIA1"))
    io.variables["AWS_REGION"] = "eu-central-1"

    async def mfa(serial: str) -> str:
        return "731946"

    one = provider(io, None, callbacks=Callbacks(mfa))
    top, base = ClientContext(profile="top"), ClientContext(profile="b")
    assert run(one._fetch(io, top)).access_key_id == "ASIA1"
    assert run(one._fetch(io, base)).access_key_id == "AKIDBASE"
    with pytest.raises(RetrievalError, match="sent before"):
        run(one._fetch(io, top))
    assert len(io.requests) == 1


def test_profile_that_says_nothing_asks_nobody() -> None:
    """A profile without credentials asks nobody, so that those which a chain finds behind it are refreshed in time."""

    async def mfa(serial: str) -> str:
        raise AssertionError("nobody is to be asked")

    io = runtime("[profile top]\nregion = eu-central-1\n")
    one = provider(io, callbacks=Callbacks(mfa))
    assert one._may_prompt_user
    with pytest.raises(NotConfiguredError):
        run(one._fetch(io, ClientContext()))
    assert not io.prompts_user


def test_profile_without_a_function_asks_nobody() -> None:
    """Without a function for codes nobody can be asked, and that is known before the files are read."""
    assert not provider(runtime(""))._may_prompt_user


@pytest.mark.parametrize("make", [anycreds.from_process, anycreds.from_sso, anycreds.from_login_credentials])
def test_one_way_out_of_a_profile_that_is_broken(make: Callable[[str], anycreds.Provider]) -> None:
    """A line that nobody can read is an error for who looks at one kind of setting, too."""
    for lines, kind in (("rubbish\n", ConfigParseError), (KEYS, NotConfiguredError)):
        io = runtime(f"[profile top]\n{lines}")
        with pytest.raises(kind):
            run(make("top")._fetch(io, ClientContext()))
    with pytest.raises(ProfileNotFoundError):
        run(make("missing")._fetch(runtime(""), ClientContext()))


@pytest.mark.parametrize("key", ["role_arn", "external_id", "role_session_name", "mfa_serial"])
def test_role_settings_that_are_endless(key: str) -> None:
    """What is longer than anything that AWS takes is an error with profile and line, without the text."""
    lines = {"role_arn": "arn:r", key: "endless" * 100_000}
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    io = runtime(f"[profile top]\nsource_profile = b\n{text}[profile b]\n{KEYS}")
    error = failing(io, InvalidConfigurationError)
    assert "profile 'top'" in error
    assert f"~/.aws/config:{3 if key == 'role_arn' else 4}" in error
    assert "endlessendless" not in error


@pytest.mark.parametrize("key", ["aws_session_token", "aws_account_id"])
def test_keys_that_are_endless(key: str) -> None:
    """The same for keys that stand in the file, which are secrets."""
    error = failing(runtime(f"[profile top]\n{KEYS}{key} = {'canary' * 100_000}\n"), InvalidConfigurationError)
    assert f"{key} has 600000 characters" in error
    assert "~/.aws/config:4" in error


def test_services_section_that_is_not_there() -> None:
    """Whoever refers to a section that does not exist is told where, and what may be meant, before STS is asked."""
    io = runtime(
        f"[profile top]\nrole_arn = arn:r\nsource_profile = b\nservices = mine\n[profile b]\n{KEYS}"
        "[services mime]\nsts =\n  endpoint_url = https://sts.example.com\n"
    )
    error = failing(io, InvalidConfigurationError)
    assert "profile 'top' refers to it (~/.aws/config:4)" in error
    assert "did you mean 'mime'" in error
    assert io.requests == []
