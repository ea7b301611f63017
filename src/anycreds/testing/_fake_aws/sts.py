"""What the Security Token Service answers: a plain function from request to answer, over settings.

Follows the AWS Security Token Service API reference, "AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from . import issued_keys as keys
from .messages import REQUEST_ID, Answer, Asked, Refusal, iso_date, read_pairs
from .settings import RoleTrust
from .sigv4_verify import Caller, verify
from .state import World
from .sts_parameters import form_refusal, value_refusal
from .trust import mfa_refusal

ROUTES = ("assume role", "web identity", "caller identity")
ACTIONS = {"AssumeRole": ROUTES[0], "AssumeRoleWithWebIdentity": ROUTES[1], "GetCallerIdentity": ROUTES[2]}

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_XML = (("Content-Type", "text/xml"),)
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # no document can hold these
_DEFAULT_DURATION = 3600  # seconds, as the API reference has it; and the limit of role chaining
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/([\w+=,.@/-]{1,576})", re.ASCII)

Nodes: TypeAlias = "Mapping[str, str | Nodes]"
"""An XML document: texts by the name of their element."""


def form_of(asked: Asked) -> Mapping[str, str]:
    """Return the parameters of a request to STS; none, if they cannot be read."""
    if asked.method == "GET":
        form = read_pairs(asked.query) or {}
        return {name: value for name, value in form.items() if not name.startswith("X-Amz-")}
    if not asked.header("content-type").startswith("application/x-www-form-urlencoded"):
        return {}
    return read_pairs(asked.body.decode("utf-8", "replace")) or {}


def answer(world: World, asked: Asked, ended: float | None = None) -> Answer:
    """Answer one request. ``ended``: if there is a set in the answer, let it have ended that many seconds ago."""
    form = form_of(asked)
    outcome = _outcome(world, asked, form, ended)
    if isinstance(outcome, Refusal):
        return refuse(outcome)
    action = form["Action"]
    metadata: Nodes = {"ResponseMetadata": {"RequestId": REQUEST_ID}}
    return _document(200, f"{action}Response", {f"{action}Result": outcome, **metadata})


def refuse(told: Refusal) -> Answer:
    """Write a refusal as STS does."""
    fault = "Receiver" if told.status >= 500 else "Sender"
    error: Nodes = {"Type": fault, "Code": told.code, "Message": told.message}
    return _document(told.status, "ErrorResponse", {"Error": error, "RequestId": REQUEST_ID})


def _outcome(world: World, asked: Asked, form: Mapping[str, str], ended: float | None) -> Nodes | Refusal:
    if (refusal := form_refusal(form)) is not None:
        return refusal
    if form["Action"] == "AssumeRoleWithWebIdentity":
        return value_refusal(form) or _web_identity(world, form, ended)
    caller = _caller(world, asked)
    if isinstance(caller, Refusal):
        return caller
    if (refusal := value_refusal(form)) is not None:
        return refusal
    if form["Action"] == "GetCallerIdentity":
        key = caller.key
        return {"Arn": key.arn, "UserId": key.access_key_id, "Account": key.account_id}
    return _assume_role(world, form, caller, ended)


def _caller(world: World, asked: Asked) -> Caller | Refusal:
    return verify(
        asked.method,
        asked.target,
        asked.headers,
        asked.body,
        key_of=lambda access_key_id: keys.find(world, access_key_id),
        now=world.clock.time(),
        service="sts",
        region=world.region,
    )


def _assume_role(world: World, form: Mapping[str, str], caller: Caller, ended: float | None) -> Nodes | Refusal:
    arn, duration = form["RoleArn"], _duration(form)
    denied = Refusal(
        403, "AccessDenied", f"User: {caller.key.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    )
    trust = _trust(world, form)
    if isinstance(trust, Refusal):
        return trust
    if caller.key.is_role_session and duration > _DEFAULT_DURATION:
        said = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        return Refusal(400, "ValidationError", said)
    if trust is None or trust.get("external_id") not in {None, form.get("ExternalId")}:
        return denied
    if (refusal := mfa_refusal(world, form, trust, denied)) is not None:
        return refusal
    return _session(world, form, ended)


def _web_identity(world: World, form: Mapping[str, str], ended: float | None) -> Nodes | Refusal:
    now, end = world.clock.time(), world.web_identity_tokens.get(form["WebIdentityToken"])
    if end is None:
        said = "Couldn't retrieve verification key from your identity provider, or the token was not signed with it."
        return Refusal(400, "InvalidIdentityToken", said)
    if end <= now:
        said = f"Token expired: current date/time {int(now)} must be before the expiration date/time {int(end)}"
        return Refusal(400, "ExpiredTokenException", said)
    trust = _trust(world, form)
    if isinstance(trust, Refusal):
        return trust
    if trust is None or trust.keys() & {"external_id", "mfa_serial", "mfa_codes"}:
        return Refusal(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    about: Nodes = {"SubjectFromWebIdentityToken": "anycreds-fake-subject", "Provider": "issuer.example"}
    return {**_session(world, form, ended), **about}


def _trust(world: World, form: Mapping[str, str]) -> RoleTrust | Refusal | None:
    """Return a role's conditions; None: there is no such role."""
    if not _ROLE.fullmatch(form["RoleArn"]):
        return Refusal(400, "ValidationError", f"{form['RoleArn']} is invalid")
    none: RoleTrust = {}
    trust = none if world.roles is None else world.roles.get(form["RoleArn"])
    if trust is not None and _duration(form) > trust.get("max_session", 43_200):
        said = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        return Refusal(400, "ValidationError", said)
    return trust


def _session(world: World, form: Mapping[str, str], ended: float | None) -> Nodes:
    role = _ROLE.fullmatch(form["RoleArn"])
    assert role is not None
    arn = keys.session_arn(role[2], role[3], form["RoleSessionName"], role[1])
    made = keys.issue(world, arn, _duration(form), ended)
    user: Nodes = {"AssumedRoleId": f"AROAFAKEFAKEFAKEFAKE:{form['RoleSessionName']}", "Arn": arn}
    issued: Nodes = {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key,
        "SessionToken": made.session_token,
        "Expiration": iso_date(made.end),
    }
    extra = {name: form[name] for name in ("SourceIdentity",) if name in form}
    return {"AssumedRoleUser": user, "Credentials": issued, **extra}


def _duration(form: Mapping[str, str]) -> int:
    return int(form.get("DurationSeconds", _DEFAULT_DURATION))


def _document(status: int, root: str, nodes: Nodes) -> Answer:
    return Answer(status, _XML, f'<{root} xmlns="{_NAMESPACE}">\n{_xml(nodes, "  ")}</{root}>\n'.encode())


def _xml(nodes: Nodes, indent: str) -> str:
    lines = ""
    for name, value in nodes.items():
        inside = _escaped(value) if isinstance(value, str) else f"\n{_xml(value, indent + '  ')}{indent}"
        lines += f"{indent}<{name}>{inside}</{name}>\n"
    return lines


def _escaped(text: str) -> str:
    known = _NO_XML.sub("?", text)
    return known.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
