"""The fake's verification of signatures: it accepts botocore's signatures and AWS's examples, and no others."""

from __future__ import annotations

from calendar import timegm
from math import inf
from time import strptime
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import example, given
from hypothesis import strategies as st

from anycreds.testing import CANARY
from anycreds.testing._fake_aws.messages import FakeServiceError
from anycreds.testing._fake_aws.sigv4_canonical import canonical_path
from anycreds.testing._fake_aws.sigv4_verify import SignedBy, verify
from anycreds.testing._fake_aws.state import AccessKey

KEY = AccessKey(
    "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, inf, "arn:aws:iam::123456789012:user/u"
)
SESSION = KEY._replace(access_key_id="ASIASESSION", session_token="session-token", expiration=2e9)
KEYS = {key.access_key_id: key for key in (KEY, SESSION)}
NOW = 1_704_164_645.0  # 2024-01-02T03:04:05Z, the time of the known answers
BODY = (
    b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FDemo"
    b"&RoleSessionName=demo&DurationSeconds=3600"
)


class Signed(NamedTuple):
    method: str
    target: str
    headers: dict[bytes, bytes]
    body: bytes

    def verify(self, now: float = NOW, service: str = "sts", region: str | None = None) -> SignedBy | FakeServiceError:
        try:
            return verify(*self, find_key=KEYS.get, now=now, service=service, region=region)
        except FakeServiceError as error:
            return error

    def but(self, **headers: str | None) -> Signed:
        """Return it with other headers; None takes one away."""
        changed = dict(self.headers)
        for name, value in headers.items():
            changed.pop(name.replace("_", "-").encode(), None)
            if value is not None:
                changed[name.replace("_", "-").encode()] = value.encode()
        return self._replace(headers=changed)

    def but_in_authorization(self, old: str, new: str) -> Signed:
        return self.but(authorization=self.headers[b"authorization"].decode().replace(old, new))


@pytest.fixture(autouse=True)
def quiet_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable botocore's log of what it signs, because hypothesis may draw the word that planted secrets contain."""
    monkeypatch.setattr(botocore.auth.logger, "disabled", True)


def known(signature: str, token: str | None = None) -> Signed:
    """Return a request with a signature that two other implementations have computed."""
    names = "content-length;content-type;host;x-amz-content-sha256;x-amz-date" + (";x-amz-security-token" * bool(token))
    headers = {
        b"host": b"sts.us-east-1.amazonaws.com",
        b"content-type": b"application/x-www-form-urlencoded",
        b"content-length": b"134",
        b"x-amz-content-sha256": b"46d83ad4ba3e1ea1139a67344788beeb1f2cded6cd62228b4cbfba74f0170891",
        b"x-amz-date": b"20240102T030405Z",
        b"authorization": f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240102/us-east-1/sts/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}".encode(),
    }
    if token:
        headers[b"x-amz-security-token"] = token.encode()
    return Signed("POST", "/", headers, BODY)


KNOWN = known("e41e8f4f6ea92281904d2c34f93b6115b156ad4a5ed66afde5ab16dda87a6865")


def by_botocore(auth: Any, request: AWSRequest) -> Signed:
    """Return a request as a server receives it, signed by botocore."""
    auth.add_auth(request)
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    headers = {name.lower(): str(value) for name, value in prepared.headers.items()} | {"host": parts.netloc}
    raw = {
        name.encode(): value if isinstance(value, bytes) else value.encode("latin-1") for name, value in headers.items()
    }
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return Signed(prepared.method, target, raw, prepared.body or b"")


def time_of(signed: Signed) -> float:
    text = signed.headers.get(b"x-amz-date", b"").decode() or signed.target.partition("X-Amz-Date=")[2][:16]
    return float(timegm(strptime(text, "%Y%m%dT%H%M%SZ")))


def test_known_signatures_are_accepted() -> None:
    """Signatures of two other implementations are accepted, with and without a session token."""
    assert KNOWN.verify() == SignedBy(KEY, "us-east-1", "sts")
    temporary = known("acd6bec9146f69a795ffbc210af7c441ad6815ea0edd0f2e1aed18b814804ec3", "SESSIONTOKEN")
    owner = KEY._replace(session_token="SESSIONTOKEN")
    assert verify(*temporary, find_key=lambda _: owner, now=NOW, service="sts") == SignedBy(owner, "us-east-1", "sts")


SEGMENT = st.text("abzAZ09-._~!$&'()*+,;=:@ é/%", max_size=6).map(lambda text: quote(text, safe="-._~"))
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_categories=["Cs"]), max_size=8)
VALUE = st.text([chr(number) for number in range(0x20, 0x7F)], max_size=12)
HEADERS = st.dictionaries(st.sampled_from(["x-amz-target", "x-amz-user-agent", "accept", "x-other"]), VALUE, max_size=3)


