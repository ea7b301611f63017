"""The fake of STS: its responses and errors, with requests that botocore signs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import botocore.auth
import httpx
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from anycreds.testing import CANARY, Delay, Expired, FakeAWS, ManualClock, ServiceError, SignedFor, Status
from support import plain_http

ROLE = "arn:aws:iam::210987654321:role/path/demo"
OTHER = "arn:aws:iam::210987654321:role/other"
DENIED = "is not authorized to perform: sts:AssumeRole on resource: " + ROLE
SECRETS = {"SecretAccessKey", "SessionToken"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def aws(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAWS]:
    """Serve with the same clock as botocore's signer."""
    now = lambda: datetime.fromtimestamp(clock.time(), UTC).replace(tzinfo=None)  # noqa: E731
    monkeypatch.setattr(botocore.auth, "get_current_datetime", now)
    monkeypatch.setattr(botocore.auth.logger, "disabled", True)  # it logs what it signs, tokens included
    with FakeAWS.in_thread(clock=clock) as aws:
        yield aws


class Result(dict[str, str]):
    """The status of a response, and its values by element name."""

    def __init__(self, response: httpx.Response) -> None:
        root = ET.fromstring(response.text)
        assert {re.sub("}.*", "}", one.tag) for one in root.iter()} == {"{https://sts.amazonaws.com/doc/2011-06-15/}"}
        super().__init__((one.tag.rpartition("}")[2], one.text or "") for one in root.iter() if not len(one))
        self.status = response.status_code

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.get("Code", "")


def send(
    aws: FakeAWS,
    form: Mapping[str, str] | str,
    key: Mapping[str, str] | None = None,
    *,
    scope: tuple[str, str] = ("eu-west-1", "sts"),
    **more: str,
) -> Result:
    """Send a signed form, by default with the long-term key."""
    body = form if isinstance(form, str) else urlencode({"Version": "2011-06-15", **form, **more})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", aws.service_url + "/", data=body, headers=headers)
    (access_key_id, secret), *_ = aws.keys.items()
    known = {"AccessKeyId": access_key_id, "SecretAccessKey": secret, **(key or {})}
    credentials = ReadOnlyCredentials(known["AccessKeyId"], known["SecretAccessKey"], known.get("SessionToken"))
    botocore.auth.SigV4Auth(credentials, scope[1], scope[0]).add_auth(request)
    return Result(plain_http.post(request.url, content=body, headers=dict(request.headers.items())))


def assume(aws: FakeAWS, key: Mapping[str, str] | None = None, /, **more: str) -> Result:
    form = {"Action": "AssumeRole", "RoleArn": ROLE, "RoleSessionName": "tests", **more}
    return send(aws, {name: value for name, value in form.items() if value != "absent"}, key)


def web(aws: FakeAWS, token: str, **more: str) -> Result:
    form = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "tests"}
    data = {**form, "WebIdentityToken": token, **more}
    return Result(plain_http.post(aws.service_url, data=data))


def test_assume_role_returns_credentials_of_the_account(aws: FakeAWS) -> None:
    """AssumeRole returns credentials of the role's account, and its record has no secret."""
    result = assume(aws, DurationSeconds="900", ExternalId="external", SourceIdentity="source")
    assert {name: value for name, value in result.items() if name not in SECRETS} == {
        "AssumedRoleId": "AROAFAKEFAKEFAKEFAKE:tests",
        "Arn": "arn:aws:sts::210987654321:assumed-role/demo/tests",
        "AccessKeyId": "ASIAFAKEFAKEFAKE0001",
        "Expiration": "2026-01-01T00:15:00Z",
        "SourceIdentity": "source",
        "RequestId": "00000000-0000-4000-8000-000000000001",
    }
    assert all(CANARY in result[secret] for secret in SECRETS)
    (exchange,) = aws.exchanges
    assert (exchange.route, exchange.method, exchange.path, exchange.status) == ("assume role", "POST", "/", 200)
    assert exchange.signed_for == SignedFor("AKIDEXAMPLE", "eu-west-1", "sts")
    assert dict(exchange.parameters) == {
        "Version": "2011-06-15",
        "Action": "AssumeRole",
        "RoleArn": ROLE,
        "RoleSessionName": "tests",
        "DurationSeconds": "900",
        "ExternalId": "external",
        "SourceIdentity": "source",
    }
    assert (aws.count("assume role"), aws.issued) == (1, 1)


