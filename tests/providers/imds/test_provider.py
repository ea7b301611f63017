"""EC2 metadata: the session token, when IMDSv1 is used, and which failures mean that there is no service."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.credentials import Credentials
from anycreds._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    MalformedResponseError,
    MetadataUnreachableError,
    NotConfiguredError,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds._core.http import Request, TransportFailure
from anycreds._core.io import ReadFailure
from anycreds._core.provider import ClientContext
from anycreds._providers.imds.provider import InstanceMetadataProvider
from anycreds._providers.imds.settings import ImdsOptions
from support.fake_io import (
    IMDS_TOKEN,
    KEY_ID,
    SECRET_KEY,
    SESSION_TOKEN,
    START,
    Answer,
    FakeIo,
    FakeRuntime,
    answer,
    assert_no_secret,
    document,
    failure,
    fetch,
    run,
)
from support.rows import each_row

V4 = "http://169.254.169.254"
V6 = "http://[fd00:ec2::254]"
ROLES = "/latest/meta-data/iam/security-credentials/"
TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
GONE = TransportFailure("unreachable", "no route to host")
V1_DISABLED = "AWS_EC2_METADATA_V1_DISABLED"


def provider(**options: Any) -> InstanceMetadataProvider:
    """Return a provider."""
    profile = options.pop("profile", None)
    files = options.pop("files", SharedFiles(FileOptions()))
    return InstanceMetadataProvider(FakeRuntime(), ImdsOptions(**options), files=files, profile=profile)


def token(value: str = IMDS_TOKEN, ttl: str | None = "21600", **other: Any) -> Answer:
    """Return a response to the token request."""
    headers: dict[str, Any] = {} if ttl is None else {TTL_HEADER.replace("-", "_"): ttl}
    return answer(value.encode("latin-1"), **headers, **other)


def put(reply: Any = None, base: str = V4) -> tuple[str, str, Any]:
    """Return a scripted token request."""
    return "PUT", f"{base}/latest/api/token", token() if reply is None else reply


def roles(reply: Any = None, base: str = V4) -> tuple[str, str, Any]:
    """Return a scripted request for the name of the role."""
    return "GET", base + ROLES, answer(b"demo") if reply is None else reply


def creds(reply: Any = None, base: str = V4, role: str = "demo") -> tuple[str, str, Any]:
    """Return a scripted request for the credentials of the role."""
    return "GET", base + ROLES + role, answer(document()) if reply is None else reply


def all_three(base: str = V4) -> list[tuple[str, str, Any]]:
    """Return the script of a successful attempt."""
    return [put(base=base), roles(base=base), creds(base=base)]


def without_token() -> list[tuple[str, str, Any]]:
    """Return the script of a successful attempt with a cached token."""
    return [roles(), creds()]


def tokens_sent(io: FakeIo) -> list[str | None]:
    """Return the token of each GET, None for one without."""
    return [request.headers.get("x-aws-ec2-metadata-token") for request in io.requests if request.method == "GET"]


def used(one: InstanceMetadataProvider, *answers: Any) -> InstanceMetadataProvider:
    """Return a provider after a successful attempt."""
    fetch(one, FakeIo(*(answers or all_three())))
    return one


def fail(*script: Any, **options: Any) -> CredentialsError:
    """Return the error of a new provider's first attempt."""
    environ = options.pop("environ", {})
    error = failure(provider(**options), FakeIo(*script, environ=environ))
    assert error.source == "EC2 instance metadata"
    return error


# --- requests


def test_token_role_and_credentials_are_requested() -> None:
    """The provider requests a token, and with it the name of the role and its credentials."""
    io = FakeIo(put(), roles(), creds(answer(document(AccountId="012345678901"))))
    assert fetch(provider(), io) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC),
        account_id="012345678901",
        source="EC2 instance metadata",
    )
    assert [dict(request.headers) for request in io.requests] == [
        {TTL_HEADER: "21600"},
        {"x-aws-ec2-metadata-token": IMDS_TOKEN},
        {"x-aws-ec2-metadata-token": IMDS_TOKEN},
    ]
    assert all(request.direct and request.timeout == 1.0 and not request.body for request in io.requests)


@each_row(
    "environ, options, base",
    [
        ({}, {}, V4),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv6"}, {}, V6),
        ({}, {"endpoint_mode": "IPv6"}, V6),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://localhost:1338/"}, {}, "http://localhost:1338"),
        ({}, {"endpoint": "http://127.0.0.1:1338/a/b/"}, "http://127.0.0.1:1338/a/b"),
    ],
)
def test_endpoint_depends_on_mode_and_endpoint_setting(
    environ: dict[str, str], options: dict[str, Any], base: str
) -> None:
    """The endpoint depends on the mode and the endpoint setting, whose path is a prefix of every path."""
    fetch(provider(**options), FakeIo(*all_three(base), environ=environ))


