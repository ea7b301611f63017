"""EC2 metadata: the token and what it is worth, when version 1 is used, and which silence means "not on EC2"."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
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

V4 = "http://169.254.169.254"
V6 = "http://[fd00:ec2::254]"
ROLES = "/latest/meta-data/iam/security-credentials/"
TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
GONE = TransportFailure("unreachable", "no route to host")
V1_DISABLED = "AWS_EC2_METADATA_V1_DISABLED"


def provider(**options: Any) -> InstanceMetadataProvider:
    """Make a provider without a world."""
    return InstanceMetadataProvider(FakeRuntime(), **options)


def token(value: str = IMDS_TOKEN, ttl: str | None = "21600", **other: Any) -> Answer:
    """Make an answer to the token call."""
    headers: dict[str, Any] = {} if ttl is None else {TTL_HEADER.replace("-", "_"): ttl}
    return answer(value.encode("latin-1"), **headers, **other)


def put(reply: Any = None, base: str = V4) -> tuple[str, str, Any]:
    """Script the token call."""
    return "PUT", f"{base}/latest/api/token", token() if reply is None else reply


def roles(reply: Any = None, base: str = V4) -> tuple[str, str, Any]:
    """Script the question for the role's name."""
    return "GET", base + ROLES, answer(b"demo") if reply is None else reply


def creds(reply: Any = None, base: str = V4, role: str = "demo") -> tuple[str, str, Any]:
    """Script the question for the role's credentials."""
    return "GET", base + ROLES + role, answer(document()) if reply is None else reply


def all_three(base: str = V4) -> list[tuple[str, str, Any]]:
    """Script an attempt that works."""
    return [put(base=base), roles(base=base), creds(base=base)]


def without_token() -> list[tuple[str, str, Any]]:
    """Script an attempt that needs no token call."""
    return [roles(), creds()]


def tokens_sent(io: FakeIo) -> list[str | None]:
    """Return the token of each GET, None for one without."""
    return [request.headers.get("x-aws-ec2-metadata-token") for request in io.requests if request.method == "GET"]


def used(one: InstanceMetadataProvider, *answers: Any) -> InstanceMetadataProvider:
    """Return a provider after an attempt that worked."""
    fetch(one, FakeIo(*(answers or all_three())))
    return one


def fail(*script: Any, **options: Any) -> CredentialsError:
    """Return the error of a new provider's first attempt."""
    environ = options.pop("environ", {})
    error = failure(provider(**options), FakeIo(*script, environ=environ))
    assert error.source == "EC2 instance metadata"
    return error


# --- what is asked


def test_the_three_questions() -> None:
    """A token is asked for, then the role, then its credentials, and both are asked with the token."""
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


@pytest.mark.parametrize(
    ("environ", "options", "base"),
    [
        ({}, {}, V4),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv6"}, {}, V6),
        ({}, {"endpoint_mode": "IPv6"}, V6),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://localhost:1338/"}, {}, "http://localhost:1338"),
        ({}, {"endpoint": "http://127.0.0.1:1338/a/b/"}, "http://127.0.0.1:1338/a/b"),
    ],
)
def test_the_endpoint(environ: dict[str, str], options: dict[str, Any], base: str) -> None:
    """Mode and endpoint lead elsewhere, and a prefix of the endpoint stays before every path."""
    fetch(provider(**options), FakeIo(*all_three(base), environ=environ))


def test_a_distant_endpoint_is_worth_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """An endpoint that is neither on this machine nor on its link is used, with one warning."""
    one = provider(endpoint="http://imds.example")
    script = all_three("http://imds.example")
    for io in (FakeIo(*script), FakeIo(*script[1:])):
        fetch(one, io)
        assert io.requests[0].direct
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("anycreds.providers.imds", logging.WARNING)
    assert "http://imds.example" in record.getMessage()


@pytest.mark.parametrize(
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
def test_unreadable_settings(environ: dict[str, str]) -> None:
    """A setting that cannot be read is an error that names its variable, before anything is asked."""
    error = fail(environ=environ)
    assert type(error) is InvalidConfigurationError
    assert next(iter(environ)) in str(error)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"max_retries": -1}, {"timeout": float("nan")}])
