"""``from_ini`` with every kind of profile: what it comes down to is asked in order, and options reach every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from anycreds import ClientConfig, Credentials, CredentialsError, InvalidConfigurationError, NotConfiguredError
from anycreds._hooks import BuildOptions, Hooks
from anycreds._profile import ProfileProvider
from anycreds._provider import Caller
from anycreds._shared_files import FileOptions, SharedFiles
from anycreds._wire.messages import Request
from scripted import ScriptedIo, ScriptedWorld, Step, answer, assert_no_secret, run

CONFIG = "/home/somebody/.aws/config"
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


def world(config: str, *script: Step, environ: Mapping[str, str] | None = None, **files: bytes) -> ScriptedIo:
    io = ScriptedIo(*script, environ=environ)
    io.files[CONFIG] = config.encode()
    io.files.update({f"/{name}": content for name, content in files.items()})
    return io


def provider(io: ScriptedIo, profile: str | None = "top", **options: Any) -> ProfileProvider:
    files = SharedFiles(options.pop("files", FileOptions()))
    return ProfileProvider(ScriptedWorld(io), profile, files=files, options=BuildOptions(**options))


def fetch(io: ScriptedIo, one: ProfileProvider | None = None, **options: Any) -> Credentials:
    credentials = run((one or provider(io, **options))._fetch(io, Caller()))
    assert io.script == []
    return credentials


def failing(io: ScriptedIo, kind: type[CredentialsError], **options: Any) -> str:
    with pytest.raises(kind) as caught:
        run(provider(io, **options)._fetch(io, Caller()))
    assert_no_secret(caught.value, "canary")
    return str(caught.value)


def form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def signer(request: Request) -> str:
    return request.headers["authorization"].partition("Credential=")[2].partition(",")[0]


def test_chain_of_roles() -> None:
    """Each role is assumed with what the one before gave, in the selected profile's region, innermost first."""
    io = world(
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
    io = world(f"[profile top]\nrole_arn = arn:r\nsource_profile = top\n{KEYS}region = eu-central-1\n", sends("ASIA"))
    assert fetch(io).access_key_id == "ASIA"
    assert signer(io.requests[0]).startswith("AKIDBASE/")


@pytest.mark.parametrize("name", ["Environment", "environment"])
def test_named_source_environment(name: str) -> None:
    """``credential_source = Environment`` assumes the role with the keys of the environment."""
    io = world(
        f"[profile top]\nrole_arn = arn:r\ncredential_source = {name}\nregion = eu-central-1\n",
        sends("ASIA"),
        environ={"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "canaryENV"},
    )
    assert fetch(io).access_key_id == "ASIA"
    assert signer(io.requests[0]).startswith("AKIDENV/")


def test_named_source_without_anything() -> None:
    """A named source that has nothing is a mistake that names role, profile and line, and stops a chain."""
    io = world("[profile top]\nrole_arn = arn:r\ncredential_source = EcsContainer\n")
    error = failing(io, InvalidConfigurationError)
    assert "arn:r" in error
    assert "~/.aws/config:2" in error
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in error


def test_named_source_alone_as_a_source() -> None:
    """A profile that has only a ``credential_source`` is good as somebody's source."""
    io = world(
        "[profile top]\nrole_arn = arn:r\nsource_profile = env\nregion = eu-central-1\n"
        "[profile env]\ncredential_source = Environment\n",
        sends("ASIA"),
        environ={"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "canaryENV"},
    )
    assert fetch(io).access_key_id == "ASIA"


def test_web_identity_and_a_role_on_top() -> None:
    """A profile's token file gives the base, with the profile's duration; the role on top is signed with it."""
    io = world(
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
    io = world(
        "[profile top]\nrole_arn = arn:top\nsource_profile = command\nregion = eu-central-1\n"
        "[profile command]\ncredential_process = vault\n",
        sends("ASIATOP"),
    )
    from anycreds._io import ProcessResult

    output = b'{"Version": 1, "AccessKeyId": "AKIDPROC", "SecretAccessKey": "canaryPROC"}'
    io.processes["vault"] = ProcessResult(0, None, output, b"")
    assert fetch(io).access_key_id == "ASIATOP"
    assert signer(io.requests[0]).startswith("AKIDPROC/")


def test_mfa_of_two_roles_is_asked_one_after_another() -> None:
    """Two roles with devices: the person is asked for each just before it is needed, the inner one first."""
    io = world(
        f"[profile top]\nrole_arn = arn:top\nsource_profile = in\nmfa_serial = {MFA}2\nregion = eu-central-1\n"
        f"[profile in]\nrole_arn = arn:in\nsource_profile = base\nmfa_serial = {MFA}1\n[profile base]\n{KEYS}",
        sends("ASIAIN"),
        sends("ASIATOP"),
    )
    asked: list[tuple[str, int]] = []

    async def mfa(serial: str) -> str:
        asked.append((serial, len(io.requests)))
        return f"canary-{serial[-1]}23456"

    one = provider(io, hooks=Hooks(mfa))
    assert one._asks_person()
    fetch(io, one)
    assert asked == [(f"{MFA}1", 0), (f"{MFA}2", 1)]
    assert [form(request)["TokenCode"] for request in io.requests] == ["canary-123456", "canary-223456"]
    assert one._asks_person()


def test_profile_without_a_device_asks_nobody() -> None:
    """With a function for codes and no device in the profile, nobody will be asked, and that is known then."""

    async def mfa(serial: str) -> str:
        raise AssertionError("nobody is to be asked")

    io = world(f"[profile top]\n{KEYS}")
    one = provider(io, hooks=Hooks(mfa))
    fetch(io, one)
    assert not one._asks_person()


def test_device_without_a_function() -> None:
    """A role with a device, and nobody to ask, is an error before anything is asked."""
    io = world(f"[profile top]\nrole_arn = arn:r\nsource_profile = b\nmfa_serial = {MFA}\n[profile b]\n{KEYS}")
    error = failing(io, InvalidConfigurationError)
    assert "mfa_code_provider" in error
    assert "~/.aws/config:2" in error


def test_hooks_take_the_place_of_sts() -> None:
    """``role_assumer`` is called for each role, ``role_assumer_with_web_identity`` for the token; STS is not asked."""
    io = world(
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

    assert fetch(io, hooks=Hooks(None, assumer, web)).access_key_id == "ASIAHOOK"
    assert seen == ["canary.token arn:web", "ASIAWEB arn:top"]


def test_client_config_reaches_every_step() -> None:
    """Region and endpoint of ``client_config`` hold for every hop, over what the profile says."""
    url = "https://sts.example.com/base"
    io = world(
        "[profile top]\nrole_arn = arn:top\nsource_profile = in\nregion = eu-central-1\nendpoint_url = https://no/\n"
        f"[profile in]\nrole_arn = arn:in\nsource_profile = base\n[profile base]\n{KEYS}",
        sends("ASIAIN", url=f"{url}/"),
        sends("ASIATOP", url=f"{url}/"),
    )
    fetch(io, config=ClientConfig(region="us-gov-west-1", endpoint_url=url))
    assert all("/us-gov-west-1/sts/" in signer(request) for request in io.requests)


def test_settings_of_the_selected_profile_count() -> None:
    """Endpoint and kind come from the profile that is asked for, not from ``default`` or AWS_PROFILE's."""
    io = world(
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
    io = world("[profile top]\nbroken", sends("ASIATOP"))
    io.files["/c"] = b"[profile top]\nrole_arn = arn:r\nsource_profile = base\nregion = eu-central-1\n"
    io.files["/k"] = f"[base]\n{KEYS}".encode()
    assert fetch(io, files=FileOptions("/k", "/c")).access_key_id == "ASIATOP"


def test_changed_files_are_seen() -> None:
    """A role that was edited is the one that the next attempt assumes; an unchanged plan keeps its provider."""
    text = f"[profile top]\nrole_arn = arn:one\nsource_profile = b\nregion = eu-central-1\n[profile b]\n{KEYS}"
    io = world(text, sends("ASIA1"), sends("ASIA2"))
    one = provider(io)
    run(one._fetch(io, Caller()))
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
    io = world(f"[profile top]\nrole_arn = arn:r\nsource_profile = b\n{text}\n[profile b]\n{KEYS}")
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
    io = world(f"[profile top]\nrole_arn = arn:top\nsource_profile = in\nduration_seconds = 7200\n[profile in]\n{base}")
    assert "3600" in failing(io, InvalidConfigurationError)
    assert io.requests == []


def test_profile_that_says_nothing() -> None:
    """A profile with only a region lets a chain go on, and so does one for bearer tokens only."""
    for text in ("region = eu-west-1", "sso_session = s"):
        failing(world(f"[profile top]\n{text}\n[sso-session s]\nsso_region = us-east-1\n"), NotConfiguredError)
