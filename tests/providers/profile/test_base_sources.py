"""Every kind of profile sends its requests in order, and the options apply to every step."""

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
from anycreds._providers.profile.build import BuildOptions
from anycreds._providers.profile.provider import ProfileProvider
from support.fake_io import FakeIo, FakeRuntime, Step, answer, assert_no_secret, document, run
from support.rows import each_row

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


def test_roles_are_assumed_from_the_inside() -> None:
    """Each role is assumed with the credentials of the step before, in the selected profile's region."""
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


@pytest.mark.fault("L09")
def test_profile_that_is_its_own_source() -> None:
    """A profile with keys and a role that names itself assumes the role with its own keys."""
    io = runtime(f"[profile top]\nrole_arn = arn:r\nsource_profile = top\n{KEYS}region = eu-central-1\n", sends("ASIA"))
    assert fetch(io).access_key_id == "ASIA"
    assert signer(io.requests[0]).startswith("AKIDBASE/")


@pytest.mark.parametrize("name", ["Environment", "environment"])
def test_credential_source_environment(name: str) -> None:
    """``credential_source = Environment`` assumes the role with the access keys in environment variables."""
    io = runtime(
        f"[profile top]\nrole_arn = arn:r\ncredential_source = {name}\nregion = eu-central-1\n",
        sends("ASIA"),
        environ={"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "canaryENV"},
    )
    assert fetch(io).access_key_id == "ASIA"
    assert signer(io.requests[0]).startswith("AKIDENV/")


def test_credential_source_that_is_not_configured() -> None:
    """A ``credential_source`` that is not configured is an error with role, profile and line, which stops a chain."""
    io = runtime("[profile top]\nrole_arn = arn:r\ncredential_source = EcsContainer\n")
    error = failing(io, InvalidConfigurationError)
    assert "arn:r" in error
    assert "~/.aws/config:2" in error
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in error


def test_credential_source_that_is_disabled() -> None:
    """``AWS_EC2_METADATA_DISABLED`` disables EC2 metadata as a ``credential_source`` too."""
    text = "[profile top]\nrole_arn = arn:r\ncredential_source = Ec2InstanceMetadata\n"
    error = failing(runtime(text, environ={"AWS_EC2_METADATA_DISABLED": "TRUE"}), InvalidConfigurationError)
    assert "AWS_EC2_METADATA_DISABLED" in error


def test_credential_source_in_a_source_profile() -> None:
    """A source profile may have a ``credential_source`` and no role."""
    io = runtime(
        "[profile top]\nrole_arn = arn:r\nsource_profile = env\nregion = eu-central-1\n"
        "[profile env]\ncredential_source = Environment\n",
        sends("ASIA"),
        environ={"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "canaryENV"},
    )
    assert fetch(io).access_key_id == "ASIA"


def test_role_on_web_identity() -> None:
    """The token file of a source profile gives the credentials that sign the role's request."""
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


def test_role_on_a_command() -> None:
    """The command of a source profile prints the credentials that sign the role's request."""
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


def test_mfa_codes_of_two_roles() -> None:
    """For two roles with MFA devices, each code is requested just before it is needed, the inner one first."""
    io = runtime(
        f"[profile top]\nrole_arn = arn:top\nsource_profile = in\nmfa_serial = {MFA}2\nregion = eu-central-1\n"
        f"[profile in]\nrole_arn = arn:in\nsource_profile = base\nmfa_serial = {MFA}1\n[profile base]\n{KEYS}",
        sends("ASIAIN"),
        sends("ASIATOP"),
    )
    prompts: list[tuple[str, int]] = []

    async def mfa(serial: str) -> str:
        prompts.append((serial, len(io.requests)))
        return f"canary-{serial[-1]}23456"

    one = provider(io, callbacks=Callbacks(mfa))
    assert one._may_prompt_user
    fetch(io, one)
    assert prompts == [(f"{MFA}1", 0), (f"{MFA}2", 1)]
    assert [form(request)["TokenCode"] for request in io.requests] == ["canary-123456", "canary-223456"]
    assert one._may_prompt_user


def test_profile_without_mfa_does_not_prompt() -> None:
    """A profile without an MFA device does not prompt the user, although the program has a function for codes."""

    async def mfa(serial: str) -> str:
        raise AssertionError("the user must not be prompted")

    io = runtime(f"[profile top]\n{KEYS}")
    one = provider(io, callbacks=Callbacks(mfa))
    fetch(io, one)
    assert one._may_prompt_user
    assert not io.prompts_user


def test_mfa_device_without_a_function() -> None:
    """A role with an MFA device and no function for codes is an error before the first request."""
    io = runtime(f"[profile top]\nrole_arn = arn:r\nsource_profile = b\nmfa_serial = {MFA}\n[profile b]\n{KEYS}")
    error = failing(io, InvalidConfigurationError)
    assert "mfa_code_provider" in error
    assert "~/.aws/config:2" in error


def test_role_assumers_replace_sts() -> None:
    """``role_assumer`` and ``role_assumer_with_web_identity`` are called instead of STS."""
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = web\n"
        "[profile web]\nrole_arn = arn:web\nweb_identity_token_file = /token\n",
        token=b"canary.token",
    )
    calls: list[str] = []

    async def assumer(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        calls.append(f"{source.access_key_id} {params['RoleArn']}")
        return Credentials("ASIAASSUMER", "canaryASSUMER")

    async def web(params: Mapping[str, Any]) -> Credentials:
        calls.append(f"{params['WebIdentityToken']} {params['RoleArn']}")
        return Credentials("ASIAWEB", "canaryWEB")

    assert fetch(io, callbacks=Callbacks(None, assumer, web)).access_key_id == "ASIAASSUMER"
    assert calls == ["canary.token arn:web", "ASIAWEB arn:top"]


def test_client_config_applies_to_every_role() -> None:
    """Region and endpoint of ``client_config`` apply to every role, and take precedence over the profile."""
    url = "https://sts.example.com/base"
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = in\nregion = eu-central-1\nendpoint_url = https://no/\n"
        f"[profile in]\nrole_arn = arn:in\nsource_profile = base\n[profile base]\n{KEYS}",
        sends("ASIAIN", url=f"{url}/"),
        sends("ASIATOP", url=f"{url}/"),
    )
    fetch(io, config=ClientConfig(region="us-gov-west-1", endpoint_url=url))
    assert all("/us-gov-west-1/sts/" in signer(request) for request in io.requests)


def test_endpoint_of_the_selected_profile() -> None:
    """Endpoint and endpoint variant are those of the profile argument, not of ``default`` or ``AWS_PROFILE``."""
    io = runtime(
        "[default]\nendpoint_url = https://wrong.example.com\nuse_fips_endpoint = true\n"
        "[profile other]\nregion = us-west-2\n"
        "[profile top]\nrole_arn = arn:top\nsource_profile = base\nregion = eu-central-1\nservices = s\n"
        f"[profile base]\n{KEYS}[services s]\nsts =\n  endpoint_url = https://right.example.com\n",
        sends("ASIATOP", url="https://right.example.com/"),
        environ={"AWS_PROFILE": "other"},
    )
    fetch(io)


def test_files_of_the_options() -> None:
    """With files of the options, everything is read from them, and nothing from ``~/.aws``."""
    io = runtime("[profile top]\nbroken", sends("ASIATOP"))
    io.files["/c"] = b"[profile top]\nrole_arn = arn:r\nsource_profile = base\nregion = eu-central-1\n"
    io.files["/k"] = f"[base]\n{KEYS}".encode()
    assert fetch(io, files=FileOptions("/k", "/c")).access_key_id == "ASIATOP"


def test_changed_role_is_assumed() -> None:
    """After a change of the role in the file, the next attempt assumes the new role."""
    text = f"[profile top]\nrole_arn = arn:one\nsource_profile = b\nregion = eu-central-1\n[profile b]\n{KEYS}"
    io = runtime(text, sends("ASIA1"), sends("ASIA2"))
    one = provider(io)
    run(one._fetch(io, ClientContext()))
    io.files[CONFIG] = text.replace("arn:one", "arn:two").encode()
    fetch(io, one)
    assert [form(request)["RoleArn"] for request in io.requests] == ["arn:one", "arn:two"]


@each_row(
    "text, message",
    [
        ("duration_seconds = abc", "duration_seconds"),
        ("duration_seconds = 60", "900"),
        ("duration_seconds = 43201", "43200"),
        ("external_id = a\x07b", "control character"),
    ],
)
def test_invalid_settings_of_a_role(text: str, message: str) -> None:
    """A value that STS would reject is an error with file and line before the first request."""
    io = runtime(f"[profile top]\nrole_arn = arn:r\nsource_profile = b\n{text}\n[profile b]\n{KEYS}")
    error = failing(io, InvalidConfigurationError)
    assert message in error
    assert "~/.aws/config:4" in error


@pytest.mark.parametrize(
    "base",
    [
        f"role_arn = arn:in\nsource_profile = base\n[profile base]\n{KEYS}",
        "role_arn = arn:web\nweb_identity_token_file = /token\n",
        "sso_account_id = 1\nsso_role_name = r\nsso_region = us-east-1\nsso_start_url = https://x.awsapps.com/start\n",
    ],
)
def test_limit_of_chained_roles(base: str) -> None:
    """More than an hour with another role's credentials is an error before the first request."""
    io = runtime(
        f"[profile top]\nrole_arn = arn:top\nsource_profile = in\nduration_seconds = 7200\n[profile in]\n{base}"
    )
    assert "3600" in failing(io, InvalidConfigurationError)
    assert io.requests == []


def test_profile_without_credential_settings() -> None:
    """A profile with a region or a bearer-token session only is not configured, so that a chain continues."""
    for text in ("region = eu-west-1", "sso_session = s"):
        failing(runtime(f"[profile top]\n{text}\n[sso-session s]\nsso_region = us-east-1\n"), NotConfiguredError)


def test_region_of_the_client() -> None:
    """If neither option nor profile has a region, the client's region is used for every role."""
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


def test_credential_source_instance_metadata() -> None:
    """The EC2 metadata service at the selected profile's endpoint gives the credentials that sign the request."""
    io = runtime(ON_METADATA, *metadata(), sends("ASIATOP"))
    assert fetch(io).access_key_id == "ASIATOP"
    assert signer(io.requests[-1]).startswith("ASIAEC2/")


def test_metadata_options_apply_to_credential_source() -> None:
    """The options of a chain for EC2 metadata apply to a profile with ``credential_source``."""
    io = runtime(ON_METADATA, *metadata("http://127.0.0.1:9"), sends("ASIATOP"))
    fetch(io, metadata={"endpoint": "http://127.0.0.1:9"})


def test_metadata_endpoint_in_the_files_of_the_options() -> None:
    """The endpoint of the EC2 metadata service is read from the files of the options only."""
    io = runtime("[profile top]\nec2_metadata_service_endpoint = http://127.0.0.1:8\n", *metadata(), sends("ASIATOP"))
    io.files["/c"] = ON_METADATA.encode()
    fetch(io, files=FileOptions(config_filepath="/c"))


def test_session_name_with_web_identity() -> None:
    """The ``role_session_name`` of a profile with a token file is sent."""
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
def test_sign_in_command_names_the_source_profile(lines: str, command: str) -> None:
    """The command to sign in names the profile with the sign-in, not the profile of the role."""
    io = runtime(f"[profile top]\nrole_arn = arn:top\nsource_profile = base\n[profile base]\n{lines}")
    with pytest.raises(LoginRequiredError) as caught:
        fetch(io)
    assert caught.value.command == command


def test_keys_with_token_account_and_scope() -> None:
    """Session token, account and scope of a profile are part of its credentials."""
    more = "aws_session_token = canaryTOKEN\naws_account_id = 1\naws_credential_scope = us-east-1\n"
    given = fetch(runtime(f"[profile top]\n{KEYS}{more}"))
    assert (given.session_token, given.account_id, given.credential_scope) == ("canaryTOKEN", "1", "us-east-1")


def test_incomplete_keys_in_a_source_with_a_role() -> None:
    """A source profile with a role and only one of two keys assumes its role, as in JavaScript."""
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = in\nregion = eu-central-1\n"
        f"[profile in]\nrole_arn = arn:in\nsource_profile = base\naws_access_key_id = AKIDHALF\n[profile base]\n{KEYS}",
        sends("ASIAIN"),
        sends("ASIATOP"),
    )
    fetch(io)
    assert [signer(request).partition("/")[0] for request in io.requests] == ["AKIDBASE", "ASIAIN"]