def test_responses_have_dates_and_request_ids(aws: FakeAWS) -> None:
    """Responses have the fake's date and a request id. Credentials are valid for an hour by default."""
    form = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "tests"}
    responses = [
        plain_http.post(aws.service_url, data={**form, "WebIdentityToken": aws.web_identity_token()}) for _ in range(2)
    ]
    assert responses[0].headers["Date"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert responses[0].headers["Content-Type"] == "text/xml"
    ids = [response.headers["x-amzn-RequestId"] for response in responses]
    assert ids == [Result(response)["RequestId"] for response in responses]
    assert len(set(ids)) == 2
    assert Result(responses[0])["Expiration"] == "2026-01-01T01:00:00Z"


def test_session_is_in_the_partition_of_its_role(aws: FakeAWS) -> None:
    """The session is in the partition of its role."""
    arn = "arn:aws-cn:iam::210987654321:role/demo"
    assert assume(aws, RoleArn=arn)["Arn"] == "arn:aws-cn:sts::210987654321:assumed-role/demo/tests"


def test_every_parameter_is_accepted(aws: FakeAWS) -> None:
    """Every parameter of AssumeRole is accepted. An empty list may be sent as its name."""
    result = assume(
        aws,
        **{
            "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
            "Policy": '{"Version": "2012-10-17"}',
            "Tags.member.1.Key": "Größe",
            "Tags.member.1.Value": "",
            "Tags.member.2.Key": "two words",
            "Tags.member.2.Value": "x",
            "TransitiveTagKeys.member.1": "two words",
            "ProvidedContexts.member.1.ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter",
            "ProvidedContexts.member.1.ContextAssertion": "canary-assertion",
            "MinimumSessionTokenSize": "1000",
        },
    )
    assert result.status == 200
    parameters = aws.exchanges[0].parameters
    assert parameters["Tags.member.1.Key"] == "Größe"
    assert parameters["ProvidedContexts.member.1.ContextAssertion"] == "(16 characters)"
    empty = {"PolicyArns": "", "Tags": "", "TransitiveTagKeys": "", "ProvidedContexts": ""}
    assert assume(aws, **empty).status == 200


def test_caller_identity_is_the_owner_of_the_key(aws: FakeAWS) -> None:
    """GetCallerIdentity returns the owner of a key: the user, or the role session."""
    form = {"Action": "GetCallerIdentity"}
    user = send(aws, form)
    assert (user["Account"], user["Arn"]) == ("123456789012", "arn:aws:iam::123456789012:user/anycreds-fake-user")
    session = send(aws, form, assume(aws))
    assert (session["Account"], session["Arn"]) == ("210987654321", "arn:aws:sts::210987654321:assumed-role/demo/tests")
    assert aws.count("caller identity") == 2


def test_presigned_caller_identity(aws: FakeAWS) -> None:
    """A presigned GetCallerIdentity, as in EKS tokens, is accepted until it expires."""
    (access_key_id, secret), *_ = aws.keys.items()
    auth = botocore.auth.SigV4QueryAuth(ReadOnlyCredentials(access_key_id, secret, None), "sts", "us-east-1", 60)
    request = AWSRequest("GET", aws.service_url + "/?Action=GetCallerIdentity&Version=2011-06-15")
    auth.add_auth(request)
    assert Result(plain_http.get(request.url))["Account"] == "123456789012"
    (exchange,) = aws.exchanges
    assert exchange.signed_for == SignedFor("AKIDEXAMPLE", "us-east-1", "sts")
    assert dict(exchange.parameters) == {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    assert isinstance(aws.clock, ManualClock)
    aws.clock.advance(61)
    assert Result(plain_http.get(request.url)).error == (403, "SignatureDoesNotMatch")


def test_all_issued_credentials_can_sign(aws: FakeAWS) -> None:
    """STS accepts credentials from the container, the portal, sign-in and Cognito."""
    container = plain_http.get(aws.container_url, headers={"Authorization": aws.container_token}).json()
    result = send(aws, {"Action": "GetCallerIdentity"}, {**container, "SessionToken": container["Token"]})
    assert result["Arn"] == "arn:aws:sts::123456789012:assumed-role/anycreds-fake-role/anycreds-fake-task"
    login = aws.login_token()["accessToken"]
    key = {name[0].upper() + name[1:]: value for name, value in login.items()}
    assert send(aws, {"Action": "GetCallerIdentity"}, key)["Arn"].endswith(":user/anycreds-fake-user")


def test_wrong_keys_are_rejected(aws: FakeAWS) -> None:
    """An unknown key, a wrong secret and another key's token are rejected."""
    assert assume(aws, {"AccessKeyId": "AKIDOTHER"}).error == (403, "InvalidClientTokenId")
    assert assume(aws, {"SecretAccessKey": "wrong"}).error == (403, "SignatureDoesNotMatch")
    assert assume(aws, {"SessionToken": "made up"}).error == (403, "InvalidClientTokenId")
    assert aws.issued == 0


def test_session_token_is_required(aws: FakeAWS) -> None:
    """The key of a session is rejected without its own token."""
    first, second = assume(aws), assume(aws)
    assert assume(aws, {**first, "SessionToken": second["SessionToken"]}).error == (403, "InvalidClientTokenId")
    bare = {name: first[name] for name in ("AccessKeyId", "SecretAccessKey")}
    assert assume(aws, bare).error == (403, "InvalidClientTokenId")


def test_session_expires(aws: FakeAWS, clock: ManualClock) -> None:
    """The key of a session is accepted until it expires."""
    key = assume(aws, DurationSeconds="900")
    clock.advance(899)
    assert send(aws, {"Action": "GetCallerIdentity"}, key).status == 200
    clock.advance(1)
    result = send(aws, {"Action": "GetCallerIdentity"}, key)
    assert (result.error, result["Message"]) == (
        (403, "ExpiredToken"),
        "The security token included in the request is expired",
    )


def test_other_scope_or_clock_is_rejected(aws: FakeAWS, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature for another service or region, or of a wrong clock, is rejected."""
    identity = {"Action": "GetCallerIdentity"}
    aws.region = "eu-west-1"
    assert send(aws, identity).status == 200
    assert send(aws, identity, scope=("us-east-1", "sts")).error == (403, "SignatureDoesNotMatch")
    assert send(aws, identity, scope=("eu-west-1", "s3")).error == (403, "SignatureDoesNotMatch")
    wrong = datetime.fromtimestamp(clock.time(), UTC).replace(tzinfo=None) - timedelta(minutes=6)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: wrong)
    result = send(aws, identity)
    assert result.error == (403, "SignatureDoesNotMatch")
    assert result["Message"].startswith("Signature expired: 20251231T235400Z is now earlier than 20251231T235500Z")


def test_unsigned_request(aws: FakeAWS) -> None:
    """AssumeRole without a signature is rejected."""
    form = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "tests"}
    result = Result(plain_http.post(aws.service_url, data=form))
    assert result.error == (403, "MissingAuthenticationToken")
    assert (result["Type"], aws.exchanges[0].signed_for) == ("Sender", None)


LONG = "x" * 2049


INVALID_PARAMETERS: list[tuple[dict[str, str], str, str]] = [
    ({"RoleArn": "absent"}, "ValidationError", "Value null at 'roleArn' failed to satisfy constraint: Member must"),
    ({"RoleSessionName": "absent"}, "ValidationError", "Value null at 'roleSessionName'"),
    ({"RoleArn": "arn:aws:iam::1:r/x"}, "ValidationError", "Member must have length greater than or equal to 20"),
    ({"RoleArn": LONG}, "ValidationError", "Member must have length less than or equal to 2048"),
    ({"RoleArn": "arn:aws:iam::12345678901:role/demo"}, "ValidationError", "role/demo is invalid"),
    ({"RoleArn": "arn:aws:iam::123456789012:user/demo"}, "ValidationError", "user/demo is invalid"),
    ({"RoleSessionName": "x"}, "ValidationError", "greater than or equal to 2"),
    ({"RoleSessionName": "x" * 65}, "ValidationError", "less than or equal to 64"),
    ({"RoleSessionName": "with blanks"}, "ValidationError", "regular expression pattern: [\\w+=,.@-]*"),
    ({"RoleSessionName": "übung"}, "ValidationError", "regular expression pattern"),
    ({"DurationSeconds": "899"}, "ValidationError", "Member must have value greater than or equal to 900"),
    ({"DurationSeconds": "43201"}, "ValidationError", "Member must have value less than or equal to 43200"),
    ({"DurationSeconds": "NaN"}, "MalformedInput", "DurationSeconds is not an integer"),
    ({"ExternalId": "x"}, "ValidationError", "'externalId'"),
    ({"SerialNumber": "short"}, "ValidationError", "'serialNumber'"),
    ({"TokenCode": "12345"}, "ValidationError", "Value *** at 'tokenCode'"),
    ({"TokenCode": "canary"}, "ValidationError", "Value *** at 'tokenCode'"),
    ({"SourceIdentity": "x"}, "ValidationError", "'sourceIdentity'"),
    ({"MinimumSessionTokenSize": "-1"}, "ValidationError", "greater than or equal to 0"),
    ({"Policy": "no JSON"}, "MalformedPolicyDocument", "invalid Json"),
    ({"Policy": "[]"}, "MalformedPolicyDocument", "invalid Json"),
    ({"Policy": '"' + "x" * 10_000}, "ValidationError", "'policy'"),
    ({"Tags.member.2.Key": "x", "Tags.member.2.Value": "y"}, "MalformedInput", "numbered from 1 without gaps"),
    ({"Tags.member.1.Key": "x"}, "ValidationError", "'tags.1.member.value'"),
    ({"Tags.member.1.Key": "x<y", "Tags.member.1.Value": ""}, "ValidationError", "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+"),
    (
        {"Tags.member.1.Key": "x", "Tags.member.1.Value": "", "Tags.member.2.Key": "X", "Tags.member.2.Value": ""},
        "InvalidParameterValue",
        "Duplicate tag keys",
    ),
    ({"TransitiveTagKeys.member.1": "x"}, "ValidationError", "must be included in the requested tags"),
    (
        {f"PolicyArns.member.{number}.arn": ROLE for number in range(1, 12)},
        "ValidationError",
        "Value a list of 11 at 'policyArns'",
    ),
    ({"RoleArn": "arn:aws:iam::1&<>\0" + "x" * 20}, "ValidationError", "1&<>?xx"),
    ({"Unknown": "x"}, "InvalidQueryParameter", "The parameter Unknown is not recognized"),
    ({"Tags": "x"}, "InvalidQueryParameter", "The parameter Tags is not"),
    ({"RoleArn.member.1": "x"}, "InvalidQueryParameter", "RoleArn.member.1"),
    ({"WebIdentityToken": "canary"}, "InvalidQueryParameter", "WebIdentityToken"),
    ({"Version": "2011-06-16"}, "InvalidAction", "Could not find operation AssumeRole for version 2011-06-16"),
    ({"Action": "AssumeRoles"}, "InvalidAction", "Could not find operation AssumeRoles for version 2011-06-15"),
    ({"Action": "absent"}, "MissingAction", "Missing Action"),
]


def test_invalid_parameters_get_the_errors_of_aws(aws: FakeAWS) -> None:
    """Each invalid parameter gets AWS's error code and message."""
    for more, code, message in INVALID_PARAMETERS:
        result = assume(aws, **more)
        assert (more, result.error) == (more, (400, code))
        assert message in result["Message"], more
        assert CANARY not in result["Message"], more
    assert aws.issued == 0


def test_malformed_form_is_rejected(aws: FakeAWS) -> None:
    """A malformed body is rejected in the format of STS."""
    for number, body in enumerate(("Action=AssumeRole&Action=AssumeRole", "no form", "Action=%FF"), 1):
        assert (body, send(aws, body).error) == (body, (400, "MissingAction"))
        assert aws.count("other") == number


def test_role_chaining(aws: FakeAWS) -> None:
    """A role session can assume another role for at most an hour."""
    first = assume(aws, DurationSeconds="43200")
    assert first["Expiration"] == "2026-01-01T12:00:00Z"
    assert assume(aws, first, RoleArn=OTHER, DurationSeconds="3600").status == 200
    assert aws.exchanges[-1].signed_for == SignedFor(first["AccessKeyId"], "eu-west-1", "sts")
    result = assume(aws, first, RoleArn=OTHER, DurationSeconds="3601")
    assert (result.error, result["Message"]) == (
        (400, "ValidationError"),
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
    )


def test_role_is_denied_without_its_conditions(aws: FakeAWS) -> None:
    """With ``roles``, an unknown role, a missing external id and a too long session are rejected."""
    aws.roles = {ROLE: {"external_id": "external", "max_session": 3600}}
    assert assume(aws, ExternalId="external").status == 200
    for denied in (assume(aws), assume(aws, ExternalId="other")):
        assert denied.error == (403, "AccessDenied")
        assert denied["Message"] == f"User: arn:aws:iam::123456789012:user/anycreds-fake-user {DENIED}"
    assert assume(aws, RoleArn=OTHER, ExternalId="external").error == (403, "AccessDenied")
    result = assume(aws, ExternalId="external", DurationSeconds="3601")
    assert result["Message"] == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."


def test_role_with_mfa_accepts_each_code_once(aws: FakeAWS) -> None:
    """A role that requires MFA accepts each code of its device once."""
    serial = "arn:aws:iam::123456789012:mfa/device"
    aws.roles = {ROLE: {"mfa_serial": serial, "mfa_codes": ["123456", "654321"]}}

    def said(**more: str) -> str:
        result = assume(aws, **more)
        assert result.error == (403, "AccessDenied")
        return result["Message"]

    assert DENIED in said()
    assert "must provide both MFA serial number" in said(SerialNumber=serial)
    assert "must provide both MFA serial number" in said(TokenCode="123456")
    assert "Please verify your MFA serial number" in said(SerialNumber=serial + "2", TokenCode="123456")
    wrong = "MultiFactorAuthentication failed with invalid MFA one time pass code."
    assert said(SerialNumber=serial, TokenCode="000000") == wrong
    assert assume(aws, SerialNumber=serial, TokenCode="123456").status == 200
    assert said(SerialNumber=serial, TokenCode="123456") == wrong
    assert assume(aws, SerialNumber=serial, TokenCode="654321").status == 200
    assert aws.exchanges[-1].parameters["TokenCode"] == "(6 characters)"


def test_code_is_accepted_once(aws: FakeAWS) -> None:
    """Without ``roles``, every MFA code is accepted once."""
    code = {"SerialNumber": "arn:aws:iam::123456789012:mfa/device", "TokenCode": "123456"}
    assert [assume(aws, **code).status for _ in range(2)] == [200, 403]


def test_web_identity(aws: FakeAWS) -> None:
    """A known token gets credentials without a signature. The token is not recorded."""
    token = aws.web_identity_token()
    assert CANARY in token
    result = web(aws, token, DurationSeconds="1800", ProviderId="provider.example")
    assert result["Arn"] == "arn:aws:sts::210987654321:assumed-role/demo/tests"
    assert result["Expiration"] == "2026-01-01T00:30:00Z"
    (exchange,) = aws.exchanges
    assert (exchange.route, exchange.signed_for) == ("web identity", None)
    assert exchange.parameters["WebIdentityToken"] == f"({len(token)} characters)"


def test_web_identity_tokens_are_settable(aws: FakeAWS, clock: ManualClock) -> None:
    """``web_identity_tokens`` sets the accepted tokens and their expiration."""
    aws.web_identity_tokens["canary-token"] = clock.time() + 10
    assert web(aws, "canary-token").status == 200
    clock.advance(10)
    result = web(aws, "canary-token")
    assert result.error == (400, "ExpiredTokenException")
    assert result["Message"] == (
        "Token expired: current date/time 1767225610 must be before the expiration date/time 1767225610"
    )


def test_unknown_web_identity_token_is_rejected(aws: FakeAWS) -> None:
    """A token that differs in one byte is rejected."""
    token = aws.web_identity_token()
    for unknown in (token + "\n", token[:-1], "made up"):
        assert web(aws, unknown).error == (400, "InvalidIdentityToken")


def test_invalid_web_identity_requests(aws: FakeAWS) -> None:
    """Parameters are validated as for AssumeRole, and roles with conditions are denied."""
    token = aws.web_identity_token()
    assert web(aws, token, SerialNumber="x" * 9).error == (400, "InvalidQueryParameter")
    assert web(aws, token, DurationSeconds="1").error == (400, "ValidationError")
    assert web(aws, token, RoleArn="x" * 20).error == (400, "ValidationError")
    short = web(aws, "can")
    assert (short.error, "***" in short["Message"]) == ((400, "ValidationError"), True)
    aws.roles = {ROLE: {"external_id": "external"}}
    for arn in (ROLE, OTHER):
        result = web(aws, token, RoleArn=arn)
        assert result.error == (403, "AccessDenied")
        assert result["Message"] == "Not authorized to perform sts:AssumeRoleWithWebIdentity"


def test_faults_have_the_format_of_sts(aws: FakeAWS) -> None:
    """``ServiceError`` is encoded as XML, and ``Expired`` returns expired credentials."""
    aws.script(
        "web identity", ServiceError(400, "IDPCommunicationError", "<later>"), ServiceError(503, "Busy"), Expired(90)
    )
    token = aws.web_identity_token()
    result = web(aws, token)
    assert (result.error, result["Message"], result["Type"]) == ((400, "IDPCommunicationError"), "<later>", "Sender")
    assert web(aws, token)["Type"] == "Receiver"
    assert web(aws, token)["Expiration"] == "2025-12-31T23:58:30Z"
    aws.script("assume role", Status(500), Delay(0.001))
    with pytest.raises(ET.ParseError):
        assume(aws)
    assert assume(aws).status == 200


def test_endpoint_may_have_a_path(aws: FakeAWS) -> None:
    """An endpoint URL may have a path, which is signed as it is sent."""
    (access_key_id, secret), *_ = aws.keys.items()
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", aws.service_url + "/base/path/", data=body, headers=headers)
    auth = botocore.auth.SigV4Auth(ReadOnlyCredentials(access_key_id, secret, None), "sts", "us-east-1")
    auth.add_auth(request)
    response = plain_http.post(request.url, content=body, headers=dict(request.headers.items()))
    assert Result(response)["Account"] == "123456789012"


def test_environment_variables_lead_to_the_services(aws: FakeAWS) -> None:
    """The environment variables point an SDK at the services, and contain the long-term keys."""
    assert aws.service_environ() == {"AWS_ENDPOINT_URL": aws.service_url}
    assert aws.service_url == aws.metadata_url
    environ = aws.key_environ()
    assert environ["AWS_ACCESS_KEY_ID"] == "AKIDEXAMPLE"
    assert CANARY in environ["AWS_SECRET_ACCESS_KEY"]
    aws.keys = {"AKIAOWN": "canary-own"}
    assert aws.key_environ() == {"AWS_ACCESS_KEY_ID": "AKIAOWN", "AWS_SECRET_ACCESS_KEY": "canary-own"}
    assert send(aws, {"Action": "GetCallerIdentity"}).status == 200