def test_impossible_limits(options: dict[str, Any]) -> None:
    """Limits that make no sense are refused where the provider is made."""
    with pytest.raises(InvalidConfigurationError, match="option"):
        provider(**options)


def test_switched_off() -> None:
    """AWS_EC2_METADATA_DISABLED counts here too, not only in a chain, and nothing is asked."""
    error = fail(environ={"AWS_EC2_METADATA_DISABLED": "true"}, endpoint="http://localhost")
    assert type(error) is NotConfiguredError
    assert "AWS_EC2_METADATA_DISABLED" in str(error)


# --- the token


def test_the_token_is_kept() -> None:
    """A token serves further attempts until 120 s before its end."""
    one = used(provider())
    io = FakeIo(*without_token())
    io.advance(21600 - 120 - 0.5)
    fetch(one, _later(io))
    assert tokens_sent(io) == [IMDS_TOKEN] * 2


def _later(io: FakeIo) -> FakeIo:
    """Let the set in the script end after the moment that its world has come to."""
    end = (datetime.fromtimestamp(io.wall, UTC) + timedelta(hours=6)).isoformat()
    io.script = [
        (method, url, answer(document(Expiration=end)) if url.endswith("/demo") else reply)
        for method, url, reply in io.script
    ]
    return io


@pytest.mark.parametrize(("wall", "steady"), [(21480.0, 0.0), (0.0, 21480.0), (-86400.0, 21480.0), (21480.0, 21480.0)])
def test_the_token_ends_by_either_clock(wall: float, steady: float) -> None:
    """A clock that was set, or stood still while the machine slept, does not keep a dead token alive."""
    one = used(provider())
    io = FakeIo(*all_three())
    io.wall += wall
    io.steady += steady
    fetch(one, _later(io))


@pytest.mark.parametrize(
    "ttl", [None, "", "0", "60", "120", "-5", "1.5", "soon", "\u0661\u0662\u0663\u0664", "9" * 400]
)
def test_a_token_of_unknown_life_is_for_one_attempt(ttl: str | None) -> None:
    """Without a usable TTL header, or with a short one, the token is used at once and then forgotten."""
    one = provider()
    for _ in range(2):
        io = FakeIo(put(token(ttl=ttl)), roles(), creds())
        fetch(one, io)
        assert tokens_sent(io) == [IMDS_TOKEN] * 2


def test_no_token_lives_longer_than_the_service_grants() -> None:
    """A TTL beyond six hours is taken for six hours."""
    one = used(provider(), put(token(ttl="999999")), roles(), creds())
    io = FakeIo(*all_three())
    io.advance(21480.0)
    fetch(one, _later(io))


