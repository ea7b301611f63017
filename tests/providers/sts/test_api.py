"""STS: the forms of the requests, the credentials in the responses, and errors with hints."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._core.credentials import Credentials
from anycreds._core.errors import MalformedResponseError, RetrievalError
from anycreds._core.http import Response
from anycreds._providers.sts.requests import assume_role_form, web_identity_form
from anycreds._providers.sts.responses import HINTS, parse_credentials, parse_error_response
from anycreds._wire.service_errors import ErrorResponse, service_error
from support.errors import outcome
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, answer, assert_no_secret
from support.rows import each_row

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
    """Return a response of STS. A field with the value ``...`` is omitted; ``inside`` is added to the credentials."""
    fields = {
        "AccessKeyId": KEY_ID,
        "SecretAccessKey": SECRET_KEY,
        "SessionToken": SESSION_TOKEN,
        "Expiration": "2024-01-02T04:04:05Z",
        **changes,
    }
    xml = "".join(f"<{name}>{escape(value)}</{name}>\n" for name, value in fields.items() if value != "...")
    return f"""<{operation}Response xmlns="{NAMESPACE}">
  <{operation}Result>
    <AssumedRoleUser><AssumedRoleId>AROA:me</AssumedRoleId><Arn>{escape(user)}</Arn></AssumedRoleUser>
    <Credentials>{xml}{inside}</Credentials>
    <PackedPolicySize>6</PackedPolicySize>
  </{operation}Result>
  <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>
