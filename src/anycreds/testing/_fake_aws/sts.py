"""The fake of AWS Security Token Service.

See: "AssumeRole", "AssumeRoleWithWebIdentity" and "GetCallerIdentity" in the AWS Security Token Service API reference
(https://docs.aws.amazon.com/STS/latest/APIReference/).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from html import escape
from typing import TypeAlias

from . import issued_keys as keys
from .messages import REQUEST_ID, FakeRequest, FakeResponse, FakeServiceError, iso_date, read_pairs
from .sigv4_verify import SignedBy, verify
from .state import FakeState, RoleTrust
from .sts_parameters import check_names, check_values

ROUTES = ("assume role", "web identity", "caller identity")
ACTIONS = {"AssumeRole": ROUTES[0], "AssumeRoleWithWebIdentity": ROUTES[1], "GetCallerIdentity": ROUTES[2]}

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_XML = (("Content-Type", "text/xml"),)
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2
_DEFAULT_DURATION = 3600  # seconds, by the API reference, which also limits role chaining to it
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/([\w+=,.@/-]{1,576})", re.ASCII)

_MFA_BOTH = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
_MFA_SERIAL = (
    "MultiFactorAuthentication failed, unable to validate MFA code.  "
    "Please verify your MFA serial number is valid and associated with this user."
)
_MFA_CODE = "MultiFactorAuthentication failed with invalid MFA one time pass code."

Nodes: TypeAlias = "Mapping[str, str | Nodes]"
"""An XML document: text or child elements by element name."""


def read_form(request: FakeRequest) -> Mapping[str, str]:
    """Return the parameters of a request; empty if they cannot be parsed."""
    if request.method == "GET":
        form = read_pairs(request.query) or {}
        return {name: value for name, value in form.items() if not name.startswith("X-Amz-")}
    if not request.header("content-type").startswith("application/x-www-form-urlencoded"):
        return {}
    return read_pairs(request.body.decode("utf-8", "replace")) or {}


def respond(state: FakeState, request: FakeRequest, expired_ago: float | None = None) -> FakeResponse:
    """Return the response to a request. Raises ``FakeServiceError`` for an error response."""
    form = read_form(request)
    check_names(form)
    result = _result(state, request, form, expired_ago)
    action = form["Action"]
    metadata: Nodes = {"ResponseMetadata": {"RequestId": REQUEST_ID}}
    return _document(200, f"{action}Response", {f"{action}Result": result, **metadata})


def encode_error(error: FakeServiceError) -> FakeResponse:
    """Encode an error as AWS query services do."""
    fault = "Receiver" if error.status >= 500 else "Sender"
    nodes: Nodes = {"Type": fault, "Code": error.code, "Message": error.message}
    return _document(error.status, "ErrorResponse", {"Error": nodes, "RequestId": REQUEST_ID})


def _result(state: FakeState, request: FakeRequest, form: Mapping[str, str], expired_ago: float | None) -> Nodes:
    if form["Action"] == "AssumeRoleWithWebIdentity":
        check_values(form)
        return _assume_role_with_web_identity(state, form, expired_ago)
    received, find_key = (request.method, request.target, request.headers, request.body), partial(keys.find, state)
    signer = verify(*received, find_key=find_key, now=state.clock.time(), service="sts", region=state.region)
    check_values(form)  # AWS checks the values after the signature
    if form["Action"] == "GetCallerIdentity":
        key = signer.key
        return {"Arn": key.arn, "UserId": key.access_key_id, "Account": key.account_id}
    return _assume_role(state, form, signer, expired_ago)


def _assume_role(state: FakeState, form: Mapping[str, str], signer: SignedBy, expired_ago: float | None) -> Nodes:
    arn, owner = form["RoleArn"], signer.key.arn
    denied = FakeServiceError(
        403, "AccessDenied", f"User: {owner} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    )
    trust = _trust(state, form)
    if ":assumed-role/" in owner and _duration(form) > _DEFAULT_DURATION:
        message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        raise FakeServiceError(400, "ValidationError", message)
    if trust is None or trust.get("external_id") not in {None, form.get("ExternalId")}:
        raise denied
    _check_mfa(state, form, trust, denied)
    return _session(state, form, expired_ago)


def _check_mfa(state: FakeState, form: Mapping[str, str], trust: RoleTrust, denied: FakeServiceError) -> None:
    """Check the MFA code of a form and mark it as used. A role without conditions accepts any code once.

    Raises ``denied`` if the role requires MFA and the form has none, and another error if the code is invalid.
    """
    serial, code = form.get("SerialNumber"), form.get("TokenCode")
    if serial is None and code is None:
        if trust.keys() & {"mfa_serial", "mfa_codes"}:
            raise denied
        return
    if serial is None or code is None:
        raise FakeServiceError(403, "AccessDenied", _MFA_BOTH)
    if trust.get("mfa_serial", serial) != serial:
        raise FakeServiceError(403, "AccessDenied", _MFA_SERIAL)
    codes = trust.get("mfa_codes")
    is_valid = re.fullmatch(r"[0-9]{6}", code) is not None if codes is None else code in codes
    if not is_valid or (serial, code) in state.records.used_codes:
        raise FakeServiceError(403, "AccessDenied", _MFA_CODE)
    state.records.used_codes.add((serial, code))


def _assume_role_with_web_identity(state: FakeState, form: Mapping[str, str], expired_ago: float | None) -> Nodes:
    now, expiration = state.clock.time(), state.web_identity_tokens.get(form["WebIdentityToken"])
    if expiration is None:
        message = "Couldn't retrieve verification key from your identity provider, or the token was not signed with it."
        raise FakeServiceError(400, "InvalidIdentityToken", message)
    if expiration <= now:
        message = f"current date/time {int(now)} must be before the expiration date/time {int(expiration)}"
        raise FakeServiceError(400, "ExpiredTokenException", f"Token expired: {message}")
    trust = _trust(state, form)
    if trust is None or trust.keys() & {"external_id", "mfa_serial", "mfa_codes"}:
        raise FakeServiceError(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    identity: Nodes = {"SubjectFromWebIdentityToken": "anycreds-fake-subject", "Provider": "issuer.example"}
    return {**_session(state, form, expired_ago), **identity}


def _trust(state: FakeState, form: Mapping[str, str]) -> RoleTrust | None:
    """Return the conditions for assuming the role in a form; None if there is no such role."""
    if not _ROLE.fullmatch(form["RoleArn"]):
        raise FakeServiceError(400, "ValidationError", f"{form['RoleArn']} is invalid")
    unconditional: RoleTrust = {}
    trust = unconditional if state.roles is None else state.roles.get(form["RoleArn"])
    if trust is not None and _duration(form) > trust.get("max_session", 43_200):
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise FakeServiceError(400, "ValidationError", message)
    return trust


def _session(state: FakeState, form: Mapping[str, str], expired_ago: float | None) -> Nodes:
    role = _ROLE.fullmatch(form["RoleArn"])
    assert role is not None
    arn = keys.session_arn(role[2], role[3], form["RoleSessionName"], role[1])
    issued = keys.issue(state, arn, _duration(form), expired_ago)
    user: Nodes = {"AssumedRoleId": f"AROAFAKEFAKEFAKEFAKE:{form['RoleSessionName']}", "Arn": arn}
    credentials = issued.named("AccessKeyId", "SecretAccessKey", "SessionToken")
    credentials["Expiration"] = iso_date(issued.expiration)
    extra = {name: form[name] for name in ("SourceIdentity",) if name in form}
    return {"AssumedRoleUser": user, "Credentials": credentials, **extra}


def _duration(form: Mapping[str, str]) -> int:
    return int(form.get("DurationSeconds", _DEFAULT_DURATION))


def _document(status: int, root: str, nodes: Nodes) -> FakeResponse:
    body = f'<{root} xmlns="{_NAMESPACE}">\n{_xml(nodes, "  ")}</{root}>\n'
    return FakeResponse(status, _XML, body.encode())


def _xml(nodes: Nodes, indent: str) -> str:
    lines = ""
    for name, value in nodes.items():
        content = _text(value) if isinstance(value, str) else f"\n{_xml(value, indent + '  ')}{indent}"
        lines += f"{indent}<{name}>{content}</{name}>\n"
    return lines


def _text(value: str) -> str:
    return escape(_NOT_IN_XML.sub("?", value), quote=False)