def test_distant_endpoint(caplog: pytest.LogCaptureFixture) -> None:
    """An endpoint that is neither link-local nor on this machine causes one warning."""
    one = provider(endpoint="http://imds.example")
    script = all_three("http://imds.example")
    for io in (FakeIo(*script), FakeIo(*script[1:])):
        fetch(one, io)
        assert io.requests[0].direct
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("anycreds.providers.imds", logging.WARNING)
    assert "http://imds.example" in record.getMessage()


@each_row(
    "environ",
    [
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "169.254.169.254"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://user@canary/"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "ftp://127.0.0.1"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://fd00:ec2::254"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv5"},
        {"AWS_EC2_METADATA_DISABLED": "maybe"},
        {V1_DISABLED: "maybe"},
    ],
)
def test_invalid_settings(environ: dict[str, str]) -> None:
    """An invalid setting is an error that names its variable, before a request is sent."""
    error = fail(environ=environ)
    assert type(error) is InvalidConfigurationError
    assert next(iter(environ)) in str(error)


def test_disabled_service_is_not_configured() -> None:
    """If AWS_EC2_METADATA_DISABLED is true, nothing is configured, even outside of a chain."""
    error = fail(environ={"AWS_EC2_METADATA_DISABLED": "true"}, endpoint="http://localhost")
    assert type(error) is NotConfiguredError
    assert "AWS_EC2_METADATA_DISABLED" in str(error)


# --- the token


def test_token_is_cached() -> None:
    """A token is used for further attempts until 120 s before its expiration."""
    one = used(provider())
    io = FakeIo(*without_token())
    io.advance(21600 - 120 - 0.5)
    fetch(one, _later(io))
    assert tokens_sent(io) == [IMDS_TOKEN] * 2


def _later(io: FakeIo) -> FakeIo:
    """Let the scripted credentials expire six hours after the current time."""
    expiration = (datetime.fromtimestamp(io.wall, UTC) + timedelta(hours=6)).isoformat()
    io.script = [
        (method, url, answer(document(Expiration=expiration)) if url.endswith("/demo") else reply)
        for method, url, reply in io.script
    ]
    return io


@pytest.mark.fault("U24", "U29")
@each_row("wall, steady", [(21480.0, 0.0), (0.0, 21480.0), (-86400.0, 21480.0), (21480.0, 21480.0)])
def test_token_expires_by_either_clock(wall: float, steady: float) -> None:
    """A token expires although one clock was set, or stood still while the machine was suspended."""
    one = used(provider())
    io = FakeIo(*all_three())
    io.wall += wall
    io.steady += steady
    fetch(one, _later(io))


@each_row("ttl", [None, "", "0", "60", "120", "-5", "1.5", "soon", "\u0661\u0662\u0663\u0664", "9" * 400])
def test_token_without_a_valid_lifetime(ttl: str | None) -> None:
    """A token whose lifetime is invalid or short is used for one attempt only."""
    one = provider()
    for _ in range(2):
        io = FakeIo(put(token(ttl=ttl)), roles(), creds())
        fetch(one, io)
        assert tokens_sent(io) == [IMDS_TOKEN] * 2


def test_longest_lifetime_of_a_token() -> None:
    """A lifetime above six hours counts as six hours."""
    one = used(provider(), put(token(ttl="999999")), roles(), creds())
    io = FakeIo(*all_three())
    io.advance(21480.0)
    fetch(one, _later(io))