</{operation}Response>""".encode()


def parsed(content: bytes, operation: Literal["AssumeRole", "AssumeRoleWithWebIdentity"] = ROLE) -> Credentials:
    """Return the credentials in a valid response."""
    found = outcome(parse_credentials, answer(content), operation, SOURCE)
    assert isinstance(found, Credentials), found
    return found


def malformed(content: bytes, *secrets: str, status: int = 200, **headers: str) -> MalformedResponseError:
    """Return the error for an invalid response."""
    error = outcome(parse_credentials, answer(content, status, **headers), ROLE, SOURCE, secrets)
    assert isinstance(error, MalformedResponseError)
    assert (error.source, error.status) == (SOURCE, status)
    assert_no_secret(error, TOKEN)
    return error


def test_form_has_the_known_bytes() -> None:
    """The form is byte for byte the one with a known signature, whatever the order of the parameters is."""
    params = {"DurationSeconds": 3600, "RoleSessionName": "demo", "RoleArn": ARN}
    assert assume_role_form(params) == (
        b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FDemo"
        b"&RoleSessionName=demo&DurationSeconds=3600"
    )
    assert len(assume_role_form(params)) == 134


def test_all_parameters_of_assume_role() -> None:
    """All parameters of AssumeRole are sent in a fixed order, and lists are numbered from 1."""
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


def test_all_parameters_of_web_identity() -> None:
    """All parameters of AssumeRoleWithWebIdentity are sent in a fixed order, and no others."""
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


def test_omitted_parameters() -> None:
    """None and empty lists are omitted; an empty text is sent."""
    params: dict[str, object] = {
        "RoleArn": "r",
        "Policy": None,
        "Tags": [],
        "PolicyArns": (),
        "TransitiveTagKeys": None,
        "ExternalId": "",
    }
    assert assume_role_form(params) == b"Action=AssumeRole&Version=2011-06-15&RoleArn=r&ExternalId="


@each_row(
    "text, sent",
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
    """All but unreserved characters are percent-encoded as UTF-8 (RFC 3986). A lone surrogate does not raise."""
    assert assume_role_form({"RoleArn": text}).endswith(b"&RoleArn=" + sent)


@given(st.text(max_size=50))
def test_any_text_survives_the_form(text: str) -> None:
    """Any text is read from the form as it was, and cannot begin another field."""
    sent = web_identity_form({"WebIdentityToken": text, "RoleArn": text}).decode("ascii")
    assert parse_qsl(sent, keep_blank_values=True)[2:] == [("RoleArn", text), ("WebIdentityToken", text)]


@pytest.mark.parametrize("operation", [ROLE, WEB])
def test_parse_credentials(operation: Literal["AssumeRole", "AssumeRoleWithWebIdentity"]) -> None:
    """The response to either operation is parsed to credentials with the account of the role."""
    assert parsed(body(operation), operation) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 4, 4, 5, tzinfo=UTC),
        account_id="123456789012",
        source=SOURCE,
    )


@pytest.mark.fault("U30")
def test_namespace_is_optional() -> None:
    """A response without the namespace, or with a prefix, is accepted."""
    plain = body().replace(f' xmlns="{NAMESPACE}"'.encode(), b"")
    assert parsed(plain) == parsed(body())
    prefixed = plain.replace(b"<", b"<sts:").replace(b"<sts:/", b"</sts:")
    assert parsed(prefixed.replace(b"Response>", b"Response xmlns:sts='urn:x'>", 1)) == parsed(body())


@each_row(
    "arn",
    ["", "Demo", "arn:aws:sts:", "arn:aws:sts::", "arn:aws:sts:::assumed-role/Demo/me", "arn:aws:sts:: :x", "::::\n:"],
)
def test_invalid_account_is_omitted(arn: str) -> None:
    """The credentials are usable without an account, so an invalid one is omitted."""
    found = parsed(body(user=arn))
    assert (found.account_id, found.secret_access_key) == (None, SECRET_KEY)


def test_account_needs_exactly_one_arn() -> None:
    """Without a role user, or with two, there is no account; five fields of an ARN are enough."""
    user = b"<AssumedRoleUser>%s</AssumedRoleUser>" % b"<Arn>a:b:c:d:e</Arn>"
    begin, rest = body().split(b"<AssumedRoleUser>")
    end = rest.split(b"</AssumedRoleUser>")[1]
    accounts = [parsed(begin + user * count + end).account_id for count in (0, 1, 2)]
    assert accounts == [None, "e", None]


@pytest.mark.fault("U19")
@each_row("field", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
@each_row(
    "value, text",
    [
        ("...", "is missing"),
        ("", "is blank"),
        (SECRET_KEY + "\n", "U+000A"),
    ],
)
def test_invalid_fields(field: str, value: str, text: str) -> None:
    """Each of the four fields is required and validated; the error names the field and contains no part of it."""
    error = malformed(body(**{field: value}))
    assert error.field == field
    assert field in str(error)
    assert text in str(error)


@each_row("field", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
@each_row(
    "inside, text",
    [("<{}>{}</{}>", "more than once"), ("<n:{} xmlns:n='u'>{}</n:{}>", "more than once")],
)
def test_duplicate_fields(field: str, inside: str, text: str) -> None:
    """A field that appears twice is an error, because other parsers could use the other one."""
    error = malformed(body(inside=inside.format(field, SECRET_KEY, field)))
    assert error.field == field
    assert text in str(error)


@each_row("field", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
def test_elements_in_a_field(field: str) -> None:
    """A field that contains elements is an error."""
    error = malformed(body(**{field: "..."}, inside=f"<{field}>{SECRET_KEY}<x/></{field}>"))
    assert error.field == field
    assert "elements" in str(error)


@each_row("text", ["soon", "1704168245", "2024-01-02", "9999-12-31T23:59:60Z"])
def test_invalid_expiration(text: str) -> None:
    """An expiration that cannot be parsed is an error."""
    assert malformed(body(Expiration=text)).field == "Expiration"


@pytest.mark.parametrize("name", ["Credentials", "AssumeRoleResult"])
def test_missing_or_duplicate_credentials(name: str) -> None:
    """A response without credentials, or with two, is an error."""
    content = body()
    begin, end = content.index(f"<{name}>".encode()), content.index(f"</{name}>".encode()) + len(name) + 3
    for count, text in ((0, "is missing"), (2, "more than once")):
        error = malformed(content[:begin] + content[begin:end] * count + content[end:])
        assert error.field == "Credentials"
        assert text in str(error)


@pytest.mark.fault("U30")
@each_row(
    "content, text",
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
def test_other_documents(content: bytes, text: str) -> None:
    """Another document is an error that says what it is."""
    error = malformed(content)
    assert text in str(error)
    assert error.hint is None


@pytest.mark.fault("U14")
@each_row("page", [b"<!DOCTYPE html><title>Sign in</title>", b"\n <html>\n<br>", b"<!doctype HTML>", b"<HTML></HTML>"])
def test_web_page_has_a_hint(page: bytes) -> None:
    """The hint for a web page names captive portals and proxies."""
    assert "captive portal" in str(malformed(page))


@pytest.mark.fault("U12")
def test_compressed_response() -> None:
    """A compressed response is an error, because a small one can become huge; ``identity`` is accepted."""
    assert "compressed" in str(malformed(body(), content_encoding="gzip"))
    assert isinstance(parse_credentials(answer(body(), content_encoding="Identity"), ROLE, SOURCE), Credentials)


def error_document(code: str, message: str = "because", root: str = "ErrorResponse") -> bytes:
    """Return an error document of STS."""
    error = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    return f'<{root} xmlns="{NAMESPACE}">{error}<RequestId>1</RequestId></{root}>'.encode()


@pytest.mark.fault("U20", "U30")
def test_error_document_with_status_200() -> None:
    """An error document with status 200 is an error with its code, its message and the hint for its code."""
    error = malformed(error_document("AccessDenied", f"User: me, {TOKEN}"), TOKEN)
    assert "is an error (AccessDenied: User: me, ...), although its status is 200" in str(error)
    assert error.hint == HINTS["AccessDenied"]


@pytest.mark.fault("U30")
def test_parse_error_response() -> None:
    """Code and message of an error document become an error with the hint for its code."""
    response_error = parse_error_response(answer(error_document("AccessDenied", "User: <me> & you"), 403))
    assert response_error == ErrorResponse(403, "AccessDenied", "User: <me> & you")
    error = service_error(answer(b"", 403), response_error, SOURCE, "POST https://sts", HINTS)
    assert type(error) is RetrievalError
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert "trust policy" in str(error)


@each_row(
    "content",
    [
        b"<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>",
        b'{"__type": "com.example#NoSuchBucket:http://x", "message": "no"}',
        b'{"code": "NoSuchBucket", "Message": "no"}',
        b"<ErrorResponse><Error><Message>no</Message><Code>NoSuchBucket</Code></Error></ErrorResponse>",
    ],
)
def test_errors_of_other_services(content: bytes) -> None:
    """Error documents in the form of S3 or in JSON are parsed, too."""
    assert parse_error_response(answer(content, 404)) == ErrorResponse(404, "NoSuchBucket", "no")


@each_row(
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
def test_unknown_error_document(content: bytes) -> None:
    """Of web pages, truncated documents and other shapes only the status is known."""
    assert parse_error_response(answer(content, 502)) == ErrorResponse(502, None, "")


def test_compressed_error_document() -> None:
    """Of a compressed error document only the status is known."""
    response = Response(500, {"content-encoding": "gzip"}, error_document("AccessDenied"))
    assert parse_error_response(response) == ErrorResponse(500, None, "")


@each_row("content", [error_document(TOKEN, f"bad token {TOKEN}\n"), json.dumps({"message": TOKEN}).encode()])
def test_echoed_secrets_are_removed(content: bytes) -> None:
    """A secret of the request that the service repeats does not appear in the error."""
    response_error = parse_error_response(answer(content, 400), (TOKEN, ""))
    assert response_error.code is None
    assert "canary" not in response_error.message
    assert "..." in response_error.message


@pytest.mark.fault("U30")
def test_documented_codes_have_hints() -> None:
    """Every error code that AWS documents for both operations has a hint."""
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


@pytest.mark.fault("U30")
@given(st.binary(max_size=300) | st.binary(max_size=30).map(lambda noise: body().replace(b"Z", noise)))
def test_any_bytes(content: bytes) -> None:
    """Any bytes are parsed, or raise ``MalformedResponseError``."""
    assert isinstance(outcome(parse_credentials, answer(content), ROLE, SOURCE), Credentials | MalformedResponseError)
    assert isinstance(parse_error_response(answer(content, 400)), ErrorResponse)