@given(
    path=st.lists(SEGMENT | st.sampled_from(["", ".", ".."]), max_size=5).map("/".join),
    query=st.lists(st.tuples(TEXT, TEXT), max_size=4),
    headers=HEADERS,
    body=st.binary(max_size=40),
    key=st.sampled_from([KEY, SESSION]),
)
@example(path="", query=[], headers={"x-other": " two  blanks "}, body=b"", key=KEY)
def test_signed_requests_are_accepted(
    path: str, query: list[tuple[str, str]], headers: dict[str, str], body: bytes, key: AccessKey
) -> None:
    """Every request that botocore signs is accepted, but not after a change."""
    text = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    url = f"http://127.0.0.1:8080/{path}" + (f"?{text}" if text else "")
    request = AWSRequest("POST", url, headers=headers, data=body)
    credentials = ReadOnlyCredentials(key.access_key_id, key.secret_access_key, key.session_token)
    signed = by_botocore(botocore.auth.SigV4Auth(credentials, "execute-api", "eu-west-1"), request)
    now = time_of(signed)
    assert signed.verify(now, "execute-api") == SignedBy(key, "eu-west-1", "execute-api")
    for other in (
        signed._replace(body=signed.body + b"x"),
        signed._replace(target=signed.target + "x"),
        signed._replace(method="PUT"),
        signed.but(host="127.0.0.1:8081"),
    ):
        assert codes(other.verify(now, "execute-api")) == "SignatureDoesNotMatch"


def codes(outcome: SignedBy | FakeServiceError) -> str:
    return outcome.code if isinstance(outcome, FakeServiceError) else "accepted"


@pytest.mark.parametrize("key", [KEY, SESSION], ids=["long-term", "session"])
def test_presigned_requests_are_accepted(key: AccessKey) -> None:
    """A presigned request is accepted until it expires, but not after a change."""
    credentials = ReadOnlyCredentials(key.access_key_id, key.secret_access_key, key.session_token)
    auth = botocore.auth.SigV4QueryAuth(credentials, "sts", "us-east-1", expires=900)
    url = "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    signed = by_botocore(auth, AWSRequest("GET", url, headers={"x-k8s-aws-id": "cluster"}))
    now = time_of(signed)
    assert signed.verify(now + 900) == SignedBy(key, "us-east-1", "sts")
    late = signed.verify(now + 901)
    assert isinstance(late, FakeServiceError)
    assert "Signature expired" in late.message
    assert codes(signed.but(x_k8s_aws_id="other").verify(now)) == "SignatureDoesNotMatch"
    assert codes(signed._replace(target=signed.target + "&More=1").verify(now)) == "SignatureDoesNotMatch"


def test_s3_signatures_are_accepted() -> None:
    """For S3, the path is signed as received, and the body may be unsigned."""
    credentials = ReadOnlyCredentials(KEY.access_key_id, KEY.secret_access_key, None)
    request = AWSRequest("PUT", "https://bucket.s3.amazonaws.com/a//b/../c%20d", data=b"body")
    signed = by_botocore(botocore.auth.S3SigV4Auth(credentials, "s3", "us-east-1"), request)
    assert codes(signed.verify(time_of(signed), "s3")) == "accepted"
    presigned = by_botocore(
        botocore.auth.S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=60),
        AWSRequest("GET", "https://bucket.s3.amazonaws.com/a//b%20c"),
    )
    assert codes(presigned.verify(time_of(presigned), "s3")) == "accepted"


def test_canonical_path_is_normalized() -> None:
    """Paths are normalized and encoded again."""
    for path, canonical in (
        ("", "/"),
        ("/", "/"),
        ("//a//b/", "/a/b/"),
        ("/a/./b/../c", "/a/c"),
        ("/a/..", "/"),
        ("/a/b/../", "/a/"),
        ("/../a", "/a"),
        ("/%20", "/%2520"),
    ):
        assert (path, canonical_path(path, "execute-api")) == (path, canonical)


