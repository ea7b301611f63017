"""Tests that signatures equal those of botocore, byte for byte, and those in AWS's documentation."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import example, given
from hypothesis import strategies as st

from anycreds import Credentials
from anycreds._core.http import Url
from anycreds._core.validation import InvalidValueError
from anycreds._wire import sigv4
from anycreds._wire.sigv4 import (
    LONGEST_EXPIRES,
    UNSIGNED_PAYLOAD,
    Scope,
    check_signable,
    payload_hash,
    presign,
    sign_headers,
)
from support.errors import outcome, rejected
from support.rows import each_row

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
STS = Scope("us-east-1", "sts")
ROOT = Url("https", "sts.us-east-1.amazonaws.com", None, "/")

ASCII = [chr(number) for number in range(0x21, 0x7F)]
TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Headers that a signer sets itself, or that botocore treats in its own way.
RESERVED = {"authorization", "date", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"}
IN_PATHS = "abzAZ09-._~!$&'()*+,;=:@"  # the characters that RFC 3986 allows in a path


def percent(text: str) -> str:
    """Return a text percent-encoded as AWS's own SDKs send it."""
    return quote(text, safe="-_.~")


secrets = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60).filter(str.strip)
tokens = st.text(ASCII, min_size=1, max_size=60)
credentials = st.builds(Credentials, st.text(ASCII, min_size=1, max_size=24), secrets, st.none() | tokens)
scopes = st.builds(
    Scope, st.sampled_from(("us-east-1", "eusc-de-east-1")), st.sampled_from(("sts", "s3", "dynamodb", "execute-api"))
)
times = st.floats(0, 4e9)
methods = st.sampled_from(("GET", "POST", "PUT", "delete", "HEAD", "Patch"))
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
encoded_words = words.map(percent)
segments = st.one_of(
    encoded_words, st.text(list(IN_PATHS), max_size=6), st.sampled_from(("", ".", "..", "...", "%2F", "%2e%2E", "%"))
)
paths = st.lists(segments, max_size=6).map(lambda parts: "/" + "/".join(parts))
s3_paths = st.lists(encoded_words | st.sampled_from(("", ".", "..")), max_size=6).map(
    lambda parts: "/" + "/".join(parts)
)
parts = st.lists(
    st.tuples(encoded_words, st.sampled_from(("=", "")), encoded_words).map(
        lambda pair: "".join(pair if pair[1] else pair[:1])
    ),
    max_size=6,
)
header_values = st.text([*ASCII, " ", " ", "\t"], max_size=20)
headers = st.lists(
    st.tuples(
        st.text(TOKEN_CHARACTERS, min_size=1, max_size=12) | st.sampled_from(botocore.auth.SIGNED_HEADERS_BLACKLIST),
        header_values,
    ).filter(lambda pair: pair[0].lower() not in RESERVED),
    max_size=6,
)
hosts = st.sampled_from(
    (("sts.us-east-1.amazonaws.com", None), ("example.com", 8443), ("::1", 4566), ("127.0.0.1", 80))
)


class Case(NamedTuple):
    """A request without its body."""

    keys: Credentials = KEYS
    scope: Scope = STS
    now: float = NOW
    method: str = "GET"
    url: Url = ROOT
    sent: Sequence[tuple[str, str]] = ()


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw requests whose URL clients send unchanged; for S3, with keys in their canonical form."""
    scope = draw(scopes)
    host, port = draw(hosts)
    query = "&".join(draw(parts))
    target = draw(s3_paths if scope.service == "s3" else paths) + (f"?{query}" if query else "")
    return Case(draw(credentials), scope, draw(times), draw(methods), Url("https", host, port, target), draw(headers))


def theirs(kind: str, case: Case, request: AWSRequest, **options: Any) -> AWSRequest:
    """Let botocore sign a request, and return it."""
    for name, value in case.sent:
        request.headers[name] = value  # this adds a second header of the same name
    signer = getattr(botocore.auth, ("S3" if case.scope.service == "s3" else "") + kind)
    keys = ReadOnlyCredentials(case.keys.access_key_id, case.keys.secret_access_key, case.keys.session_token)
    moment = datetime.fromtimestamp(case.now, UTC).replace(tzinfo=None)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=moment):
        signer(keys, case.scope.service, case.scope.region, **options).add_auth(request)
    return request


def added(request: AWSRequest, case: Case) -> dict[str, str]:
    """Return the headers that botocore has added."""
    there = {name.lower() for name, _ in case.sent}
    return {name.lower(): value for name, value in request.headers.items() if name.lower() not in there}


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    """Silence botocore, which logs what it signs, session tokens too."""
    with mock.patch.object(botocore.auth.logger, "disabled", True):
        yield


@given(cases(), st.binary(max_size=40))
@example(Case(url=ROOT._replace(target="/?a=1&a-b=2&a=0")), b"")
@example(Case(url=ROOT._replace(target="/a/../b//./c%20d/?=&&x"), sent=[("A", "1"), ("a", " 2\t 3 ")]), b"")
@example(Case(scope=Scope("us-east-1", "s3"), url=ROOT._replace(target="/a//../%2F%C3%A4")), b"body")
def test_headers_equal_botocores(case: Case, body: bytes) -> None:
    """For any request, the headers to add are exactly botocore's."""
    signed = theirs("SigV4Auth", case, AWSRequest(case.method, str(case.url), data=body))
    assert sign_headers(*case[:5], headers=case.sent, body=body) == added(signed, case)


