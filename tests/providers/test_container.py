"""Container credentials: asked where it is allowed, with the token that belongs there, and every failure explained."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from anycreds._providers.container import ContainerProvider
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

RELATIVE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
EKS = "http://169.254.170.23/v1/credentials"
ECS = "/v2/credentials/3f2a-canary"  # the path is as good as the keys, so it must not show either
EKS_FILE = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"


def provider(**options: Any) -> ContainerProvider:
    """Make a provider without a world."""
    return ContainerProvider(FakeRuntime(), **options)


def fail(io: FakeIo, **options: Any) -> CredentialsError:
    """Return the error of one attempt."""
    error = failure(provider(**options), io)
    assert error.source == "container credentials"
    return error


def serving(url: str, *answers: Any, **runtime: Any) -> FakeIo:
    """Make a world in which this URL is asked for these answers."""
    return FakeIo(*[("GET", url, one) for one in answers], **runtime)


def test_ecs() -> None:
    """The relative URI of an ECS task is asked on the agent's address, directly, and its set is given."""
    io = serving(f"http://169.254.170.2{ECS}", answer(document(Code=..., RoleArn="x")), environ={RELATIVE: ECS})
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


def test_eks() -> None:
    """EKS pod identity: a full URI, and a token file whose final newline is not part of the token."""
    io = serving(
        EKS,
        answer(document(Code=..., AccountId="012345678901")),
        environ={FULL: EKS, TOKEN_FILE: EKS_FILE},
        files={EKS_FILE: AUTHORIZATION.encode() + b"\n"},
    )
    assert fetch(provider(), io).account_id == "012345678901"
    assert io.requests[0].headers["Authorization"] == AUTHORIZATION
    assert io.reads == [EKS_FILE]


def test_authorization_is_sent_as_it_is() -> None:
    """The token variable is the whole header, also with other letters of latin-1 in it."""
    io = serving(EKS, answer(document()), environ={FULL: EKS, TOKEN: f"{AUTHORIZATION} \u00e9"})
    fetch(provider(), io)
    assert io.requests[0].headers["Authorization"] == f"{AUTHORIZATION} \u00e9"


def test_lasting_keys() -> None:
    """An endpoint may give keys without a token and without an end."""
    io = serving(EKS, answer(document(Token=..., Expiration=...)), environ={FULL: EKS})
    assert fetch(provider(), io) == Credentials(KEY_ID, SECRET_KEY, source="container credentials")


@pytest.mark.parametrize("environ", [{}, {RELATIVE: " ", FULL: ""}, {TOKEN: AUTHORIZATION}, {TOKEN_FILE: "/gone"}])
def test_nothing_configured(environ: dict[str, str]) -> None:
    """Without a URI there is nothing here, whatever token lies around; no file is looked at."""
    io = FakeIo(environ=environ)
    error = fail(io)
    assert type(error) is NotConfiguredError
    assert RELATIVE in str(error)
    assert FULL in str(error)
    assert io.reads == []


def test_relative_beats_full_and_file_beats_token(caplog: pytest.LogCaptureFixture) -> None:
    """Of each pair of variables the same one wins as in every SDK, with one warning per pair and provider."""
    environ = {RELATIVE: ECS, FULL: "http://evil.example/", TOKEN: "unused", TOKEN_FILE: "/token"}
    both = provider()
    for _ in range(2):
        io = serving(
            f"http://169.254.170.2{ECS}", answer(document()), environ=environ, files={"/token": AUTHORIZATION.encode()}
        )
        fetch(both, io)
        assert io.requests[0].headers["Authorization"] == AUTHORIZATION
    assert [record.name for record in caplog.records] == ["anycreds.providers.container"] * 2
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert f"{RELATIVE} is used" in caplog.text
    assert f"{TOKEN_FILE} is used" in caplog.text


def test_blank_variables_are_absent(caplog: pytest.LogCaptureFixture) -> None:
    """A blank variable neither wins nor warns."""
    io = serving(EKS, answer(document()), environ={RELATIVE: " ", FULL: EKS, TOKEN_FILE: "", TOKEN: AUTHORIZATION})
    fetch(provider(), io)
    assert io.requests[0].headers["Authorization"] == AUTHORIZATION
    assert caplog.records == []


AMBIENT = {RELATIVE: ECS, FULL: EKS, TOKEN: "ambient", TOKEN_FILE: "/ambient"}


@pytest.mark.parametrize(
    ("options", "url", "authorization"),
    [
        ({"full_uri": "https://broker.example/creds"}, "https://broker.example/creds", None),
        ({"relative_uri": "/mine"}, "http://169.254.170.2/mine", None),
        ({"full_uri": EKS, "authorization_token": "mine"}, EKS, "mine"),
        ({"full_uri": EKS, "authorization_token_file": "/mine"}, EKS, "from the file"),
        ({"full_uri": EKS, "authorization_token_file": PurePosixPath("/mine")}, EKS, "from the file"),
    ],
)
def test_options_never_mix_with_the_environment(options: dict[str, Any], url: str, authorization: str | None) -> None:
    """With any explicit option the environment is not read: no ambient token goes to an explicit address."""
    io = serving(url, answer(document()), environ=AMBIENT, files={"/mine": b"from the file", "/ambient": b"wrong"})
    fetch(provider(**options), io)
    assert io.requests[0].headers.get("Authorization") == authorization