INVALID_SIGNATURES: list[tuple[Signed, str, str]] = [
    (KNOWN.but(authorization=None), "MissingAuthenticationToken", "Request is missing Authentication Token"),
    (KNOWN.but(authorization="Basic x"), "IncompleteSignature", "Unsupported AWS 'algorithm': 'Basic'"),
    (KNOWN.but_in_authorization("Signature=", "Sig="), "IncompleteSignature", "requires 'Signature' parameter"),
    (KNOWN.but_in_authorization("SignedHeaders=", "S="), "IncompleteSignature", "requires 'SignedHeaders'"),
    (KNOWN.but_in_authorization("Credential=", "C="), "IncompleteSignature", "requires 'Credential'"),
    (KNOWN.but_in_authorization("/sts/", "/"), "IncompleteSignature", "exactly 5 slash-delimited elements"),
    (KNOWN.but(x_amz_date=None), "IncompleteSignature", "X-Amz-Date"),
    (KNOWN.but(x_amz_date="2024-01-02T03:04:05Z"), "IncompleteSignature", "ISO-8601 'basic format'"),
    (KNOWN.but(x_amz_date="20241302T030405Z"), "IncompleteSignature", "ISO-8601 'basic format'"),
    (KNOWN.but_in_authorization("AKIDEXAMPLE", "AKIDOTHER"), "InvalidClientTokenId", "token included in the"),
    (KNOWN.but_in_authorization("AKIDEXAMPLE", "ASIASESSION"), "InvalidClientTokenId", "token included in the"),
    (KNOWN.but(x_amz_security_token="made up"), "InvalidClientTokenId", "token included in the"),
    (KNOWN.but_in_authorization("aws4_request", "aws5"), "SignatureDoesNotMatch", "valid terminator"),
    (KNOWN.but_in_authorization("/sts/", "/s3/"), "SignatureDoesNotMatch", "correct service: 'sts'"),
    (KNOWN.but_in_authorization("/us-east-1/", "/nowhere/"), "SignatureDoesNotMatch", "valid region"),
    (KNOWN.but_in_authorization("/20240102/", "/20240103/"), "SignatureDoesNotMatch", "does not match YYYYMMDD"),
    (KNOWN.but_in_authorization(";host", ""), "SignatureDoesNotMatch", "'Host' must be a 'SignedHeader'"),
    (KNOWN.but_in_authorization(";x-amz-date", ""), "SignatureDoesNotMatch", "'x-amz-date' must be a"),
    (KNOWN.but(x_amz_more="1"), "SignatureDoesNotMatch", "'x-amz-more' must be a 'SignedHeader'"),
    (KNOWN.but_in_authorization("Signature=e", "Signature=f"), "SignatureDoesNotMatch", "we calculated does not"),
    (KNOWN.but(content_length="135"), "SignatureDoesNotMatch", "we calculated does not match"),
    (KNOWN._replace(body=BODY + b"&"), "XAmzContentSHA256Mismatch", "does not match what was computed"),
    (KNOWN.but(x_amz_content_sha256="UNSIGNED-PAYLOAD"), "XAmzContentSHA256Mismatch", "does not match what"),
]


def test_invalid_signatures_get_the_errors_of_aws() -> None:
    """Each invalid signature gets AWS's error code and message."""
    for number, (request, code, message) in enumerate(INVALID_SIGNATURES):
        outcome = request.verify()
        assert isinstance(outcome, FakeServiceError), number
        assert (number, outcome.status >= 400, outcome.code) == (number, True, code)
        assert message in outcome.message, number


def test_other_region_is_rejected() -> None:
    """With ``region``, a signature for another region is rejected."""
    assert codes(KNOWN.verify(region="us-east-1")) == "accepted"
    assert codes(KNOWN.verify(region="eu-west-1")) == "SignatureDoesNotMatch"


def test_other_time_is_rejected() -> None:
    """A signature is accepted within five minutes of its time, and rejected with AWS's message outside of them."""
    assert codes(KNOWN.verify(NOW + 300)) == codes(KNOWN.verify(NOW - 300)) == "accepted"
    late, early = KNOWN.verify(NOW + 301), KNOWN.verify(NOW - 301)
    assert isinstance(late, FakeServiceError)
    assert isinstance(early, FakeServiceError)
    assert late.code == early.code == "SignatureDoesNotMatch"
    assert late.message == (
        "Signature expired: 20240102T030405Z is now earlier than 20240102T030406Z (20240102T030906Z - 5 min.)"
    )
    assert early.message == (
        "Signature not yet current: 20240102T030405Z is still later than 20240102T030404Z (20240102T025904Z + 5 min.)"
    )


def test_key_of_an_expired_session_is_rejected() -> None:
    """The key of an expired session is rejected as expired."""
    expired = KEY._replace(expiration=NOW)
    with pytest.raises(
        FakeServiceError, match=r"^ExpiredToken: The security token included in the request is expired$"
    ):
        verify(*KNOWN, find_key=lambda _: expired, now=NOW, service="sts")


def test_invalid_presigned_requests_are_rejected() -> None:
    """A presigned query that is incomplete, changed, or valid for too long is rejected."""
    credentials = ReadOnlyCredentials(KEY.access_key_id, KEY.secret_access_key, None)
    auth = botocore.auth.SigV4QueryAuth(credentials, "sts", "us-east-1", expires=60)
    signed = by_botocore(auth, AWSRequest("GET", "https://sts.amazonaws.com/?Action=GetCallerIdentity"))
    for old, new, code in (
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA", "IncompleteSignature"),
        ("X-Amz-Signature=", "X-Amz-Sig=", "IncompleteSignature"),
        ("X-Amz-Expires=60", "X-Amz-Expires=-1", "IncompleteSignature"),
        ("X-Amz-Expires=60", "X-Amz-Expires=0", "AuthorizationQueryParametersError"),
        ("X-Amz-Expires=60", "X-Amz-Expires=604801", "AuthorizationQueryParametersError"),
        ("X-Amz-Expires=60", "X-Amz-Expires=61", "SignatureDoesNotMatch"),
    ):
        assert old in signed.target
        changed = signed._replace(target=signed.target.replace(old, new))
        assert (new, codes(changed.verify(time_of(signed)))) == (new, code)


def test_repr_has_no_secret() -> None:
    """The repr of a key or signer contains no secret."""
    key = AccessKey("ASIA", f"{CANARY}-secret", f"{CANARY}-token", inf, KEY.arn)
    assert CANARY not in repr(SignedBy(key, "us-east-1", "sts"))