@given(cases())
def test_unsigned_body_is_declared_in_a_header(case: Case) -> None:
    """A header says that the body is not signed, and it is signed as in botocore."""
    request = AWSRequest(case.method, str(case.url), data=b"not signed")
    request.context["payload_signing_enabled"] = False
    request.context["client_config"] = SimpleNamespace(s3={"payload_signing_enabled": False})
    ours = sign_headers(*case[:5], headers=case.sent, body=None)
    assert ours == added(theirs("SigV4Auth", case, request), case)
    assert ours["x-amz-content-sha256"] == UNSIGNED_PAYLOAD


@given(cases(), st.integers(1, LONGEST_EXPIRES))
@example(Case(url=ROOT._replace(target="/?b&&=&a=%20")), 1)
def test_presigned_queries_equal_botocores(case: Case, expires: int) -> None:
    """A presigned query equals botocore's, which keeps only the first of equal names."""
    path, _, query = case.url.target.partition("?")
    kept: dict[str, str] = {}
    for part in query.split("&"):
        kept.setdefault(part.partition("=")[0], part)
    case = case._replace(url=case.url._replace(target=f"{path}?{'&'.join(kept.values())}"))
    signed = theirs("SigV4QueryAuth", case, AWSRequest(case.method, str(case.url), data=b""), expires=expires)
    assert presign(*case[:5], expires=expires, headers=case.sent) == signed.url.partition("?")[2]


@given(cases(), st.lists(words, min_size=1, max_size=4), words)
def test_presigned_query_with_equal_names(case: Case, values: list[str], name: str) -> None:
    """Values of one name stay together and in order, like botocore's values of a list."""
    request = AWSRequest(case.method, str(ROOT), params={name: values})
    query = "&".join(f"{percent(name)}={percent(value)}" for value in values)
    case = case._replace(url=ROOT._replace(target=f"/?{query}"))
    signed = theirs("SigV4QueryAuth", case, request, expires=60)
    assert presign(*case[:5], expires=60, headers=case.sent) == signed.url.partition("?")[2]


BODY = (
    b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FDemo"
    b"&RoleSessionName=demo&DurationSeconds=3600"
)
FORM = {
    "content-type": "application/x-www-form-urlencoded",
    "content-length": "134",
    "x-amz-content-sha256": "46d83ad4ba3e1ea1139a67344788beeb1f2cded6cd62228b4cbfba74f0170891",
}
JAVASCRIPT = [
    (None, "", "e41e8f4f6ea92281904d2c34f93b6115b156ad4a5ed66afde5ab16dda87a6865"),
    ("SESSIONTOKEN", ";x-amz-security-token", "acd6bec9146f69a795ffbc210af7c441ad6815ea0edd0f2e1aed18b814804ec3"),
]


@pytest.mark.parametrize(("token", "more", "signature"), JAVASCRIPT)
def test_assume_role_equals_javascript(token: str | None, more: str, signature: str) -> None:
    """AssumeRole has the signature of the JavaScript SDK, which sends the hash of the body as a header."""
    assert payload_hash(BODY) == FORM["x-amz-content-sha256"]
    added = sign_headers(KEYS.replace(session_token=token), STS, NOW, "POST", ROOT, headers=FORM, body=BODY)
    names = f"content-length;content-type;host;x-amz-content-sha256;x-amz-date{more}"
    assert added.pop("authorization") == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240102/us-east-1/sts/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    assert added == {"x-amz-date": "20240102T030405Z", **({"x-amz-security-token": token} if token else {})}


# The key and the requests of the Amazon S3 API Reference, pages on "Authenticating Requests".
S3_KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
S3 = Scope("us-east-1", "s3")
S3_NOW = datetime(2013, 5, 24, tzinfo=UTC).timestamp()
S3_URL = Url("https", "examplebucket.s3.amazonaws.com", None, "/test.txt")