@each_row("duration", ["abc", "900.5", "-900", "60", "\u0669\u0660\u0660", "\u00b2", "9" * 4999])
@each_row("base", [f"source_profile = b\n[profile b]\n{KEYS}", "web_identity_token_file = /token\n"])
def test_invalid_durations(base: str, duration: str) -> None:
    """A ``duration_seconds`` that is invalid is an error with its line, for roles and for web identity."""
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
    """Twelve hours with access keys, and one hour with another role's credentials, are requested."""
    first = [] if base is KEYS else [sends("ASIAIN")]
    io = runtime(
        f"[profile top]\nrole_arn = arn:r\nsource_profile = in\nregion = eu-central-1\nduration_seconds = {duration}\n"
        f"[profile in]\n{base}",
        *first,
        sends("ASIATOP"),
    )
    fetch(io)
    assert form(io.requests[-1])["DurationSeconds"] == str(duration)


@each_row("missing", ["sso_account_id", "sso_role_name", "sso_region", "sso_start_url"])
def test_incomplete_sso_settings(missing: str) -> None:
    """A profile with incomplete SSO settings is invalid, not unconfigured."""
    lines = {"sso_account_id": "1", "sso_role_name": "r", "sso_region": "us-east-1", "sso_start_url": "https://x"}
    io = runtime("[profile top]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if key != missing))
    assert f"{missing} is missing" in failing(io, InvalidConfigurationError)


def test_error_names_the_referring_profile() -> None:
    """The error for a source without credential settings names the profile that refers to it."""
    io = runtime(
        "[profile top]\nrole_arn = arn:top\nsource_profile = in\n"
        "[profile in]\nrole_arn = arn:in\nsource_profile = empty\n[profile empty]\nregion = eu-west-1\n"
    )
    assert "the source of profile 'in' (~/.aws/config:5)" in failing(io, InvalidConfigurationError)


def test_role_without_exactly_one_source() -> None:
    """The error for a role with no source, or with two, has the hint to set exactly one."""
    for lines in ("", f"source_profile = b\ncredential_source = Environment\n[profile b]\n{KEYS}"):
        assert "exactly one of the two" in failing(
            runtime(f"[profile top]\nrole_arn = arn:r\n{lines}"), InvalidConfigurationError
        )


def test_changed_keys_and_region_are_used() -> None:
    """New keys in a source, and a new region in the selected profile, are used by the next attempt."""
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


def test_clients_do_not_share_provider_state() -> None:
    """The provider for one client still knows a used MFA code after a call for another client."""
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


def test_profile_without_credentials_does_not_prompt() -> None:
    """A profile without credentials does not prompt, so that credentials from later in a chain are refreshed ahead."""

    async def mfa(serial: str) -> str:
        raise AssertionError("the user must not be prompted")

    io = runtime("[profile top]\nregion = eu-central-1\n")
    one = provider(io, callbacks=Callbacks(mfa))
    assert one._may_prompt_user
    with pytest.raises(NotConfiguredError):
        run(one._fetch(io, ClientContext()))
    assert not io.prompts_user


def test_without_a_function_nothing_prompts() -> None:
    """Without a function for codes it is known before the files are read that no attempt prompts the user."""
    assert not provider(runtime(""))._may_prompt_user


@pytest.mark.parametrize("make", [anycreds.from_process, anycreds.from_sso, anycreds.from_login_credentials])
def test_single_source_of_an_unusable_profile(make: Callable[[str], anycreds.Provider]) -> None:
    """Factories of one kind of setting raise the error of a malformed, unconfigured or missing profile."""
    for lines, kind in (("rubbish\n", ConfigParseError), (KEYS, NotConfiguredError)):
        io = runtime(f"[profile top]\n{lines}")
        with pytest.raises(kind):
            run(make("top")._fetch(io, ClientContext()))
    with pytest.raises(ProfileNotFoundError):
        run(make("missing")._fetch(runtime(""), ClientContext()))


@each_row("key", ["role_arn", "external_id", "role_session_name", "mfa_serial"])
def test_oversized_role_settings(key: str) -> None:
    """A value longer than AWS allows is an error with profile and line, without the value."""
    lines = {"role_arn": "arn:r", key: "endless" * 100_000}
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    io = runtime(f"[profile top]\nsource_profile = b\n{text}[profile b]\n{KEYS}")
    error = failing(io, InvalidConfigurationError)
    assert "profile 'top'" in error
    assert f"~/.aws/config:{3 if key == 'role_arn' else 4}" in error
    assert "endlessendless" not in error


@pytest.mark.parametrize("key", ["aws_session_token", "aws_account_id"])
def test_oversized_keys(key: str) -> None:
    """An oversized key, which is a secret, is an error with its length and line."""
    error = failing(runtime(f"[profile top]\n{KEYS}{key} = {'canary' * 100_000}\n"), InvalidConfigurationError)
    assert f"{key} has 600000 characters" in error
    assert "~/.aws/config:4" in error


def test_missing_services_section() -> None:
    """A reference to a missing services section is an error with line and suggestion before the first request."""
    io = runtime(
        f"[profile top]\nrole_arn = arn:r\nsource_profile = b\nservices = mine\n[profile b]\n{KEYS}"
        "[services mime]\nsts =\n  endpoint_url = https://sts.example.com\n"
    )
    error = failing(io, InvalidConfigurationError)
    assert "profile 'top' refers to it (~/.aws/config:4)" in error
    assert "did you mean 'mime'" in error
    assert io.requests == []
