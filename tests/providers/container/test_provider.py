"""Container credentials: the allowed endpoints, the token that is sent, and an error for each failure."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds import from_http
from anycreds._core.credentials import Credentials
from anycreds._core.errors import (
    CredentialsError,
    ForbiddenEndpointError,
    InvalidConfigurationError,
    MalformedResponseError,
    NotConfiguredError,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds._core.http import TransportFailure
from anycreds._core.io import ReadFailure
from anycreds._core.provider import ClientContext
from anycreds._providers.container.provider import ContainerProvider
from anycreds._providers.container.settings import container_options
from anycreds._wire.urls import parse_url
from support.errors import error_of
from support.fake_io import (
    AUTHORIZATION,
    KEY_ID,
    SECRET_KEY,
    SESSION_TOKEN,
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

RELATIVE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
EKS = "http://169.254.170.23/v1/credentials"
ECS = "/v2/credentials/3f2a-canary"  # the path is as secret as the keys
EKS_FILE = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"


def provider(timeout: float = 1.0, max_retries: int = 0, **options: Any) -> ContainerProvider:
    """Return a provider with these options of ``from_http``."""
    return ContainerProvider(FakeRuntime(), container_options(options), timeout=timeout, max_retries=max_retries)


def fail(io: FakeIo, **options: Any) -> CredentialsError:
    """Return the error of one attempt."""
    error = failure(provider(**options), io)
    assert error.source == "container credentials"
    return error


def io_with(url: str, *responses: Any, **options: Any) -> FakeIo:
    """Return an ``Io`` in which GET requests to a URL get these responses."""
    return FakeIo(*[("GET", url, response) for response in responses], **options)


def test_relative_uri_of_ecs_is_requested_from_the_agent() -> None:
    """The relative URI of an ECS task is requested from the agent, without a proxy."""
    io = io_with(f"http://169.254.170.2{ECS}", answer(document(Code=..., RoleArn="x")), environ={RELATIVE: ECS})
    assert fetch(provider(), io) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC),
        source="container credentials",
    )
    (request,) = io.requests
    assert request.headers == {"Accept": "application/json"}
    assert (request.direct, request.timeout) == (True, 1.0)


def test_token_file_of_eks_is_sent_without_its_newline() -> None:
    """EKS pod identity has a full URI, and a token file whose final newline is not a part of the token."""
    io = io_with(
        EKS,
        answer(document(Code=..., AccountId="012345678901")),
        environ={FULL: EKS, TOKEN_FILE: EKS_FILE},
        files={EKS_FILE: AUTHORIZATION.encode() + b"\n"},
    )
    assert fetch(provider(), io).account_id == "012345678901"
    assert io.requests[0].headers["Authorization"] == AUTHORIZATION
    assert io.reads == [EKS_FILE]


def test_token_is_the_whole_header() -> None:
    """The token variable is the whole header, and may contain Latin-1 letters."""
    io = io_with(EKS, answer(document()), environ={FULL: EKS, TOKEN: f"{AUTHORIZATION} \u00e9"})
    fetch(provider(), io)
    assert io.requests[0].headers["Authorization"] == f"{AUTHORIZATION} \u00e9"


def test_no_token_and_no_expiration() -> None:
    """An endpoint may return keys without a session token and without an expiration."""
    io = io_with(EKS, answer(document(Token=..., Expiration=...)), environ={FULL: EKS})
    assert fetch(provider(), io) == Credentials(KEY_ID, SECRET_KEY, source="container credentials")


@each_row("environ", [{}, {RELATIVE: " ", FULL: ""}, {TOKEN: AUTHORIZATION}, {TOKEN_FILE: "/gone"}])
def test_not_configured(environ: dict[str, str]) -> None:
    """Without a URI nothing is configured, even if a token is set, and no file is read."""
    io = FakeIo(environ=environ)
    error = fail(io)
    assert type(error) is NotConfiguredError
    assert RELATIVE in str(error)
    assert FULL in str(error)
    assert io.reads == []


def test_precedence_of_variables(caplog: pytest.LogCaptureFixture) -> None:
    """The relative URI and the token file take precedence, with one warning per pair and provider."""
    environ = {RELATIVE: ECS, FULL: "http://evil.example/", TOKEN: "unused", TOKEN_FILE: "/token"}
    both = provider()
    for _ in range(2):
        io = io_with(
            f"http://169.254.170.2{ECS}", answer(document()), environ=environ, files={"/token": AUTHORIZATION.encode()}
        )
        fetch(both, io)
        assert io.requests[0].headers["Authorization"] == AUTHORIZATION
    assert [record.name for record in caplog.records] == ["anycreds.providers.container"] * 2
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert f"{FULL} is ignored" in caplog.text
    assert f"{TOKEN} is ignored" in caplog.text


def test_same_token_in_both_variables(caplog: pytest.LogCaptureFixture) -> None:
    """Variables with the same token, as ``anycreds serve`` sets them, cause no warning."""
    environ = {FULL: EKS, TOKEN: AUTHORIZATION, TOKEN_FILE: "/token"}
    fetch(provider(), io_with(EKS, answer(document()), environ=environ, files={"/token": AUTHORIZATION.encode()}))
    assert caplog.records == []


def test_blank_variables(caplog: pytest.LogCaptureFixture) -> None:
    """A blank variable counts as not set, and causes no warning."""
    io = io_with(EKS, answer(document()), environ={RELATIVE: " ", FULL: EKS, TOKEN_FILE: "", TOKEN: AUTHORIZATION})
    fetch(provider(), io)
    assert io.requests[0].headers["Authorization"] == AUTHORIZATION
    assert caplog.records == []


AMBIENT = {RELATIVE: ECS, FULL: EKS, TOKEN: "ambient", TOKEN_FILE: "/ambient"}


@pytest.mark.parametrize(
    ("options", "url", "authorization"),
    [
        ({"full_uri": "https://broker.example/creds?b=1&a=2&b=3"}, "https://broker.example/creds?b=1&a=2&b=3", None),
        ({"relative_uri": "/mine"}, "http://169.254.170.2/mine", None),
        ({"full_uri": EKS, "authorization_token": "mine"}, EKS, "mine"),
        ({"full_uri": EKS, "authorization_token_file": "/mine"}, EKS, "from the file"),
        ({"full_uri": EKS, "authorization_token_file": PurePosixPath("/mine")}, EKS, "from the file"),
    ],
    ids=["full URI", "relative URI", "token", "token file", "token path"],
)
def test_options_never_mix_with_the_environment(options: dict[str, Any], url: str, authorization: str | None) -> None:
    """If an option is set, the variables are ignored: their token is not sent to the endpoint of the option."""
    io = io_with(url, answer(document()), environ=AMBIENT, files={"/mine": b"from the file", "/ambient": b"wrong"})
    fetch(provider(**options), io)
    assert io.requests[0].headers.get("Authorization") == authorization


@each_row(
    "options, text",
    [
        ({"full_uri": EKS, "relative_uri": ECS}, "are both set; expected one of them"),
        (
            {"full_uri": EKS, "authorization_token": AUTHORIZATION, "authorization_token_file": "/x"},
            "are both set; expected one of them",
        ),
        ({"authorization_token": AUTHORIZATION}, "is set without full_uri or relative_uri"),
        ({"authorization_token_file": "/x"}, "is set without full_uri or relative_uri"),
        ({"full_uri": " "}, "option full_uri is blank"),
        ({"relative_uri": ""}, "option relative_uri is blank"),
        ({"full_uri": EKS, "authorization_token": ""}, "option authorization_token is blank"),
        ({"full_uri": EKS, "authorization_token": AUTHORIZATION + "\n"}, "option authorization_token contains"),
        ({"full_uri": EKS, "authorization_token": AUTHORIZATION.encode()}, "option authorization_token is not text"),
        ({"full_uri": EKS, "authorization_token_file": ""}, "option authorization_token_file is blank"),
        ({"full_uri": EKS, "authorization_token_file": 5}, "option authorization_token_file is not"),
        ({"full_uri": EKS, "authorization_token_file": b"/x"}, "option authorization_token_file is not"),
    ],
)
def test_invalid_options(options: dict[str, Any], text: str) -> None:
    """``from_http`` rejects options that contradict each other, lack a URI or are not text, and shows no secret."""
    error = error_of(from_http, kind=InvalidConfigurationError, **options)
    assert text in str(error)
    assert_no_secret(error, ECS)


FORBIDDEN = [
    "http://example.com/",
    "http://169.254.169.254/latest/",
    "http://169.254.170.1/",
    "http://169.254.170.3/",
    "http://169.254.170.22/",
    "http://169.254.170.24/",
    "http://169.254.0.1/",
    "http://169.1.2.3/",
    "http://192.168.0.1/",
    "http://10.0.0.1/",
    "http://0.0.0.0/",
    "http://126.255.255.255/",
    "http://128.0.0.1/",
    "http://255.255.255.255/",
    "http://localhost./",
    "http://localhost.localdomain/",
    "http://localhost.evil.com/",
    "http://xlocalhost/",
    "http://local_host/",
    "http://127.0.0.1.evil.com/",
    "http://127.0.0.1.nip.io/",
    "http://169.254.170.2.evil.com/",
    "http://somewhere.com/foo",
    "http://[::]/",
    "http://[::2]/",
    "http://[1::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:169.254.170.2]/",
    "http://[::ffff:a9fe:aa02]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[fd00:ec2::24]/",
    "http://[fd00:ec2::254]/",
    "http://[fd00:ec2::1:23]/",
    "http://[fe80::1]/",
    "http://[fe80::23]/",
]

ALLOWED = [
    "https://example.com/",
    "https://192.168.0.1/",
    "https://[2001:db8::1]:8443/x",
    "https://localhost/",
    "https://127.0.0.1/",
    "http://localhost/",
    "http://LOCALHOST:1234/x",
    "http://127.0.0.1/",
    "http://127.0.0.1:8080/",
    "http://127.0.0.0/",
    "http://127.1.2.3/",
    "http://127.255.255.255/",
    "http://169.254.170.2/v2/credentials/x",
    "http://169.254.170.23/v1/credentials",
    "http://[fd00:ec2::23]/v1/credentials",
    "http://[fd00:ec2::23]:80/v1/credentials",
    "http://[FD00:0EC2:0:0:0:0:0:23]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]:8080/",
]


@pytest.mark.fault("S02", "S21")
@each_row("uri", FORBIDDEN)
def test_plain_http_to_another_host_is_forbidden(uri: str) -> None:
    """Plain http to another host is an error before a token is read; it names the host and the allowed ones."""
    uri += "secret-path?secret=query"
    for io, options, origin in (
        (FakeIo(environ={FULL: uri, TOKEN_FILE: "/x"}), {}, FULL),
        (FakeIo(), {"full_uri": uri}, "option full_uri"),
    ):
        error = fail(io, **options)
        assert type(error) is ForbiddenEndpointError
        assert origin in str(error)
        assert "secret" not in str(error)
        assert "169.254.170.2" in str(error)
        assert io.reads == []


@pytest.mark.fault("S02")
@each_row("uri", ALLOWED)
def test_allowed_endpoint_is_requested(uri: str) -> None:
    """Https to any host is allowed, and plain http to loopback hosts and to the addresses of ECS and EKS."""
    io = io_with(str(parse_url(uri)), answer(document()), environ={FULL: uri})
    assert fetch(provider(), io).access_key_id == KEY_ID


@pytest.mark.fault("S02")
@each_row(
    "environ",
    [
        {FULL: "http://user@127.0.0.1/canary"},
        {FULL: "localhost/canary"},
        {RELATIVE: "@evil/canary"},
        {RELATIVE: "//e"},
    ],
)
def test_invalid_uri(environ: dict[str, str]) -> None:
    """An invalid URI is an error that names its variable and does not contain the URI."""
    error = fail(FakeIo(environ=environ))
    assert type(error) is InvalidConfigurationError
    assert next(iter(environ)) in str(error)


def test_fragment_of_a_uri_is_named() -> None:
    """A URI with a fragment is an error that says so, since clients never send it."""
    error = fail(FakeIo(environ={FULL: "http://127.0.0.1/x#y"}))
    assert type(error) is InvalidConfigurationError
    assert "fragment" in str(error)


@each_row(
    "uri, direct",
    [
        ("http://localhost:1/x", True),
        ("http://127.0.0.1:1/x", True),
        ("https://localhost/x", True),
        ("https://169.254.170.2/x", True),
        ("https://broker.example/x", False),
    ],
)
def test_only_https_to_a_distant_host_may_use_a_proxy(uri: str, direct: bool) -> None:
    """Only https to a host that is not link-local may use a proxy."""
    io = io_with(uri, answer(document()), environ={FULL: uri})
    fetch(provider(), io)
    assert io.requests[0].direct is direct


@pytest.mark.fault("L14")
def test_token_file_is_read_at_every_attempt() -> None:
    """An attempt uses the current token in the file, which may not have existed before."""
    container_provider = provider()
    environ = {FULL: EKS, TOKEN_FILE: EKS_FILE}
    assert "No such file" in str(failure(container_provider, FakeIo(environ=environ)))
    for token in ("first", "second"):
        io = io_with(EKS, answer(document()), environ=environ, files={EKS_FILE: token.encode()})
        fetch(container_provider, io)
        assert io.requests[0].headers["Authorization"] == token


@pytest.mark.fault("L14")
@each_row(
    "content, token",
    [(b"a b", "a b"), (b"a\n", "a"), (b"a\r\n", "a"), ("\u00e9".encode(), "\u00e9")],
)
def test_final_newline_of_the_token_file(content: bytes, token: str) -> None:
    """One line break at the end of the token file is removed."""
    io = io_with(EKS, answer(document()), environ={FULL: EKS, TOKEN_FILE: "/t"}, files={"/t": content})
    fetch(provider(), io)
    assert io.requests[0].headers["Authorization"] == token


SECRET_BYTES = AUTHORIZATION.encode()


@pytest.mark.fault("L14", "S06")
@each_row(
    "content, reason",
    [
        (ReadFailure("Permission denied"), "Permission denied"),
        (ReadFailure("it is a directory"), "directory"),
        (b"", "is blank"),
        (b"\n", "is blank"),
        (b" \r\n", "is blank"),
        (SECRET_BYTES + b"\n\n", "U+000A"),
        (SECRET_BYTES + b"\r", "U+000D"),
        (SECRET_BYTES + b"\r\nX-Evil: 1\r\n", "U+000D"),
        (b"\x00" + SECRET_BYTES, "U+0000"),
        (SECRET_BYTES + b"\t", "U+0009"),
        (SECRET_BYTES + b"\x7f", "U+007F"),
        (SECRET_BYTES + "\x85".encode(), "U+0085"),
        (SECRET_BYTES + "\u4e2d".encode(), "HTTP header cannot"),
        (SECRET_BYTES + "\u2028".encode(), "HTTP header cannot"),
        (SECRET_BYTES + b"\xff", "not UTF-8"),
        (b"\xef\xbb\xbf" + SECRET_BYTES, "byte order mark"),
        (SECRET_BYTES + b" ", "begins or ends with a blank"),
        (SECRET_BYTES * 1000, "characters"),
        (SECRET_BYTES * 10000, "larger than 65536"),
    ],
)
def test_invalid_token_file(content: bytes | ReadFailure, reason: str) -> None:
    """An unreadable or invalid token file is an error with its path and the reason, without its content."""
    error = fail(FakeIo(environ={FULL: EKS, TOKEN_FILE: "/the/file"}, files={"/the/file": content}))
    assert type(error) is InvalidConfigurationError
    assert TOKEN_FILE in str(error)
    assert "/the/file" in str(error)
    assert reason in str(error)


def test_token_in_the_variable_of_its_file() -> None:
    """A token in the variable for its file is not displayed as the name of a missing file."""
    error = fail(FakeIo(environ={FULL: EKS, TOKEN_FILE: AUTHORIZATION}))
    assert type(error) is InvalidConfigurationError
    assert f"{TOKEN_FILE} names a file without its directory, which cannot be read: No such file" in str(error)


@pytest.mark.fault("S06")
@each_row("suffix", ["\n", "\r\nX: y", "\x00", "\u4e2d", " ", "\udcff"])
def test_invalid_token_variable(suffix: str) -> None:
    """A token that cannot be a header is an error that names the variable, before a request is sent."""
    error = fail(FakeIo(environ={FULL: EKS, TOKEN: AUTHORIZATION + suffix}))
    assert type(error) is InvalidConfigurationError
    assert TOKEN in str(error)


@pytest.mark.fault("U07")
@each_row("status", [201, 204, 400, 401, 403, 404, 405])
def test_error_responses_are_not_retried(status: int) -> None:
    """Another status than 200 is an error with AWS's message, without path and token, and is not retried."""
    body = {"code": "AccessDenied", "message": f"No {AUTHORIZATION}, no {AUTHORIZATION.split()[1]}."}
    url = f"http://169.254.170.2{ECS}"
    io = io_with(url, answer(body, status=status), environ={RELATIVE: ECS, TOKEN: AUTHORIZATION})
    error = failure(provider(max_retries=3), io)
    assert type(error) is RetrievalError
    assert (error.status, error.code) == (status, "AccessDenied")
    for part in ("GET http://169.254.170.2", RELATIVE, str(status), "AccessDenied: No ..., no ...."):
        assert part in str(error)
    assert "3f2a" not in str(error)