def test_documented_s3_object() -> None:
    """The documented GET of ten bytes has the documented signature."""
    added = sign_headers(S3_KEYS, S3, S3_NOW, "GET", S3_URL, headers={"Range": "bytes=0-9"})
    assert added["x-amz-content-sha256"] == payload_hash(b"")
    assert added["authorization"].endswith("=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")


def test_documented_presigned_s3_url() -> None:
    """The documented presigned GET has the documented query."""
    assert presign(S3_KEYS, S3, S3_NOW, "GET", S3_URL, expires=86400) == (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize("port", [5432, 443])
def test_database_token_equals_botocores(port: int) -> None:
    """The query of an RDS token equals botocore's, for a default port and for another one."""
    url = Url("https", "db.example.com", port, "/?Action=connect&DBUser=j%C3%B6")
    case = Case(scope=Scope("eu-west-1", "rds-db"), url=url)
    signed = theirs("SigV4QueryAuth", case, AWSRequest("GET", str(url)), expires=900)
    assert presign(*case[:5], expires=900) == signed.url.partition("?")[2]


def signature(url: Url, scope: Scope = STS, sent: Mapping[str, str] | None = None) -> str:
    """Return the signature of a GET."""
    added = sign_headers(KEYS, scope, NOW, "GET", url, headers=sent or {})
    return added["authorization"].rpartition("=")[2]


@each_row(
    "sent, meant",
    [
        ("a=b+c", "a=b%20c"),  # HTTP clients encode a blank in a form as +
        ("a=b:/?c", "a=b%3A%2F%3Fc"),
        ("%61=%c3%a4", "a=%C3%A4"),
        ("a=(1)'*!", "a=%281%29%27%2A%21"),
        ("a=%", "a=%25"),
        ("a=%zz%7E", "a=%25zz~"),
        ("a=b=c", "a=b%3Dc"),
        ("a=%FF%fe", "a=%FF%FE"),
    ],
)
def test_query_is_normalized(sent: str, meant: str) -> None:
    """What clients leave unencoded, or encode in lower case, is signed in the form that the service computes."""
    assert signature(ROOT._replace(target=f"/?{sent}")) == signature(ROOT._replace(target=f"/?{meant}"))


@each_row(
    "sent, meant", [("/a(1)/b!", "/a%281%29/b%21"), ("/%c3%a4", "/%C3%A4"), ("/a%2Db", "/a-b"), ("/a+b", "/a%2Bb")]
)
def test_s3_key_is_normalized(sent: str, meant: str) -> None:
    """An S3 key that a client encodes differently is signed in S3's form."""
    assert signature(S3_URL._replace(target=sent), S3) == signature(S3_URL._replace(target=meant), S3)


def test_encoded_slash_in_s3_key() -> None:
    """Encoded slashes, dots and empty parts are kept in the path of an S3 object."""
    targets = ("/a/b", "/a%2Fb", "/a//b", "/a/./b", "/a/x/../b", "/a/b/")
    assert len({signature(S3_URL._replace(target=target), S3) for target in targets}) == len(targets)


def test_header_host_precedes_the_host_of_the_url() -> None:
    """The port of the URL is signed; a header ``Host`` takes precedence over the URL."""
    with_port = ROOT._replace(port=443)
    assert signature(with_port) == signature(ROOT, sent={"Host": f"{ROOT.host}:443"})
    assert signature(with_port) != signature(ROOT)
    assert signature(with_port, sent={"HOST": ROOT.host}) == signature(ROOT)


def test_headers_of_an_earlier_signature() -> None:
    """The headers of an earlier signature, and those that proxies change, do not change the signature."""
    earlier = {"Authorization": "old", "X-Amz-Date": "20200101T000000Z", "User-Agent": "x", "X-Amzn-Trace-Id": "1"}
    assert signature(ROOT, sent=earlier) == signature(ROOT)
    assert signature(ROOT, sent={"accept": "x"}) != signature(ROOT)


@pytest.mark.parametrize("scope", [STS, S3])
def test_given_hash_of_the_body(scope: Scope) -> None:
    """A header with the body's hash, its name in any case, replaces the hash of the body and is not added again."""
    sent = {"X-Amz-Content-SHA256": payload_hash(BODY)}
    one, *others = (sign_headers(KEYS, scope, NOW, "PUT", ROOT, headers=sent, body=body) for body in (BODY, b"x", None))
    assert others == [one, one]
    assert isinstance(one, dict)
    assert one.keys() == {"x-amz-date", "authorization"}


def test_given_hash_of_the_body_of_a_presigned_request() -> None:
    """In a presigned request, too, a header with the body's hash replaces the hash of the body."""
    sent = {"X-Amz-Content-SHA256": payload_hash(BODY)}
    one, other = (presign(KEYS, STS, NOW, "PUT", ROOT, expires=60, headers=sent, body=body) for body in (BODY, b"x"))
    assert one == other
    assert other != presign(KEYS, STS, NOW, "PUT", ROOT, expires=60, body=b"x")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot change the time zone of a process")
def test_time_of_a_signature_is_utc() -> None:
    """The date of a signature does not depend on the time zone of the machine."""
    try:
        with mock.patch.dict(os.environ, TZ="Asia/Tokyo"):
            time.tzset()
            assert sign_headers(KEYS, STS, NOW, "GET", ROOT)["x-amz-date"] == "20240102T030405Z"
    finally:
        time.tzset()


@pytest.mark.fault("S23")
def test_no_key_is_cached() -> None:
    """Two secrets with one access key id give two signatures, since no derived key is cached."""
    one, other = (sign_headers(KEYS.replace(secret_access_key=text), STS, NOW, "GET", ROOT) for text in ("a1", "a2"))
    assert one != other


UNSENDABLE = [
    (
        KEYS.replace(session_token="canary-ö"),
        {},
        "the session token has a character that an HTTP header cannot contain",
    ),
    (KEYS.replace(session_token="canary "), {}, "the session token begins or ends with a blank"),
    (KEYS.replace(access_key_id="AKIDÖ"), {}, "the access key id has a character that an HTTP header cannot contain"),
    (KEYS, {"x-canary": "canary-€"}, "a header has a character that an HTTP header cannot contain"),
    (KEYS, {"x-canary": "canary-\ud800"}, "a header has a character that an HTTP header cannot contain"),
    (KEYS, {"x-ö": "canary"}, "a header has a character that an HTTP header cannot contain"),
]


@each_row("keys, sent, problem", UNSENDABLE)
def test_values_that_headers_cannot_contain(keys: Credentials, sent: dict[str, str], problem: str) -> None:
    """A value that no header can contain is rejected by name and not repeated; in a query it is encoded."""
    assert str(rejected(sign_headers, keys, STS, NOW, "GET", ROOT, headers=sent)) == problem
    checked = outcome(check_signable, keys)
    assert checked is None if sent else str(checked) == problem
    presigned = outcome(presign, keys, STS, NOW, "GET", ROOT, expires=60, headers=sent)
    assert str(presigned) == problem if sent else isinstance(presigned, str)


@pytest.mark.parametrize("expires", [0, -1, LONGEST_EXPIRES + 1])
def test_limits_of_expires(expires: int) -> None:
    """A duration that no service accepts is rejected; the limits are accepted."""
    assert "seconds" in str(rejected(presign, KEYS, STS, NOW, "GET", ROOT, expires=expires))
    assert "Expires=1&" in presign(KEYS, STS, NOW, "GET", ROOT, expires=1)
    assert f"Expires={LONGEST_EXPIRES}&" in presign(KEYS, STS, NOW, "GET", ROOT, expires=LONGEST_EXPIRES)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=12)), st.binary(max_size=8))