@pytest.mark.parametrize(
    "options",
    [
        {"full_uri": EKS, "relative_uri": ECS},
        {"full_uri": EKS, "authorization_token": AUTHORIZATION, "authorization_token_file": "/x"},
        {"authorization_token": AUTHORIZATION},
        {"authorization_token_file": "/x"},
        {"full_uri": ""},
        {"full_uri": " "},
        {"relative_uri": ""},
        {"full_uri": EKS, "authorization_token": ""},
        {"full_uri": EKS, "authorization_token": AUTHORIZATION + "\n"},
        {"full_uri": EKS, "authorization_token": AUTHORIZATION.encode()},
        {"full_uri": EKS, "authorization_token_file": ""},
        {"full_uri": EKS, "authorization_token_file": 5},
        {"full_uri": EKS, "authorization_token_file": b"/x"},
        {"full_uri": EKS, "timeout": 0},
        {"full_uri": EKS, "authorization_token": AUTHORIZATION, "max_retries": -1},
    ],
)
def test_contradicting_options_are_refused_at_once(options: dict[str, Any]) -> None:
    """Options that exclude each other, lack their URI or are blank are an error where the provider is made."""
    error = error_of(provider, kind=InvalidConfigurationError, **options)
    assert "option" in str(error)
    assert_no_secret(error)