@each_row("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """A redirect is an error that names its target, which gets no request."""
    io = io_with(EKS, answer(status=status, location="http://evil.example/x?canary"), environ={FULL: EKS})
    assert "a redirect to evil.example; redirects are not followed" in str(fail(io))


def test_transient_failures_are_retried() -> None:
    """Throttling, server errors and broken connections are retried ``max_retries`` times."""
    io = io_with(
        EKS,
        answer(status=429),
        TransportFailure("unreachable", "x"),
        answer(status=503, retry_after="1"),
        answer(document()),
        environ={FULL: EKS},
    )
    fetch(provider(max_retries=3), io)
    assert io.pauses == pytest.approx([0.05, 0.1, 1.0])


@pytest.mark.parametrize(
    ("transport_failure", "error_type"),
    [
        (TransportFailure("unreachable", "connection refused"), RetrievalError),
        (TransportFailure("broken", "connection closed"), MalformedResponseError),
        (TransportFailure("too large", "more than 65536 bytes came"), MalformedResponseError),
    ],
)
def test_endpoint_without_a_response_is_an_error(
    transport_failure: TransportFailure, error_type: type[CredentialsError]
) -> None:
    """An endpoint without a response is an error with the reason, which stops a chain."""
    error = fail(io_with(EKS, transport_failure, environ={FULL: EKS}))
    assert type(error) is error_type
    assert transport_failure.detail in str(error)
    assert f"GET http://169.254.170.23 (from {FULL})" in str(error)


def test_unreachable_endpoint() -> None:
    """The error for an unreachable endpoint says that the provider could not connect to it."""
    error = fail(io_with(EKS, TransportFailure("unreachable", "connection refused"), environ={FULL: EKS}))
    assert error.message == (
        f"GET http://169.254.170.23 (from {FULL}) could not connect to the endpoint: connection refused"
    )


def test_time_for_all_retries() -> None:
    """All retries together take at most ``(1 + max_retries) * timeout``, and the error has the last reason."""
    io = FakeIo(environ={FULL: EKS})
    io.script = [("GET", EKS, io.timeout)] * 4
    start = io.monotonic()
    error = failure(provider(max_retries=3, timeout=0.5), io)
    assert type(error) is ProviderTimeoutError
    assert "nothing came within" in str(error)
    assert io.monotonic() - start == pytest.approx(2.0)


@each_row(
    "body",
    [b"", b"null", b"<html>", document(SecretAccessKey=None), document(Expiration="soon"), document(AccessKeyId=...)],
)
def test_malformed_responses(body: object) -> None:
    """An invalid document with status 200 is malformed, and is not retried."""
    error = failure(provider(max_retries=3), io_with(EKS, answer(body), environ={FULL: EKS}))
    assert type(error) is MalformedResponseError


@pytest.mark.fault("U21")
def test_expired_credentials() -> None:
    """Expired credentials are an error; unlike those of EC2 metadata they are not extended."""
    io = io_with(EKS, answer(document(Expiration="2024-01-02T03:04:05Z")), environ={FULL: EKS})
    assert "expired at 2024-01-02T03:04:05+00:00" in str(fail(io))


def test_repr_does_not_contain_the_token() -> None:
    """The repr of a provider does not contain its token."""
    assert (
        repr(provider(full_uri=EKS, authorization_token=AUTHORIZATION)) == "<anycreds provider: container credentials>"
    )


VALUES = st.text() | st.sampled_from(["/v2/x", EKS, "http://localhost/", "https://x", AUTHORIZATION, "/t", "//", " "])


@pytest.mark.fault("S06")
@given(st.dictionaries(st.sampled_from([RELATIVE, FULL, TOKEN, TOKEN_FILE]), VALUES), st.binary())
def test_any_environment(environ: dict[str, str], token: bytes) -> None:
    """Any variables and token file lead to credentials or a ``CredentialsError``, and to valid headers."""
    io = FakeIo(environ=environ, files={"/t": token})

    async def exchange(request: Any) -> Any:
        for value in request.headers.values():
            assert value.encode("latin-1").strip() == value.encode("latin-1")
            assert not set(value) & {chr(code) for code in (*range(32), 127)}
        return answer(document())

    io.send = exchange  # type: ignore[method-assign]
    try:
        assert isinstance(run(provider()._fetch(io, ClientContext())), Credentials)
    except CredentialsError as error:
        assert_no_secret(error)