def test_token_belongs_to_its_endpoint() -> None:
    """If the endpoint changes, the cached token is not sent to the new one."""
    one = used(provider())
    io = FakeIo(*all_three("http://127.0.0.1:1"), environ={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"})
    fetch(one, io)


@pytest.mark.fault("S06")
@each_row(
    "body",
    [
        b"",
        b" \r\n",
        b"<html>canary</html>",
        f"{IMDS_TOKEN}\r\nX-Evil: 1".encode(),
        f"{IMDS_TOKEN}\x00".encode(),
        f"{IMDS_TOKEN}\u4e2d".encode(),
        f"{IMDS_TOKEN}\xe9".encode("latin-1"),
        b"\xef\xbb\xbf" + IMDS_TOKEN.encode(),
        IMDS_TOKEN.encode() * 1000,
    ],
)
def test_malformed_token(body: bytes) -> None:
    """An invalid token is malformed; it does not lead to IMDSv1 and is not displayed."""
    error = fail(put(answer(body)))
    assert type(error) is MalformedResponseError


def test_newline_after_the_token() -> None:
    """A newline after the token, as simulators send it, is not a part of it."""
    io = FakeIo(put(token(IMDS_TOKEN + "\n")), roles(), creds())
    fetch(provider(), io)
    assert tokens_sent(io) == [IMDS_TOKEN] * 2


@pytest.mark.fault("U07", "U29")
@pytest.mark.parametrize("at", ["role", "credentials"])
def test_rejected_cached_token(at: str) -> None:
    """If the service rejects a cached token, the provider requests one new token and repeats its requests."""
    one = used(provider())
    service_error = answer(status=401)
    first = [roles(service_error)] if at == "role" else [roles(), creds(service_error)]
    io = FakeIo(*first, put(token("new")), roles(), creds())
    fetch(one, io)
    assert tokens_sent(io)[-2:] == ["new", "new"]
    fetch(one, io := FakeIo(*without_token()))
    assert tokens_sent(io) == ["new", "new"]


def test_rejected_new_token() -> None:
    """A new token that is rejected is not replaced in the same attempt, and is not cached."""
    service_error = answer({"Message": f"bad {IMDS_TOKEN}"}, status=401)
    one = used(provider())
    error = failure(one, FakeIo(roles(service_error), put(), roles(service_error)))
    assert isinstance(error, RetrievalError)
    assert error.status == 401
    error = failure(one, FakeIo(put(), roles(service_error)))
    assert type(error) is RetrievalError
    fetch(one, FakeIo(*all_three()))


def test_time_for_a_replaced_token() -> None:
    """The two additional exchanges after a rejected token extend the time of the attempt."""
    one = used(provider())

    def slow(reply: Answer) -> Any:
        def late(request: Request) -> Answer:
            assert request.timeout >= 0.9
            io.advance(0.9)
            return reply

        return late

    service_error, good = answer(status=401), answer(document())
    io = FakeIo()
    io.script = [
        roles(slow(answer(b"demo"))),
        creds(slow(service_error)),
        put(slow(token())),
        roles(slow(answer(b"demo"))),
        creds(slow(good)),
    ]
    fetch(one, io)


# --- IMDSv1


@pytest.mark.fault("U29")
@each_row("status", [403, 404, 405])
def test_service_without_tokens_gets_imdsv1_requests(status: int) -> None:
    """A service without tokens gets requests without a token, also in the next attempt."""
    one = provider()
    io = FakeIo(put(answer(status=status)), roles(), creds())
    fetch(one, io)
    assert tokens_sent(io) == [None, None]
    fetch(one, io := FakeIo(*without_token()))
    assert tokens_sent(io) == [None, None]


@pytest.mark.parametrize("at", ["role", "credentials"])
def test_service_that_requires_tokens_later(at: str) -> None:
    """A 401 for a request without a token lets the same attempt continue with a token."""
    one = used(provider(), put(answer(status=404)), roles(), creds())
    service_error = answer(status=401)
    io = FakeIo(*([roles(service_error)] if at == "role" else [roles(), creds(service_error)]), *all_three())
    fetch(one, io)
    assert tokens_sent(io)[-2:] == [IMDS_TOKEN] * 2
    fetch(one, FakeIo(*without_token()))


def test_service_that_requires_tokens_and_has_none() -> None:
    """A 404 for the token and a 401 without one is an error, and the next attempt requests a token again."""
    service_error = answer(status=401)
    one = provider()
    error = failure(one, FakeIo(put(answer(status=404)), roles(service_error)))
    assert isinstance(error, RetrievalError)
    assert error.status == 401
    fetch(one, FakeIo(*all_three()))


@pytest.mark.fault("S08")
@each_row(
    "environ, options, origin",
    [
        ({V1_DISABLED: "true"}, {}, V1_DISABLED),
        ({V1_DISABLED: "YES"}, {"ec2_metadata_v1_disabled": False}, V1_DISABLED),
        ({}, {"ec2_metadata_v1_disabled": True}, "option ec2_metadata_v1_disabled"),
        ({V1_DISABLED: "false"}, {"ec2_metadata_v1_disabled": True}, "option ec2_metadata_v1_disabled"),
    ],
)
@each_row("status", [403, 404, 405])
def test_disabled_imdsv1_is_an_error_that_names_the_setting(
    environ: dict[str, str], options: dict[str, Any], origin: str, status: int
) -> None:
    """If IMDSv1 is disabled, a service without tokens is an error that names the setting."""
    error = fail(put(answer(status=status)), environ=environ, **options)
    assert type(error) is RetrievalError
    assert f"IMDSv1 is disabled by {origin}" in str(error)
    assert error.status == status


CONFIG = "/home/user/.aws/config"


@each_row(
    "config, environ, profile",
    [
        ("[default]\nec2_metadata_v1_disabled = true\n", {}, None),
        ("[profile x]\nec2_metadata_v1_disabled = 1\n", {"AWS_PROFILE": "x"}, None),
        ("[profile x]\nec2_metadata_v1_disabled = yes\n", {}, "x"),
    ],
)
def test_imdsv1_disabled_by_the_profile(config: str, environ: dict[str, str], profile: str | None) -> None:
    """The selected profile can disable IMDSv1, and the error contains file and line."""
    io = FakeIo(put(answer(status=404)), environ=environ, files={CONFIG: config.encode()})
    with pytest.raises(
        RetrievalError, match=r"IMDSv1 is disabled by ec2_metadata_v1_disabled in ~/.aws/config:2"
    ) as caught:
        run(provider()._fetch(io, ClientContext(profile=profile)))
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("config", "environ"),
    [
        ("[default]\nec2_metadata_v1_disabled = false\n", {}),
        ("[default]\nec2_metadata_v1_disabled = true\n", {V1_DISABLED: "false"}),
        ("[profile other]\nec2_metadata_v1_disabled = true\n", {}),
        ("[default]\nec2_metadata_v1_disabled = true\n", {"AWS_PROFILE": "missing"}),
    ],
)
def test_imdsv1_not_disabled_by_the_profile(config: str, environ: dict[str, str]) -> None:
    """The key does not count if it is false, in another profile, or overridden by the environment."""
    io = FakeIo(put(answer(status=404)), roles(), creds(), environ=environ, files={CONFIG: config.encode()})
    assert run(provider()._fetch(io, ClientContext())).access_key_id


def test_invalid_imdsv1_setting_of_the_profile() -> None:
    """An invalid key or file is an error; it does not mean that IMDSv1 may be used."""
    for content in (b"[default]\nec2_metadata_v1_disabled = maybe\n", b"[default]\nregion = \xff\n"):
        io = FakeIo(put(answer(status=404)), files={CONFIG: content})
        with pytest.raises(InvalidConfigurationError, match=r"~/.aws/config:"):
            run(provider()._fetch(io, ClientContext()))


ELSEWHERE = "http://127.0.0.1:1338"
ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"


ALL_OPTIONS = {"endpoint": ELSEWHERE, "ec2_metadata_v1_disabled": True, "timeout": 1.0, "max_retries": 0}


def test_files_are_not_read_without_need() -> None:
    """If options have all settings that the profile can have, no file is read."""
    io = FakeIo(*all_three(ELSEWHERE), files={CONFIG: b"\xff"})
    fetch(provider(**ALL_OPTIONS), io)
    assert io.reads == []


def test_limits_of_the_profile_with_another_endpoint() -> None:
    """The profile's timeout and number of attempts count, also if the endpoint is from an option."""
    config = b"[default]\nmetadata_service_timeout = 0.25\nmetadata_service_num_attempts = 2\n"
    io = FakeIo(files={CONFIG: config})
    io.script = [put(GONE, ELSEWHERE), *all_three(ELSEWHERE)]
    fetch(provider(endpoint=ELSEWHERE), io)
    assert {request.timeout for request in io.requests} == {0.25}


def test_limits_of_the_environment() -> None:
    """The variables set timeout and number of attempts, unless options do."""
    environ = {"AWS_METADATA_SERVICE_TIMEOUT": "3", "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "2"}
    io = FakeIo(put(GONE), *all_three(), environ=environ)
    fetch(provider(), io)
    assert {request.timeout for request in io.requests} == {3.0}
    io = FakeIo(put(GONE), environ=environ)
    failure(provider(timeout=0.5, max_retries=0), io)
    assert io.requests[0].timeout == 0.5


@pytest.mark.parametrize(("value", "expected"), [("true", NotConfiguredError), ("maybe", InvalidConfigurationError)])
def test_files_are_not_read_for_a_disabled_service(value: str, expected: type[CredentialsError]) -> None:
    """If the service is disabled, or that setting is invalid, no file is read."""
    io = FakeIo(environ={"AWS_EC2_METADATA_DISABLED": value}, files={CONFIG: b"\xff"})
    assert type(failure(provider(), io)) is expected
    assert io.reads == []


# --- the profile


ENDPOINT_LINE = "ec2_metadata_service_endpoint = http://127.0.0.1:{}/x/\n"
PROFILES = "".join(
    f"[{name}]\n{ENDPOINT_LINE.format(port)}"
    for name, port in (("default", 1), ("profile env", 2), ("profile client", 3), ("profile argument", 4))
).encode()


@pytest.mark.parametrize(
    ("argument", "client", "variable", "port"),
    [
        (None, None, None, 1),
        (None, None, "env", 2),
        (None, "client", "env", 3),
        ("argument", "client", "env", 4),
        ("default", "client", "env", 1),
    ],
)
def test_precedence_of_profiles(argument: str | None, client: str | None, variable: str | None, port: int) -> None:
    """The profile is the argument's, the client's, that of AWS_PROFILE, or the default, in this order."""
    environ = {} if variable is None else {"AWS_PROFILE": variable}
    io = FakeIo(*all_three(f"http://127.0.0.1:{port}/x"), environ=environ, files={CONFIG: PROFILES})
    assert run(provider(profile=argument)._fetch(io, ClientContext(profile=client))).access_key_id == KEY_ID
    assert io.script == []


def test_shared_files_of_the_provider_are_read() -> None:
    """The provider reads the shared files that it was created with."""
    files = SharedFiles(FileOptions(config_filepath="/etc/aws"))
    io = FakeIo(*all_three("http://127.0.0.1:1/x"), files={"/etc/aws": PROFILES, CONFIG: b"\xff"})
    fetch(provider(files=files), io)


def test_mode_in_the_profile() -> None:
    """The profile's mode counts, unless the mode option or any endpoint is set."""
    config = b"[default]\nec2_metadata_service_endpoint_mode = IPv6\n"
    fetch(provider(), FakeIo(*all_three(V6), files={CONFIG: config}))
    fetch(provider(endpoint_mode="IPv4"), FakeIo(*all_three(V4), files={CONFIG: config}))
    io = FakeIo(*all_three("http://127.0.0.1:1/x"), files={CONFIG: PROFILES})
    fetch(provider(endpoint_mode="IPv6"), io)


@pytest.mark.parametrize(
    "line",
    [
        "ec2_metadata_service_endpoint = 169.254.169.254",
        "ec2_metadata_service_endpoint = http://user@canary/",
        "ec2_metadata_service_endpoint = http://a/canary?b=canary",
        "ec2_metadata_service_endpoint_mode = ipv5",
        "ec2_metadata_v1_disabled = maybe",
        "  canary",
        "canary",
    ],
)
def test_invalid_settings_of_the_profile(line: str) -> None:
    """An invalid setting or line of the profile is an error with file and line, before a request is sent."""
    error = failure(provider(), FakeIo(files={CONFIG: f"[default]\n{line}\n".encode()}))
    assert isinstance(error, InvalidConfigurationError)
    assert "~/.aws/config:2" in str(error)
    assert line.partition(" = ")[0].strip() in ("canary", *str(error).split())
    assert "canary" not in str(error)


def test_unreadable_files() -> None:
    """An unreadable file is an error, since it may contain an endpoint."""
    for file in (b"[default]\nregion = \xff\n", ReadFailure("cannot be read: Permission denied")):
        error = failure(provider(), FakeIo(files={CONFIG: file}))
        assert isinstance(error, InvalidConfigurationError)
        assert "~/.aws/config" in str(error)


def test_missing_profile() -> None:
    """Without files, or without the profile in them, the endpoint is the default."""
    fetch(provider(profile="missing"), FakeIo(*all_three(), files={CONFIG: PROFILES}))
    fetch(provider(profile="missing"), FakeIo(*all_three()))


def test_missing_services_section() -> None:
    """A missing services section of the profile does not matter for EC2 metadata."""
    fetch(provider(), FakeIo(*all_three(), files={CONFIG: b"[default]\nservices = missing\n"}))


def test_unreachable_endpoint_of_the_profile() -> None:
    """The error for an unreachable endpoint of the profile contains file and line."""
    io = FakeIo(put(GONE, "http://127.0.0.1:1/x"), files={CONFIG: PROFILES})
    error = failure(provider(), io)
    assert type(error) is MetadataUnreachableError
    assert "(from ec2_metadata_service_endpoint in ~/.aws/config:2)" in str(error)


def test_endpoint_of_the_profile_changes() -> None:
    """Each attempt reads the files, and the token of one endpoint is not sent to another."""
    one = used(provider())
    io = FakeIo(*all_three("http://127.0.0.1:1/x"), files={CONFIG: PROFILES})
    fetch(one, io)
    fetch(one, FakeIo(roles(base="http://127.0.0.1:1/x"), creds(base="http://127.0.0.1:1/x"), files=io.files))


def test_imdsv1_disabled_by_the_profile_later() -> None:
    """If the profile disables IMDSv1 after it was used, the next attempt requests a token."""
    one = used(provider(), put(answer(status=404)), roles(), creds())
    config = b"[default]\nec2_metadata_v1_disabled = true\n"
    error = failure(one, FakeIo(put(answer(status=404)), files={CONFIG: config}))
    assert "IMDSv1 is disabled by ec2_metadata_v1_disabled in ~/.aws/config:2" in str(error)


def test_imdsv1_disabled_later() -> None:
    """If IMDSv1 is disabled after it was used, the next attempt requests a token."""
    one = used(provider(), put(answer(status=404)), roles(), creds())
    error = failure(one, FakeIo(put(answer(status=404)), environ={V1_DISABLED: "true"}))
    assert V1_DISABLED in str(error)


@pytest.mark.fault("U29", "S08")
@each_row("status", [201, 302, 400, 401, 429, 500, 502, 503])
def test_no_imdsv1_after_another_status(status: int) -> None:
    """Any other status of the token request is an error, and no request without a token follows."""
    error = fail(put(answer({"Code": "X", "Message": "Y"}, status=status)))
    assert type(error) is RetrievalError
    assert error.status == status
    assert f"PUT {V4}/latest/api/token" in str(error)


@pytest.mark.fault("U29", "S08")
@each_row("kind", ["unreachable", "timeout", "broken", "too large"])
@each_row("known", [False, True])
def test_no_imdsv1_without_a_response(kind: Any, known: bool) -> None:
    """A token request without a response does not lead to IMDSv1, even after a success."""
    one = provider()
    if known:
        used(one, put(token(ttl=None)), roles(), creds())
    failure(one, FakeIo(put(TransportFailure(kind, "x"))))


SILENT = TransportFailure("timeout", "no response within 1 s")


@pytest.mark.fault("U29")
@pytest.mark.parametrize(
    ("environ", "options", "config"),
    [
        ({V1_DISABLED: "false"}, {}, b""),
        ({}, {"ec2_metadata_v1_disabled": False}, b""),
        ({}, {}, b"[default]\nec2_metadata_v1_disabled = false\n"),
    ],
)
def test_imdsv1_after_a_timeout_where_it_is_allowed(
    environ: dict[str, str], options: dict[str, Any], config: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """After a token request without a response IMDSv1 is used, with a warning, where a setting allows it explicitly."""
    one, files = provider(**options), {CONFIG: config}
    io = FakeIo(put(SILENT), roles(), creds(), environ=environ, files=files)
    with caplog.at_level(logging.WARNING, logger="anycreds"):
        assert fetch(one, io).access_key_id == KEY_ID
    assert tokens_sent(io) == [None, None]
    assert "the token request of EC2 metadata timed out; IMDSv1 is used" in caplog.text
    io = FakeIo(*without_token(), environ=environ, files=files)  # the next attempt does not wait for a token again
    assert fetch(one, io).access_key_id == KEY_ID


@pytest.mark.fault("S08")
@pytest.mark.parametrize("kind", ["unreachable", "broken", "too large"])
def test_allowed_imdsv1_needs_a_timeout(kind: Any) -> None:
    """Another failure of the token request does not lead to IMDSv1, even where it is allowed."""
    fail(put(TransportFailure(kind, "x")), ec2_metadata_v1_disabled=False)


def test_no_service_where_imdsv1_is_allowed() -> None:
    """If the request without a token gets no response either, a chain continues, and a token is requested again."""
    one = provider(ec2_metadata_v1_disabled=False)
    for _ in range(2):
        assert type(failure(one, FakeIo(put(SILENT), roles(SILENT)))) is MetadataUnreachableError
    fetch(one, FakeIo(*all_three()))


def test_silent_token_service_that_requires_tokens() -> None:
    """If the service rejects the request without a token, the error has its status, and a token is requested again."""
    one = provider(ec2_metadata_v1_disabled=False)
    error = failure(one, FakeIo(put(SILENT), roles(answer(status=401))))
    assert isinstance(error, RetrievalError)
    assert error.status == 401
    fetch(one, FakeIo(*all_three()))


# --- no service, no role


@pytest.mark.fault("U29")
@each_row("kind", ["unreachable", "timeout", "broken"])
def test_silent_service_lets_a_chain_continue(kind: Any) -> None:
    """A token request without a response lets a chain continue.

    The hint is about hop limits if there was a connection or a timeout.
    """
    error = fail(put(TransportFailure(kind, "some detail")))
    assert type(error) is MetadataUnreachableError
    for part in (f"PUT {V4}/latest/api/token", "the default endpoint", "some detail", "AWS_EC2_METADATA_DISABLED"):
        assert part in str(error)
    assert ("hop limit" in str(error)) is (kind != "unreachable")
    assert ("this is probably not an EC2 instance; set AWS_EC2_METADATA_DISABLED=true" in str(error)) is (
        kind == "unreachable"
    )


def test_too_large_token() -> None:
    """A response that is too large means that there is a service."""
    assert type(fail(put(TransportFailure("too large", "x")))) is MalformedResponseError


@each_row(
    "kind, error_type",
    [("unreachable", RetrievalError), ("timeout", ProviderTimeoutError), ("broken", MalformedResponseError)],
)
def test_no_response_after_a_success(kind: Any, error_type: type[CredentialsError]) -> None:
    """A token request without a response stops a chain if the service has returned credentials before."""
    one = used(provider(), put(token(ttl=None)), roles(), creds())
    error = failure(one, FakeIo(put(TransportFailure(kind, "some detail"))))
    assert type(error) is error_type
    assert "some detail" in str(error)


@pytest.mark.parametrize("step", ["role", "credentials"])
def test_no_response_after_the_token(step: str) -> None:
    """If a later request gets no response, the error stops a chain and contains the request."""
    error = fail(put(), *([roles(GONE)] if step == "role" else [roles(), creds(GONE)]))
    assert type(error) is RetrievalError
    assert f"GET {V4}{ROLES}" in str(error)


@pytest.mark.fault("U07")
@each_row("reply", [answer(status=404), answer(b""), answer(b" \n")])
@each_row("v1", [False, True])
def test_instance_without_a_role_is_not_configured(reply: Answer, v1: bool) -> None:
    """An instance without a role has nothing configured."""
    error = fail(put(answer(status=404) if v1 else None), roles(reply))
    assert type(error) is NotConfiguredError
    assert "no role attached" in str(error)


@pytest.mark.fault("U29")
@each_row(
    "body",
    [
        b"one\ntwo",
        b"one two",
        b"../user-data",
        b"..",
        b".",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a%2fb",
        b"a" * 65,
        b"a" * 10240,
        b"<html>",
        b'{"a": 1}',
        b"r\xc3\xb6le",
        "\u0661".encode(),
        b"a\x00",
        b"\xff",
        b"http://evil",
    ],
)
def test_invalid_role_name_is_malformed(body: bytes) -> None:
    """A response that is not the name of one role is malformed, and never becomes a part of a path."""
    assert type(fail(put(), roles(answer(body)))) is MalformedResponseError


@pytest.mark.fault("U29")
@each_row("name", ["demo", "a" * 64, "x+y=z,1.2@3-4_5", "@evil", "demo\n", " demo\r\n"])
def test_every_valid_role_name_is_requested(name: str) -> None:
    """Every name that IAM allows is requested unchanged, without blanks around it."""
    fetch(provider(), FakeIo(put(), roles(answer(name.encode())), creds(role=name.strip())))


# --- credentials


@pytest.mark.fault("U19", "U20")
@each_row("field", ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"])
@each_row("value", [..., "", "x\x00"])
def test_missing_or_invalid_field_is_malformed(field: str, value: object) -> None:
    """Credentials of a role have a token and an expiration; a missing or invalid field is malformed."""
    error = fail(put(), roles(), creds(answer(document(**{field: value}))))
    assert isinstance(error, MalformedResponseError)
    assert error.field == field


def test_invalid_expiration() -> None:
    """An invalid expiration is malformed."""
    error = fail(put(), roles(), creds(answer(document(Expiration="EXPIRATION"))))
    assert isinstance(error, MalformedResponseError)
    assert error.field == "Expiration"


@pytest.mark.fault("U20")
def test_role_that_cannot_be_assumed() -> None:
    """The error code in a response with status 200 is in the error, with a hint about the trust policy."""
    body = {"Code": "AssumeRoleUnauthorizedAccess", "Message": f"EC2 cannot assume {IMDS_TOKEN}."}
    error = fail(put(), roles(), creds(answer(body)))
    assert type(error) is RetrievalError
    assert error.code == "AssumeRoleUnauthorizedAccess"
    assert "EC2 cannot assume ...." in str(error)
    assert "trust policy" in str(error)


@pytest.mark.fault("U07")
@each_row(
    "step, status",
    [("role", 400), ("role", 403), ("role", 500), *[("credentials", at) for at in (400, 403, 404, 500)]],
)
def test_other_status_is_an_error_with_its_code(step: str, status: int) -> None:
    """Another status is an error with AWS's error code; only a 404 for the list of roles means that there is none."""
    reply = answer({"Code": "X", "Message": "Y"}, status=status)
    error = fail(put(), *([roles(reply)] if step == "role" else [roles(), creds(reply)]))
    assert type(error) is RetrievalError
    assert (error.status, error.code) == (status, "X")


@pytest.mark.fault("U21")
@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 300), (0.5, 450), (0.999, 599.7)])
def test_expired_credentials_are_extended(jitter: float, seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    """Expired credentials are extended by 5 to 10 minutes, have their original expiration, and cause a warning."""
    io = FakeIo(put(), roles(), creds(answer(document(Expiration="2024-01-02T03:04:05Z"))), jitter=jitter)
    credentials = fetch(provider(), io)
    assert credentials.expiration is not None
    assert credentials.expiration.timestamp() == pytest.approx(START + seconds)
    assert credentials.original_expiration == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("anycreds.providers.imds", logging.WARNING)
    assert "2024-01-02T03:04:05+00:00" in record.getMessage()


def test_valid_credentials_are_not_extended(caplog: pytest.LogCaptureFixture) -> None:
    """Credentials that expire in a second keep their expiration."""
    io = FakeIo(put(), roles(), creds(answer(document(Expiration="2024-01-02T03:04:06Z"))))
    credentials = fetch(provider(), io)
    assert credentials.expiration == datetime(2024, 1, 2, 3, 4, 6, tzinfo=UTC)
    assert credentials.original_expiration is None
    assert caplog.records == []


def test_only_own_credentials_may_be_stale() -> None:
    """A cache may return expired credentials of this provider, and no others."""
    one = provider()
    assert one._allows_stale(Credentials("a", "b", source="EC2 instance metadata"))
    assert not one._allows_stale(Credentials("a", "b", source="environment variables"))
    assert not one._allows_stale(Credentials("a", "b"))


# --- time


def test_each_request_is_retried() -> None:
    """Each of the three requests is retried after a transient failure."""
    busy = answer(status=503)
    io = FakeIo(put(GONE), put(), roles(busy), roles(), creds(GONE), creds())
    fetch(provider(max_retries=1), io)
    assert io.pauses == pytest.approx([0.05] * 3)


def test_time_without_a_service() -> None:
    """Outside of EC2, where packets are dropped, an attempt takes one timeout."""
    io = FakeIo()
    io.script = [put(io.timeout)]
    start = io.monotonic()
    assert type(failure(provider(), io)) is MetadataUnreachableError
    assert io.monotonic() - start == 1.0


def test_time_for_all_retries() -> None:
    """Retries and pauses of all three requests share one budget, and the error has the last reason."""
    io = FakeIo(jitter=0.999)
    busy = answer(status=500)

    def late(request: Request) -> Answer:
        io.advance(0.99)
        return busy if io.requests[-1].method == "PUT" else answer(b"demo")

    io.script = [
        put(late),
        put(late),
        put(token()),
        roles(late),
        creds(io.timeout),
        creds(io.timeout),
        creds(io.timeout),
    ]
    start = io.monotonic()
    error = failure(provider(max_retries=2), io)
    assert type(error) is ProviderTimeoutError
    assert "nothing came within" in str(error)
    assert io.monotonic() - start <= 9.0 + 1e-6


BYTES = st.binary() | st.sampled_from([b"demo", IMDS_TOKEN.encode(), b"{}", b"[", b"<a>", b'{"Code": "x"}'])
REPLIES = st.one_of(
    st.builds(
        lambda status, body, ttl: answer(body, status=status, **{TTL_HEADER.replace("-", "_"): ttl}),
        st.sampled_from([200, 200, 200, 302, 400, 401, 403, 404, 405, 500]),
        BYTES,
        st.text() | st.sampled_from(["21600", "0"]),
    ),
    st.just(answer(document())),
    st.sampled_from(
        [TransportFailure("timeout", "x"), GONE, TransportFailure("broken", "x"), TransportFailure("too large", "x")]
    ),
)


@given(st.lists(REPLIES, min_size=10, max_size=10))
def test_any_responses_lead_to_credentials_or_an_error(replies: list[Answer]) -> None:
    """Any responses lead to credentials or a ``CredentialsError``, after at most five requests per attempt."""
    one = provider()
    for start in (0, 5):
        io = FakeIo()
        waiting = replies[start : start + 5]

        async def exchange(request: Request, waiting: list[Answer] = waiting) -> Answer:
            for value in request.headers.values():
                assert value.encode("latin-1").isascii() or value.strip()
                assert not set(value) & {chr(code) for code in (*range(32), 127)}
            assert str(request.url).startswith(V4 + "/latest/")
            return waiting.pop(0)

        io.send = exchange  # type: ignore[method-assign]
        try:
            assert isinstance(run(one._fetch(io, ClientContext())), Credentials)
        except CredentialsError as error:
            assert_no_secret(error)