def test_a_token_stays_at_its_endpoint() -> None:
    """When the endpoint changes, the kept token is not sent to the new one."""
    one = used(provider())
    io = FakeIo(*all_three("http://127.0.0.1:1"), environ={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"})
    fetch(one, io)


@pytest.mark.parametrize(
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
def test_garbage_is_no_token(body: bytes) -> None:
    """An unusable token is malformed: there is no step down to version 1, and it is not shown."""
    error = fail(put(answer(body)))
    assert type(error) is MalformedResponseError


def test_blanks_around_a_token_are_dropped() -> None:
    """A newline after the token, as simulators send it, is not part of it."""
    io = FakeIo(put(token(IMDS_TOKEN + "\n")), roles(), creds())
    fetch(provider(), io)
    assert tokens_sent(io) == [IMDS_TOKEN] * 2


@pytest.mark.parametrize("at", ["role", "credentials"])
def test_a_refused_kept_token_is_replaced_once(at: str) -> None:
    """When the service refuses a kept token, a new one is asked for, once, and everything again with it."""
    one = used(provider())
    service_error = answer(status=401)
    first = [roles(service_error)] if at == "role" else [roles(), creds(service_error)]
    io = FakeIo(*first, put(token("new")), roles(), creds())
    fetch(one, io)
    assert tokens_sent(io)[-2:] == ["new", "new"]
    fetch(one, io := FakeIo(*without_token()))
    assert tokens_sent(io) == ["new", "new"]


def test_a_refused_new_token_is_an_error() -> None:
    """A token that was just given and is refused is not replaced again, and is not kept."""
    service_error = answer({"Message": f"bad {IMDS_TOKEN}"}, status=401)
    one = used(provider())
    error = failure(one, FakeIo(roles(service_error), put(), roles(service_error)))
    assert isinstance(error, RetrievalError)
    assert error.status == 401
    error = failure(one, FakeIo(put(), roles(service_error)))
    assert type(error) is RetrievalError
    fetch(one, FakeIo(*all_three()))


def test_time_for_a_replaced_token() -> None:
    """The two exchanges more that a refused token costs have their own time; the whole stays bounded."""
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


# --- version 1


@pytest.mark.parametrize("status", [403, 404, 405])
def test_version_1_where_there_are_no_tokens(status: int) -> None:
    """A service that knows no tokens is asked without, and remembered as such."""
    one = provider()
    io = FakeIo(put(answer(status=status)), roles(), creds())
    fetch(one, io)
    assert tokens_sent(io) == [None, None]
    fetch(one, io := FakeIo(*without_token()))
    assert tokens_sent(io) == [None, None]


@pytest.mark.parametrize("at", ["role", "credentials"])
def test_a_service_that_learned_tokens(at: str) -> None:
    """A 401 without a token ends the memory of version 1, and the same attempt goes on with a token."""
    one = used(provider(), put(answer(status=404)), roles(), creds())
    service_error = answer(status=401)
    io = FakeIo(*([roles(service_error)] if at == "role" else [roles(), creds(service_error)]), *all_three())
    fetch(one, io)
    assert tokens_sent(io)[-2:] == [IMDS_TOKEN] * 2
    fetch(one, FakeIo(*without_token()))


def test_a_service_that_wants_tokens_and_gives_none() -> None:
    """A 404 for the token and a 401 without one is an error, after which everything is tried anew."""
    service_error = answer(status=401)
    one = provider()
    error = failure(one, FakeIo(put(answer(status=404)), roles(service_error)))
    assert isinstance(error, RetrievalError)
    assert error.status == 401
    fetch(one, FakeIo(*all_three()))


@pytest.mark.parametrize(
    ("environ", "options", "said"),
    [
        ({V1_DISABLED: "true"}, {}, V1_DISABLED),
        ({V1_DISABLED: "YES"}, {"ec2_metadata_v1_disabled": False}, V1_DISABLED),
        ({}, {"ec2_metadata_v1_disabled": True}, "option ec2_metadata_v1_disabled"),
        ({V1_DISABLED: "false"}, {"ec2_metadata_v1_disabled": True}, "option ec2_metadata_v1_disabled"),
    ],
)
@pytest.mark.parametrize("status", [403, 404, 405])
def test_version_1_ruled_out(environ: dict[str, str], options: dict[str, Any], said: str, status: int) -> None:
    """Where version 1 is ruled out, a service without tokens is an error that names what rules it out."""
    error = fail(put(answer(status=status)), environ=environ, **options)
    assert type(error) is RetrievalError
    assert said in str(error)
    assert error.status == status


CONFIG = "/home/user/.aws/config"


@pytest.mark.parametrize(
    ("config", "environ", "profile"),
    [
        ("[default]\nec2_metadata_v1_disabled = true\n", {}, None),
        ("[profile x]\nec2_metadata_v1_disabled = 1\n", {"AWS_PROFILE": "x"}, None),
        ("[profile x]\nec2_metadata_v1_disabled = yes\n", {}, "x"),
    ],
)
def test_version_1_ruled_out_by_the_profile(config: str, environ: dict[str, str], profile: str | None) -> None:
    """The switch in the selected profile counts too, and the error names its file and line."""
    io = FakeIo(put(answer(status=404)), environ=environ, files={CONFIG: config.encode()})
    with pytest.raises(RetrievalError, match=r"ec2_metadata_v1_disabled in ~/.aws/config:2 rules out") as caught:
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
def test_version_1_not_ruled_out_by_the_profile(config: str, environ: dict[str, str]) -> None:
    """It does not count when it is off, in another profile, or when the environment says otherwise."""
    io = FakeIo(put(answer(status=404)), roles(), creds(), environ=environ, files={CONFIG: config.encode()})
    assert run(provider()._fetch(io, ClientContext())).access_key_id


def test_switch_in_the_profile_that_cannot_be_read() -> None:
    """A switch that is neither on nor off, like a file that cannot be read, never means that version 1 may be used."""
    for content in (b"[default]\nec2_metadata_v1_disabled = maybe\n", b"[default]\nregion = \xff\n"):
        io = FakeIo(put(answer(status=404)), files={CONFIG: content})
        with pytest.raises(InvalidConfigurationError, match=r"~/.aws/config:"):
            run(provider()._fetch(io, ClientContext()))


ELSEWHERE = "http://127.0.0.1:1338"
ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"


@pytest.mark.parametrize(
    ("environ", "options"), [({ENDPOINT: ELSEWHERE}, {}), ({}, {"endpoint": ELSEWHERE}), ({ENDPOINT: V4}, {})]
)
def test_files_are_not_read_where_they_change_nothing(environ: dict[str, str], options: dict[str, Any]) -> None:
    """With an endpoint from option or variable, and tokens there, no file is looked at."""
    io = FakeIo(*all_three(options.get("endpoint") or environ[ENDPOINT]), environ=environ, files={CONFIG: b"\xff"})
    fetch(provider(**options), io)
    assert io.reads == []


@pytest.mark.parametrize(("value", "expected"), [("true", NotConfiguredError), ("maybe", InvalidConfigurationError)])
def test_files_are_not_read_for_a_service_that_is_off(value: str, expected: type[CredentialsError]) -> None:
    """A service that is switched off costs no reading of files, nor does a switch that cannot be read."""
    io = FakeIo(environ={"AWS_EC2_METADATA_DISABLED": value}, files={CONFIG: b"\xff"})
    assert type(failure(provider(), io)) is expected
    assert io.reads == []


# --- the profile


SAYS = "ec2_metadata_service_endpoint = http://127.0.0.1:{}/x/\n"
PROFILES = "".join(
    f"[{name}]\n{SAYS.format(port)}"
    for name, port in (("default", 1), ("profile env", 2), ("profile caller", 3), ("profile argument", 4))
).encode()


@pytest.mark.parametrize(
    ("argument", "caller", "variable", "port"),
    [
        (None, None, None, 1),
        (None, None, "env", 2),
        (None, "caller", "env", 3),
        ("argument", "caller", "env", 4),
        ("default", "caller", "env", 1),
    ],
)
def test_whose_endpoint_counts(argument: str | None, caller: str | None, variable: str | None, port: int) -> None:
    """The profile of the argument beats the caller's, that AWS_PROFILE, and that the default."""
    environ = {} if variable is None else {"AWS_PROFILE": variable}
    io = FakeIo(*all_three(f"http://127.0.0.1:{port}/x"), environ=environ, files={CONFIG: PROFILES})
    assert run(provider(profile=argument)._fetch(io, ClientContext(profile=caller))).access_key_id == KEY_ID
    assert io.script == []


def test_other_files() -> None:
    """The files can be others than the usual ones."""
    files = SharedFiles(FileOptions(config_filepath="/etc/aws"))
    io = FakeIo(*all_three("http://127.0.0.1:1/x"), files={"/etc/aws": PROFILES, CONFIG: b"\xff"})
    fetch(provider(files=files), io)


def test_mode_in_the_profile() -> None:
    """A mode in the profile leads to IPv6; one of the program beats it, but not an endpoint there."""
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
def test_unreadable_settings_in_the_profile(line: str) -> None:
    """A setting or line of the profile that cannot be read is an error with file and line, before anything is asked."""
    error = failure(provider(), FakeIo(files={CONFIG: f"[default]\n{line}\n".encode()}))
    assert isinstance(error, InvalidConfigurationError)
    assert "~/.aws/config:2" in str(error)
    assert line.partition(" = ")[0].strip() in ("canary", *str(error).split())
    assert "canary" not in str(error)


def test_files_that_cannot_be_read() -> None:
    """A file that may have an endpoint and cannot be read is an error: nobody slides on to another service."""
    for file in (b"[default]\nregion = \xff\n", ReadFailure("cannot be read: Permission denied")):
        error = failure(provider(), FakeIo(files={CONFIG: file}))
        assert isinstance(error, InvalidConfigurationError)
        assert "~/.aws/config" in str(error)


def test_a_profile_that_is_missing_says_nothing() -> None:
    """Without files, or without the profile in them, the service is at its own address."""
    fetch(provider(profile="missing"), FakeIo(*all_three(), files={CONFIG: PROFILES}))
    fetch(provider(profile="missing"), FakeIo(*all_three()))


def test_services_section_of_the_profile_does_not_matter() -> None:
    """A section of services that is missing is no concern of this one."""
    fetch(provider(), FakeIo(*all_three(), files={CONFIG: b"[default]\nservices = missing\n"}))


def test_silence_names_the_profile() -> None:
    """If nobody answers at the profile's endpoint, the error says which line leads there."""
    io = FakeIo(put(GONE, "http://127.0.0.1:1/x"), files={CONFIG: PROFILES})
    error = failure(provider(), io)
    assert type(error) is MetadataUnreachableError
    assert "(from ec2_metadata_service_endpoint in ~/.aws/config:2)" in str(error)


def test_profile_that_changes() -> None:
    """Files are read anew at each attempt, and a token of one endpoint is not sent to the next."""
    one = used(provider())
    io = FakeIo(*all_three("http://127.0.0.1:1/x"), files={CONFIG: PROFILES})
    fetch(one, io)
    fetch(one, FakeIo(roles(base="http://127.0.0.1:1/x"), creds(base="http://127.0.0.1:1/x"), files=io.files))


def test_version_1_ruled_out_by_the_profile_later() -> None:
    """A switch that comes into the profile later counts for a service that is remembered as version 1 too."""
    one = used(provider(), put(answer(status=404)), roles(), creds())
    config = b"[default]\nec2_metadata_v1_disabled = true\n"
    error = failure(one, FakeIo(put(answer(status=404)), files={CONFIG: config}))
    assert "ec2_metadata_v1_disabled in ~/.aws/config:2 rules out" in str(error)


@pytest.mark.parametrize("profile", [None, "argument"])
def test_version_1_is_asked_of_the_profile_late(profile: str | None) -> None:
    """With an endpoint from elsewhere the same profile is asked about version 1, once there are no tokens."""
    name = "default" if profile is None else f"profile {profile}"
    files = {CONFIG: f"[{name}]\nec2_metadata_v1_disabled = true\n".encode()}
    io = FakeIo(put(answer(status=404), ELSEWHERE), files=files)
    error = failure(provider(endpoint=ELSEWHERE, profile=profile), io)
    assert "ec2_metadata_v1_disabled in ~/.aws/config:2 rules out" in str(error)
    files = {CONFIG: b"[default]\nec2_metadata_v1_disabled = maybe\n"}
    error = failure(provider(endpoint=ELSEWHERE), FakeIo(put(answer(status=404), ELSEWHERE), files=files))
    assert type(error) is InvalidConfigurationError
    assert "~/.aws/config:2" in str(error)


def test_version_1_ruled_out_later() -> None:
    """A switch that comes later counts for a service that is remembered as version 1 too."""
    one = used(provider(), put(answer(status=404)), roles(), creds())
    error = failure(one, FakeIo(put(answer(status=404)), environ={V1_DISABLED: "true"}))
    assert V1_DISABLED in str(error)


@pytest.mark.parametrize("status", [201, 302, 400, 401, 429, 500, 502, 503])
def test_no_version_1_after_other_answers(status: int) -> None:
    """Any other status of the token call is an error, and nothing is ever asked without a token."""
    error = fail(put(answer({"Code": "X", "Message": "Y"}, status=status)))
    assert type(error) is RetrievalError
    assert error.status == status
    assert f"PUT {V4}/latest/api/token" in str(error)


@pytest.mark.parametrize("kind", ["unreachable", "timeout", "broken", "too large"])
@pytest.mark.parametrize("known", [False, True])
def test_no_version_1_after_silence(kind: Any, known: bool) -> None:
    """Whoever can hold a packet back does not get the weaker protocol, on a service that was seen or not."""
    one = provider()
    if known:
        used(one, put(token(ttl=None)), roles(), creds())
    failure(one, FakeIo(put(TransportFailure(kind, "x"))))


# --- no service, no role


@pytest.mark.parametrize("kind", ["unreachable", "timeout", "broken"])
def test_no_service_means_not_on_ec2(kind: Any) -> None:
    """A token call without an answer, ever, lets a chain go on; what answers a bit is no proof against EC2.

    Where there is a connection, or a wait for one, the hint is about hop limits.
    """
    error = fail(put(TransportFailure(kind, "some detail")))
    assert type(error) is MetadataUnreachableError
    for part in (f"PUT {V4}/latest/api/token", "the default endpoint", "some detail", "AWS_EC2_METADATA_DISABLED"):
        assert part in str(error)
    assert ("hop limit" in str(error)) is (kind != "unreachable")
    assert ("not an EC2 instance" in str(error)) is (kind == "unreachable")


def test_a_flood_is_an_answer() -> None:
    """More bytes than a token has is no silence."""
    assert type(fail(put(TransportFailure("too large", "x")))) is MalformedResponseError


@pytest.mark.parametrize(
    ("kind", "error_type"),
    [("unreachable", RetrievalError), ("timeout", ProviderTimeoutError), ("broken", MalformedResponseError)],
)
def test_silence_after_a_success_is_a_failure(kind: Any, error_type: type[CredentialsError]) -> None:
    """A service that gave credentials before is there: its silence stops a chain."""
    one = used(provider(), put(token(ttl=None)), roles(), creds())
    error = failure(one, FakeIo(put(TransportFailure(kind, "some detail"))))
    assert type(error) is error_type
    assert "some detail" in str(error)


@pytest.mark.parametrize("step", ["role", "credentials"])
def test_silence_behind_the_token_is_a_failure(step: str) -> None:
    """Who gives a token is an EC2 instance, so what fails then is an error with the question that failed."""
    error = fail(put(), *([roles(GONE)] if step == "role" else [roles(), creds(GONE)]))
    assert type(error) is RetrievalError
    assert f"GET {V4}{ROLES}" in str(error)


@pytest.mark.parametrize("reply", [answer(status=404), answer(b""), answer(b" \n")])
@pytest.mark.parametrize("v1", [False, True])
def test_no_role(reply: Answer, v1: bool) -> None:
    """An instance without a role has nothing, so a chain goes on."""
    error = fail(put(answer(status=404) if v1 else None), roles(reply))
    assert type(error) is NotConfiguredError
    assert "no role attached" in str(error)


@pytest.mark.parametrize(
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
def test_strange_roles(body: bytes) -> None:
    """What cannot be the name of one role is never made a part of a path."""
    assert type(fail(put(), roles(answer(body)))) is MalformedResponseError


@pytest.mark.parametrize("name", ["demo", "a" * 64, "x+y=z,1.2@3-4_5", "@evil", "demo\n", " demo\r\n"])
def test_names_of_roles(name: str) -> None:
    """Every name that IAM allows is asked for as it is, without the blanks around it."""
    fetch(provider(), FakeIo(put(), roles(answer(name.encode())), creds(role=name.strip())))


# --- the answer


@pytest.mark.parametrize("field", ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"])
@pytest.mark.parametrize("value", [..., None, "", 1, [], "x\x00"])
def test_all_four_fields_are_needed(field: str, value: object) -> None:
    """A role's credentials always have an end and a token; a missing or unusable field is malformed."""
    error = fail(put(), roles(), creds(answer(document(**{field: value}))))
    assert isinstance(error, MalformedResponseError)
    assert error.field == field


def test_an_unreadable_end_is_an_error() -> None:
    """An end that cannot be read is not "never"."""
    error = fail(put(), roles(), creds(answer(document(Expiration="EXPIRATION"))))
    assert isinstance(error, MalformedResponseError)
    assert error.field == "Expiration"


def test_a_role_that_cannot_be_assumed() -> None:
    """What EC2 says about its role, in an answer with status 200, is in the error, with a hint about trust."""
    body = {"Code": "AssumeRoleUnauthorizedAccess", "Message": f"EC2 cannot assume {IMDS_TOKEN}."}
    error = fail(put(), roles(), creds(answer(body)))
    assert type(error) is RetrievalError
    assert error.code == "AssumeRoleUnauthorizedAccess"
    assert "EC2 cannot assume ...." in str(error)
    assert "trust policy" in str(error)


@pytest.mark.parametrize(
    ("step", "status"),
    [("role", 400), ("role", 403), ("role", 500), *[("credentials", at) for at in (400, 403, 404, 500)]],
)
def test_refusals_behind_the_token(step: str, status: int) -> None:
    """Any other status is an error with AWS's words; only the list of roles can say that there is none."""
    reply = answer({"Code": "X", "Message": "Y"}, status=status)
    error = fail(put(), *([roles(reply)] if step == "role" else [roles(), creds(reply)]))
    assert type(error) is RetrievalError
    assert (error.status, error.code) == (status, "X")


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 300), (0.5, 450), (0.999, 599.7)])
def test_an_ended_set_is_extended(jitter: float, seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    """A set that has ended already is served for 5 to 10 minutes more, marked with its real end, and warned of."""
    io = FakeIo(put(), roles(), creds(answer(document(Expiration="2024-01-02T03:04:05Z"))), jitter=jitter)
    credentials = fetch(provider(), io)
    assert credentials.expiration is not None
    assert credentials.expiration.timestamp() == pytest.approx(START + seconds)
    assert credentials.original_expiration == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("anycreds.providers.imds", logging.WARNING)
    assert "2024-01-02T03:04:05+00:00" in record.getMessage()


def test_a_valid_set_is_not_touched(caplog: pytest.LogCaptureFixture) -> None:
    """A set with a second left keeps its own end."""
    io = FakeIo(put(), roles(), creds(answer(document(Expiration="2024-01-02T03:04:06Z"))))
    credentials = fetch(provider(), io)
    assert credentials.expiration == datetime(2024, 1, 2, 3, 4, 6, tzinfo=UTC)
    assert credentials.original_expiration is None
    assert caplog.records == []


def test_only_its_own_sets_may_be_extended() -> None:
    """A cache may serve on past its end what came from here, and nothing else."""
    one = provider()
    assert one._allows_stale(Credentials("a", "b", source="EC2 instance metadata"))
    assert not one._allows_stale(Credentials("a", "b", source="environment variables"))
    assert not one._allows_stale(Credentials("a", "b"))


# --- time


def test_retries_each_question() -> None:
    """With retries every one of the three questions is repeated on its own after transient failures."""
    busy = answer(status=503)
    io = FakeIo(put(GONE), put(), roles(busy), roles(), creds(GONE), creds())
    fetch(provider(max_retries=1), io)
    assert io.pauses == pytest.approx([0.05] * 3)


def test_a_silent_service_costs_one_timeout() -> None:
    """Off EC2, where packets vanish, one timeout of the token call is all that is waited for."""
    io = FakeIo()
    io.script = [put(io.timeout)]
    start = io.monotonic()
    assert type(failure(provider(), io)) is MetadataUnreachableError
    assert io.monotonic() - start == 1.0


def test_the_attempt_is_bounded() -> None:
    """Retries and pauses of all three questions share one budget, and the last real reason is reported."""
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


@settings(deadline=None)
@given(st.lists(REPLIES, min_size=10, max_size=10))
def test_any_service_ends_well(replies: list[Answer]) -> None:
    """Whatever a stranger there answers, two attempts end with a set or an error, after five questions at most."""
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