def test_any_headers_are_signed_or_rejected(sent: dict[str, str], body: bytes) -> None:
    """Any text in headers gives a signature or ``InvalidValueError``."""
    for scope in (STS, S3):
        signed = outcome(sign_headers, KEYS, scope, NOW, "GET", ROOT, headers=sent, body=body)
        assert isinstance(signed, dict | InvalidValueError)
        presigned = outcome(presign, KEYS, scope, NOW, "GET", ROOT, expires=1, headers=sent)
        assert isinstance(presigned, str | InvalidValueError)


@pytest.mark.fault("S23")
def test_secret_key_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the result nor any value of the module contains the secret key; nothing is printed or logged."""
    keys = Credentials("AKIDEXAMPLE", "secret-canary-key", "token-canary")
    shown = [
        repr(STS), str(STS),
        repr(sign_headers(keys, STS, NOW, "POST", ROOT, body=b"canary")),
        repr(sign_headers(keys, S3, NOW, "PUT", ROOT, body=None)),
        repr(presign(keys, S3, NOW, "GET", ROOT, expires=60)),
        repr(vars(sigv4)),
    ]  # fmt: skip
    assert not any("secret-canary-key" in text for text in shown)
    assert "canary" not in shown[-1]
    assert capsys.readouterr() == ("", "")
