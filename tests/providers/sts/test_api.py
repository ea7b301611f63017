"""STS: forms byte by byte, whole sets or an error that names the field, and refusals that say what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycreds._core.credentials import Credentials
from anycreds._core.errors import MalformedResponseError, RetrievalError
from anycreds._core.http import Response
from anycreds._providers.sts.requests import assume_role_form, web_identity_form
from anycreds._providers.sts.responses import HINTS, parse_credentials, parse_error_response
from anycreds._wire.service_errors import ErrorResponse, service_error
from support.errors import outcome
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, answer, assert_no_secret

SOURCE = "assume role"
ARN = "arn:aws:iam::123456789012:role/Demo"
ROLE: Literal["AssumeRole"] = "AssumeRole"
WEB: Literal["AssumeRoleWithWebIdentity"] = "AssumeRoleWithWebIdentity"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
TOKEN = "eyJ.canary-web-identity.x"


def body(
    operation: str = ROLE,
    *,
    inside: str = "",
    user: str = "arn:aws:sts::123456789012:assumed-role/Demo/me",
    **changes: str,
) -> bytes:
    """Make an answer of STS; a field that is changed to ... is left out, and ``inside`` is added to the set."""
    fields = {
        "AccessKeyId": KEY_ID,
        "SecretAccessKey": SECRET_KEY,
        "SessionToken": SESSION_TOKEN,
        "Expiration": "2024-01-02T04:04:05Z",
        **changes,
    }
    given = "".join(f"<{name}>{escape(value)}</{name}>\n" for name, value in fields.items() if value != "...")
    return f"""<{operation}Response xmlns="{NAMESPACE}">
  <{operation}Result>
    <AssumedRoleUser><AssumedRoleId>AROA:me</AssumedRoleId><Arn>{escape(user)}</Arn></AssumedRoleUser>
    <Credentials>{given}{inside}</Credentials>
    <PackedPolicySize>6</PackedPolicySize>
  </{operation}Result>
  <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>