@pytest.mark.parametrize(
    "uri",
    ["http://evil.example/x?secret=query", "http://169.254.169.254/x", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/"],
)
@pytest.mark.parametrize("by_option", [True, False])
def test_forbidden_endpoints_are_not_asked(uri: str, by_option: bool) -> None:
    """Plain http to elsewhere is refused before any token is read, naming host, origin and what is allowed."""
    io = FakeIo(environ={} if by_option else {FULL: uri, TOKEN_FILE: "/x"})
    error = fail(io, **({"full_uri": uri} if by_option else {}))
    assert type(error) is ForbiddenEndpointError
    assert ("option full_uri" if by_option else FULL) in str(error)
    assert "secret" not in str(error)
    assert "169.254.170.2" in str(error)
    assert io.reads == []


@pytest.mark.parametrize(
    "environ",
    [{FULL: "http://user@127.0.0.1/canary"}, {FULL: "localhost/canary"}, {RELATIVE: "@evil/canary"}, {RELATIVE: "//e"}],
)
def test_unreadable_uris_are_a_broken_configuration(environ: dict[str, str]) -> None:
    """A URI outside of the grammar is an error that names its variable and does not repeat it."""
    error = fail(FakeIo(environ=environ))
    assert type(error) is InvalidConfigurationError
    assert next(iter(environ)) in str(error)


@pytest.mark.parametrize(
    ("uri", "direct"),
    [
        ("http://localhost:1/x", True),
        ("http://127.0.0.1:1/x", True),
        ("https://localhost/x", True),
        ("https://169.254.170.2/x", True),
        ("https://broker.example/x", False),
    ],
)
def test_proxies_only_for_far_hosts(uri: str, direct: bool) -> None:
    """Only https to another machine may go through a proxy."""
    io = serving(uri, answer(document()), environ={FULL: uri})
    fetch(provider(), io)
    assert io.requests[0].direct is direct


def test_the_token_file_is_read_every_time() -> None:
    """A token that was replaced in its file is used at the next attempt; a file that comes later is found then."""
    one = provider()
    environ = {FULL: EKS, TOKEN_FILE: EKS_FILE}
    assert "No such file" in str(failure(one, FakeIo(environ=environ)))
    for token in ("first", "second"):
        io = serving(EKS, answer(document()), environ=environ, files={EKS_FILE: token.encode()})
        fetch(one, io)
        assert io.requests[0].headers["Authorization"] == token


@pytest.mark.parametrize(
    ("content", "token"),
    [(b"a b", "a b"), (b"a\n", "a"), (b"a\r\n", "a"), ("\u00e9".encode(), "\u00e9")],
)
def test_one_final_newline_is_not_the_token(content: bytes, token: str) -> None:
    """One line end at the end of the token file is dropped, and nothing else."""
    io = serving(EKS, answer(document()), environ={FULL: EKS, TOKEN_FILE: "/t"}, files={"/t": content})
    fetch(provider(), io)
    assert io.requests[0].headers["Authorization"] == token


SECRET_BYTES = AUTHORIZATION.encode()


@pytest.mark.parametrize(
    ("content", "reason"),
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
def test_bad_token_files(content: bytes | ReadFailure, reason: str) -> None:
    """A missing, unreadable, empty or unusable token file is an error with path and reason, never its content."""
    error = fail(FakeIo(environ={FULL: EKS, TOKEN_FILE: "/the/file"}, files={"/the/file": content}))
    assert type(error) is InvalidConfigurationError
    assert TOKEN_FILE in str(error)
    assert "/the/file" in str(error)
    assert reason in str(error)


def test_a_token_in_the_place_of_its_file() -> None:
    """A token that was put into the variable for its file is not shown as the name of a missing file."""
    error = fail(FakeIo(environ={FULL: EKS, TOKEN_FILE: AUTHORIZATION}))
    assert type(error) is InvalidConfigurationError
    assert f"{TOKEN_FILE} names a file without its directory, which cannot be read: No such file" in str(error)


@pytest.mark.parametrize("rubbish", ["\n", "\r\nX: y", "\x00", "\u4e2d", " ", "\udcff"])
def test_bad_token_variables(rubbish: str) -> None:
    """A token that cannot be a header is refused before anything is sent, naming the variable only."""
    error = fail(FakeIo(environ={FULL: EKS, TOKEN: AUTHORIZATION + rubbish}))
    assert type(error) is InvalidConfigurationError
    assert TOKEN in str(error)


@pytest.mark.parametrize("status", [201, 204, 400, 401, 403, 404, 405])
def test_refusals_are_final(status: int) -> None:
    """Another status than 200 is an error with status and AWS's words, not retried, without path and token."""
    body = {"code": "AccessDenied", "message": f"No {AUTHORIZATION}, no {AUTHORIZATION.split()[1]}."}
    url = f"http://169.254.170.2{ECS}"
    io = serving(url, answer(body, status=status), environ={RELATIVE: ECS, TOKEN: AUTHORIZATION})
    error = failure(provider(max_retries=3), io)
    assert type(error) is RetrievalError
    assert (error.status, error.code) == (status, "AccessDenied")
    for part in ("GET http://169.254.170.2", RELATIVE, str(status), "AccessDenied: No ..., no ...."):
        assert part in str(error)
    assert "3f2a" not in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """A redirect is an error that names where it leads, and nobody is asked there."""
    io = serving(EKS, answer(status=status, location="http://evil.example/x?canary"), environ={FULL: EKS})
    assert "a redirect to evil.example; redirects are not followed" in str(fail(io))


def test_transient_failures_are_retried() -> None:
    """Throttling, the agent's troubles and broken connections are tried again as often as was said."""
    io = serving(
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
    ("silence", "error_type"),
    [
        (TransportFailure("unreachable", "connection refused"), RetrievalError),
        (TransportFailure("broken", "connection closed"), MalformedResponseError),
        (TransportFailure("too large", "more than 65536 bytes came"), MalformedResponseError),
    ],
)
def test_no_answer(silence: TransportFailure, error_type: type[CredentialsError]) -> None:
    """An agent that cannot be talked to is an error with the reason: its address is configured, so a chain stops."""
    error = fail(serving(EKS, silence, environ={FULL: EKS}))
    assert type(error) is error_type
    assert silence.detail in str(error)
    assert "http://169.254.170.23" in str(error)


def test_a_silent_agent_costs_its_budget() -> None:
    """With retries the whole attempt ends within (1 + retries) × timeout, with the real reason."""
    io = FakeIo(environ={FULL: EKS})
    io.script = [("GET", EKS, io.timeout)] * 4
    start = io.monotonic()
    error = failure(provider(max_retries=3, timeout=0.5), io)
    assert type(error) is ProviderTimeoutError
    assert "nothing came within" in str(error)
    assert io.monotonic() - start == pytest.approx(2.0)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"<html>", document(SecretAccessKey=None), document(Expiration="soon"), document(AccessKeyId=...)],
    ids=repr,
)
def test_malformed_answers(body: object) -> None:
    """A good status with a bad document is malformed, and not asked for again."""
    error = failure(provider(max_retries=3), serving(EKS, answer(body), environ={FULL: EKS}))
    assert type(error) is MalformedResponseError


def test_expired_answers_are_refused() -> None:
    """Keys that have ended are not handed out; unlike with EC2 metadata nothing is extended."""
    io = serving(EKS, answer(document(Expiration="2024-01-02T03:04:05Z")), environ={FULL: EKS})
    assert "expired at 2024-01-02T03:04:05+00:00" in str(fail(io))


def test_prints_no_secret() -> None:
    """A provider with an explicit token does not show it."""
    assert (
        repr(provider(full_uri=EKS, authorization_token=AUTHORIZATION)) == "<anycreds provider: container credentials>"
    )


VALUES = st.text() | st.sampled_from(["/v2/x", EKS, "http://localhost/", "https://x", AUTHORIZATION, "/t", "//", " "])


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([RELATIVE, FULL, TOKEN, TOKEN_FILE]), VALUES), st.binary())
def test_any_environment_ends_well(environ: dict[str, str], token: bytes) -> None:
    """Whatever the variables and the token file hold, there is a set or an error of ours; headers can be sent."""
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