</{operation}Response>""".encode()


def given_by(content: bytes, operation: Literal["AssumeRole", "AssumeRoleWithWebIdentity"] = ROLE) -> Credentials:
    """Read an answer that is right."""
    found = outcome(parse_credentials, answer(content), operation, SOURCE)
    assert isinstance(found, Credentials), found
    return found


def malformed(content: bytes, *secrets: str, status: int = 200, **headers: str) -> MalformedResponseError:
    """Read an answer that must be refused."""
    error = outcome(parse_credentials, answer(content, status, **headers), ROLE, SOURCE, secrets)
    assert isinstance(error, MalformedResponseError)
    assert (error.source, error.status) == (SOURCE, status)
    assert_no_secret(error, TOKEN)
    return error


def test_the_vector_of_the_reference() -> None:
    """The body whose signature is known comes out byte by byte, whatever the order of what goes in."""
    params = {"DurationSeconds": 3600, "RoleSessionName": "demo", "RoleArn": ARN}
    assert assume_role_form(params) == (
        b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FDemo"
        b"&RoleSessionName=demo&DurationSeconds=3600"
    )
    assert len(assume_role_form(params)) == 134


def test_every_parameter_of_a_role() -> None:
    """All parameters of AssumeRole are sent, in the fixed order, lists numbered from 1."""
    params = {
        "ProvidedContexts": [{"ContextAssertion": "ca", "ProviderArn": "pa"}],
        "SourceIdentity": "me",
        "TokenCode": "012345",
        "SerialNumber": "mfa",
        "ExternalId": "ext",
        "TransitiveTagKeys": ["k1", "k2"],
        "Tags": [{"Value": "v1", "Key": "k1"}, {"Key": "k2", "Value": ""}],
        "DurationSeconds": 900,
        "Policy": "{}",
        "PolicyArns": [{"arn": "a1"}, {"arn": "a2"}],
        "RoleSessionName": "s",
        "RoleArn": "r",
        "NoSuchParameter": "x",
    }
    assert parse_qsl(assume_role_form(params).decode(), keep_blank_values=True) == [
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", "r"),
        ("RoleSessionName", "s"),
        ("PolicyArns.member.1.arn", "a1"),
        ("PolicyArns.member.2.arn", "a2"),
        ("Policy", "{}"),
        ("DurationSeconds", "900"),
        ("Tags.member.1.Key", "k1"),
        ("Tags.member.1.Value", "v1"),
        ("Tags.member.2.Key", "k2"),
        ("Tags.member.2.Value", ""),
        ("TransitiveTagKeys.member.1", "k1"),
        ("TransitiveTagKeys.member.2", "k2"),
        ("ExternalId", "ext"),
        ("SerialNumber", "mfa"),
        ("TokenCode", "012345"),
        ("SourceIdentity", "me"),
        ("ProvidedContexts.member.1.ProviderArn", "pa"),
        ("ProvidedContexts.member.1.ContextAssertion", "ca"),
    ]


def test_every_parameter_of_a_web_identity() -> None:
    """All parameters of AssumeRoleWithWebIdentity are sent, in the fixed order, and none of the other operation."""
    params = {
        "DurationSeconds": 900,
        "Policy": "{}",
        "PolicyArns": ({"arn": "a1"},),
        "ProviderId": "www.amazon.com",
        "WebIdentityToken": TOKEN,
        "RoleSessionName": "s",
        "RoleArn": "r",
        "ExternalId": "x",
        "TokenCode": "x",
    }
    assert parse_qsl(web_identity_form(params).decode()) == [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", "r"),
        ("RoleSessionName", "s"),
        ("WebIdentityToken", TOKEN),
        ("ProviderId", "www.amazon.com"),
        ("PolicyArns.member.1.arn", "a1"),
        ("Policy", "{}"),
        ("DurationSeconds", "900"),
    ]


def test_leaves_out_what_is_not_given() -> None:
    """None and empty lists are not sent; a text that is empty is."""
    params: dict[str, object] = {
        "RoleArn": "r",
        "Policy": None,
        "Tags": [],
        "PolicyArns": (),
        "TransitiveTagKeys": None,
        "ExternalId": "",
    }
    assert assume_role_form(params) == b"Action=AssumeRole&Version=2011-06-15&RoleArn=r&ExternalId="


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("a b+c", b"a%20b%2Bc"),
        ("~-._", b"~-._"),
        ("&=;/?:@%", b"%26%3D%3B%2F%3F%3A%40%25"),
        ("\u00e9\u20ac\U0001f600", b"%C3%A9%E2%82%AC%F0%9F%98%80"),
        ("\r\n", b"%0D%0A"),
        ("!*'()", b"%21%2A%27%28%29"),
        ("\ud800", b"%ED%A0%80"),
    ],
)
def test_percent_encoding(text: str, sent: bytes) -> None:
    """RFC 3986: all but unreserved characters, as UTF-8; a blank is %20. Not even a lone surrogate raises."""
    assert assume_role_form({"RoleArn": text}).endswith(b"&RoleArn=" + sent)


@given(st.text(max_size=50))
@settings(max_examples=100, deadline=None)
def test_any_text_arrives(text: str) -> None:
    """What is sent is read as what it was, and nothing in a value begins another field."""
    sent = web_identity_form({"WebIdentityToken": text, "RoleArn": text}).decode("ascii")
    assert parse_qsl(sent, keep_blank_values=True)[2:] == [("RoleArn", text), ("WebIdentityToken", text)]


@pytest.mark.parametrize("operation", [ROLE, WEB])
def test_reads_a_whole_set(operation: Literal["AssumeRole", "AssumeRoleWithWebIdentity"]) -> None:
    """The answer of either operation becomes a set, with the account of the role."""
    assert given_by(body(operation), operation) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 4, 4, 5, tzinfo=UTC),
        account_id="123456789012",
        source=SOURCE,
    )


def test_needs_no_namespace() -> None:
    """What stands in for STS may leave the namespace out, or give it a prefix."""
    plain = body().replace(f' xmlns="{NAMESPACE}"'.encode(), b"")
    assert given_by(plain) == given_by(body())
    prefixed = plain.replace(b"<", b"<sts:").replace(b"<sts:/", b"</sts:")
    assert given_by(prefixed.replace(b"Response>", b"Response xmlns:sts='urn:x'>", 1)) == given_by(body())


@pytest.mark.parametrize(
    "arn",
    ["", "Demo", "arn:aws:sts:", "arn:aws:sts::", "arn:aws:sts:::assumed-role/Demo/me", "arn:aws:sts:: :x", "::::\n:"],
)
def test_an_account_that_cannot_be_right_is_none(arn: str) -> None:
    """The account says nothing about the keys, so that they are good without it."""
    found = given_by(body(user=arn))
    assert (found.account_id, found.secret_access_key) == (None, SECRET_KEY)


def test_an_account_that_is_not_there_is_none() -> None:
    """No role user, or two, is no account; five fields are enough for one."""
    user = b"<AssumedRoleUser>%s</AssumedRoleUser>" % b"<Arn>a:b:c:d:e</Arn>"
    begin, rest = body().split(b"<AssumedRoleUser>")
    end = rest.split(b"</AssumedRoleUser>")[1]
    accounts = [given_by(begin + user * count + end).account_id for count in (0, 1, 2)]
    assert accounts == [None, "e", None]


@pytest.mark.parametrize("field", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("...", "is missing"),
        ("", "is blank"),
        (" \u00a0", "is blank"),
        (SECRET_KEY + "\n", "U+000A"),
        (SECRET_KEY + "\t", "U+0009"),
        (SECRET_KEY + "\x7f", "U+007F"),
        (SECRET_KEY + "\x85", "U+0085"),
        (SECRET_KEY + "x" * 16 * 1024, "characters"),
    ],
)
def test_refuses_what_is_no_key(field: str, value: str, said: str) -> None:
    """Each of the four is required and checked; the error names it and shows nothing of it."""
    error = malformed(body(**{field: value}))
    assert error.field == field
    assert field in str(error)
    assert said in str(error)


@pytest.mark.parametrize("field", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
@pytest.mark.parametrize(
    ("inside", "said"),
    [("<{}>{}</{}>", "more than once"), ("<n:{} xmlns:n='u'>{}</n:{}>", "more than once")],
)
def test_refuses_a_field_twice(field: str, inside: str, said: str) -> None:
    """A field that stands twice would be read differently by different parsers."""
    error = malformed(body(inside=inside.format(field, SECRET_KEY, field)))
    assert error.field == field
    assert said in str(error)


@pytest.mark.parametrize("field", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
def test_refuses_elements_in_a_field(field: str) -> None:
    """A field with elements in it is no text."""
    error = malformed(body(**{field: "..."}, inside=f"<{field}>{SECRET_KEY}<x/></{field}>"))
    assert error.field == field
    assert "elements" in str(error)


@pytest.mark.parametrize("text", ["soon", "1704168245", "2024-01-02", "9999-12-31T23:59:60Z"])
def test_refuses_what_is_no_time(text: str) -> None:
    """An expiration that cannot be read is an error: it would be noticed too late."""
    assert malformed(body(Expiration=text)).field == "Expiration"


@pytest.mark.parametrize("name", ["Credentials", "AssumeRoleResult"])
def test_refuses_a_set_that_is_not_there_once(name: str) -> None:
    """Without the set, or with two, whether right or not, there is none."""
    content = body()
    begin, end = content.index(f"<{name}>".encode()), content.index(f"</{name}>".encode()) + len(name) + 3
    for count, said in ((0, "is missing"), (2, "more than once")):
        error = malformed(content[:begin] + content[begin:end] * count + content[end:])
        assert error.field == "Credentials"
        assert said in str(error)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"{}", "is not XML"),
        (b"<AssumeRoleResponse>", "is not XML"),
        (b"<AssumeRoleResponse/>", "Credentials in the response is missing"),
        (body(WEB), "is not an AssumeRoleResponse"),
        (b"<x/>", "is not an AssumeRoleResponse"),
        (b"<!DOCTYPE x><x/>", "document type"),
        (b"\xff", "UTF-8"),
    ],
)
def test_refuses_what_is_not_the_answer(content: bytes, said: str) -> None:
    """An answer of another kind is refused with the reason."""
    error = malformed(content)
    assert said in str(error)
    assert error.hint is None


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><title>Sign in</title>", b"\n <html>\n<br>", b"<!doctype HTML>", b"<HTML></HTML>"]
)
def test_web_pages_have_a_hint(page: bytes) -> None:
    """A page for people says where it may come from."""
    assert "captive portal" in str(malformed(page))


def test_refuses_compressed_answers() -> None:
    """A content coding was not asked for, and may be a bomb; identity is none."""
    assert "compressed" in str(malformed(body(), content_encoding="gzip"))
    assert isinstance(parse_credentials(answer(body(), content_encoding="Identity"), ROLE, SOURCE), Credentials)


def error_document(code: str, message: str = "because", root: str = "ErrorResponse") -> bytes:
    """Make an error of STS."""
    error = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    return f'<{root} xmlns="{NAMESPACE}">{error}<RequestId>1</RequestId></{root}>'.encode()


def test_an_error_with_a_good_status() -> None:
    """An error document with status 200 is no set; what it says, and what to do, is in the error."""
    error = malformed(error_document("AccessDenied", f"User: me, {TOKEN}"), TOKEN)
    assert "is an error (AccessDenied: User: me, ...), although its status is 200" in str(error)
    assert error.hint == HINTS["AccessDenied"]


def test_reads_refusals() -> None:
    """Code and message of an error document are what was said, and what to do comes from its code."""
    told = parse_error_response(answer(error_document("AccessDenied", "User: <me> & you"), 403))
    assert told == ErrorResponse(403, "AccessDenied", "User: <me> & you")
    error = service_error(answer(b"", 403), told, SOURCE, "POST https://sts", HINTS)
    assert type(error) is RetrievalError
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert "trust policy" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        b"<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>",
        b'{"__type": "com.example#NoSuchBucket:http://x", "message": "no"}',
        b'{"code": "NoSuchBucket", "Message": "no"}',
        b"<ErrorResponse><Error><Message>no</Message><Code>NoSuchBucket</Code></Error></ErrorResponse>",
    ],
)
def test_reads_refusals_of_look_alikes(content: bytes) -> None:
    """S3 and its relatives leave the outer element out, and some that stand in for STS speak JSON."""
    assert parse_error_response(answer(content, 404)) == ErrorResponse(404, "NoSuchBucket", "no")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no",
        b"{",
        b"[]",
        b'{"Error": 1}',
        b"<html><body>502 Bad Gateway</body></html>",
        b"<html><br>",
        b"<!DOCTYPE html><html></html>",
        b"<ErrorResponse/>",
        b"<ErrorResponse><Error/></ErrorResponse>",
        b"<ErrorResponse><Error><Code>A</Code></Error><Error><Code>B</Code></Error></ErrorResponse>",
        b"<ErrorResponse><Error><Code>A</Code><Code>A</Code></Error></ErrorResponse>",
        b"<ErrorResponse><Error><Code>two words</Code></Error></ErrorResponse>",
        b"<ErrorResponse><Error><Code><x/></Code><Message>a<x/></Message></Error></ErrorResponse>",
        b"<Other><Error><Code>A</Code></Error></Other>",
        error_document("A").replace(b"Sender", b"\xff"),
        error_document("A").decode().encode("utf-16"),
        body(),
    ],
)
def test_what_says_nothing_is_a_refusal_without_words(content: bytes) -> None:
    """Pages, torn documents and other shapes are refusals of which only the status is known."""
    assert parse_error_response(answer(content, 502)) == ErrorResponse(502, None, "")


def test_compressed_refusals_say_nothing() -> None:
    """A body that is compressed is not read."""
    response = Response(500, {"content-encoding": "gzip"}, error_document("AccessDenied"))
    assert parse_error_response(response) == ErrorResponse(500, None, "")


@pytest.mark.parametrize(
    "content", [error_document(TOKEN, f"bad token {TOKEN}\n"), json.dumps({"message": TOKEN}).encode()]
)
def test_what_was_sent_does_not_come_back(content: bytes) -> None:
    """A service that repeats a secret does not get it into an error."""
    told = parse_error_response(answer(content, 400), (TOKEN, ""))
    assert told.code is None
    assert "canary" not in told.message
    assert "..." in told.message


def test_hints_are_sentences_about_known_codes() -> None:
    """Every error that AWS documents for the two operations says what to do next."""
    documented = (
        "AccessDenied ExpiredToken ExpiredTokenException InvalidClientTokenId SignatureDoesNotMatch RequestExpired "
        "RegionDisabledException MalformedPolicyDocument PackedPolicyTooLarge ValidationError InvalidIdentityToken "
        "IDPRejectedClaim IDPCommunicationError Throttling"
    )
    assert HINTS.keys() >= set(documented.split())
    for hint in HINTS.values():
        assert 30 < len(hint) < 250
        assert hint[0].islower() or hint.startswith("AWS")
        assert not hint.endswith(".")


@given(st.binary(max_size=300) | st.binary(max_size=30).map(lambda noise: body().replace(b"Z", noise)))
@settings(max_examples=200, deadline=None)
def test_answers_for_any_bytes(content: bytes) -> None:
    """Whatever comes, the answer is a value."""
    assert isinstance(outcome(parse_credentials, answer(content), ROLE, SOURCE), Credentials | MalformedResponseError)
    assert isinstance(parse_error_response(answer(content, 400)), ErrorResponse)
