"""What an HTTP source of credentials answers, read without trust: a value, or an error that names the field at fault.

Nothing here raises, and no error repeats what was sent or came, but for the code and message of an error answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .._core.credentials import Credentials, InvalidReason, invalid_reason
from .._core.errors import CredentialsError, MalformedResponseError, ProviderTimeoutError, RetrievalError
from .._core.http import Response, TransportFailure
from .json import object_in
from .urls import Url, parse

# Error texts of AWS are shorter; more of a stranger's text does not belong into a log.
_LONGEST_MESSAGE = 200
_LONGEST_CODE = 64
# What is read in answers, at any depth: of two members of one name, each program takes another.
_READ = frozenset(
    {
        *("AccessKeyId", "AccountId", "Code", "Credentials", "Expiration", "IdentityId", "Message", "SecretAccessKey"),
        *(
            "SecretKey",
            "SessionToken",
            "Token",
            "accessKeyId",
            "accessToken",
            "expiration",
            "expiresIn",
            "refreshToken",
        ),
        *("roleCredentials", "secretAccessKey", "sessionToken"),
    }
)
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9}))?(?:[Zz]|([+-])([0-9]{2}):([0-5][0-9]))?"
)
_PAGE_HINT = "it looks like a web page; is a captive portal or a proxy in between?"
_TRUST_HINT = "check that the trust policy of the instance's role lets ec2.amazonaws.com assume it"


def read_text(response: Response, source: str) -> str | MalformedResponseError:
    """Return the body of an answer as text."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        return _malformed(source, response, "is compressed, although that was not asked for")
    if response.body.lstrip()[:1] == b"<":
        return _malformed(source, response, "is not what was asked for", hint=_PAGE_HINT)
    text = decoded(response.body)
    return _malformed(source, response, text) if isinstance(text, InvalidReason) else text


def decoded(body: bytes) -> str | InvalidReason:
    """Return UTF-8 text."""
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return InvalidReason("begins with a byte order mark")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return InvalidReason("is not UTF-8 text")


def read_object(response: Response, source: str) -> dict[str, Any] | MalformedResponseError:
    """Return the JSON object in the body of an answer, whatever its content type claims."""
    text = read_text(response, source)
    if isinstance(text, MalformedResponseError):
        return text
    document = object_in(text, _READ)
    return document if isinstance(document, dict) else _malformed(source, response, *document)


def credentials_from(
    document: Mapping[str, Any], source: str, secrets: tuple[str, ...] = (), *, may_be_lasting: bool = False
) -> Credentials | RetrievalError:
    """Return the set in a document of the container or EC2 metadata service.

    ``secrets`` is what was sent and must not come back in an error. ``may_be_lasting`` allows documents without
    ``Token`` or ``Expiration``, as keys of a user have it.
    Follows the AWS "SDKs and Tools" reference, pages "Container credential provider" and "IMDS credential provider".
    """
    if (code := document.get("Code", "Success")) != "Success":
        return _refusal(document, code, source, secrets)
    wanted = ["AccessKeyId", "SecretAccessKey"]
    # Some SDKs need the field, so that endpoints send an empty one with the keys of a user.
    is_without_token = may_be_lasting and document.get("Token", "") == ""
    wanted += [] if is_without_token else ["Token"]
    wanted += ["Expiration"] if not may_be_lasting or "Expiration" in document else []
    if document.get("AccountId") is not None:  # says nothing about the keys, so that null may stand for absent
        wanted.append("AccountId")
    for name in wanted:
        if problem := invalid_reason(document.get(name)):
            return MalformedResponseError(f"{name} in the answer {problem}", field=name, source=source)
    expiration = parse_time(document["Expiration"]) if "Expiration" in wanted else None
    if isinstance(expiration, InvalidReason):
        return MalformedResponseError(f"Expiration in the answer {expiration}", field="Expiration", source=source)
    return Credentials(
        document["AccessKeyId"],
        document["SecretAccessKey"],
        document["Token"] if "Token" in wanted else None,
        expiration=expiration,
        account_id=document.get("AccountId"),
        source=source,
    )


def parse_time(value: object) -> datetime | InvalidReason:
    """Read an RFC 3339 time, with an offset or in UTC; a time without either is taken for UTC, as AWS writes it."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return InvalidReason("is not a time such as 2030-12-31T23:59:59Z")
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    leap = second == 60  # datetime knows no leap seconds: it is the next second then
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
        moment += timedelta(seconds=leap, microseconds=int((fraction or "")[:6].ljust(6, "0")))
        if sign is not None and int(offset_hours) < 24:
            offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
            return moment - offset if sign == "+" else moment + offset
    except (ValueError, OverflowError):
        return InvalidReason("is no possible time")
    return moment if sign is None else InvalidReason("is no possible time")


def http_error(response: Response, source: str, asked: str, secrets: tuple[str, ...] = ()) -> RetrievalError:
    """Return the error for an answer other than 200: its status, and what AWS says, without the secrets that we sent.

    ``asked`` says what was asked of whom, for people.
    """
    if 300 <= response.status < 400:
        return redirect_error(response, source, asked)
    message = f"{asked} was answered with status {response.status}"
    document = read_object(response, source)
    code, said = (None, "") if isinstance(document, CredentialsError) else _code_and_message(document, secrets)
    details = ": ".join(part for part in (code, said) if part)
    return RetrievalError(
        f"{message} ({details})" if details else message, status=response.status, code=code, source=source
    )


def redirect_error(response: Response, source: str, asked: str) -> RetrievalError:
    """Return the error for an answer that leads elsewhere."""
    target = parse(response.headers.get("location", ""))
    host = f" to {_domain(target.host)}" if isinstance(target, Url) else ""
    message = f"{asked} was answered with status {response.status}, a redirect{host}; redirects are not followed"
    return RetrievalError(message, status=response.status, source=source)


def _domain(host: str) -> str:
    """Return the end of a name: what stands before it may be anything, also what was sent."""
    labels = host.split(".")
    is_name = len(labels) > 2 and not labels[-1].isdigit() and ":" not in host
    return f"a host in {'.'.join(labels[-2:])}" if is_name else host


def transport_error(answer: TransportFailure, source: str, asked: str, hint: str | None = None) -> RetrievalError:
    """Return the error for an exchange without a usable answer."""
    if answer.kind == "timeout":
        return ProviderTimeoutError(f"{asked} was not answered in time: {answer.detail}", source=source, hint=hint)
    if answer.kind == "unreachable":
        return RetrievalError(f"{asked} could not be sent: {answer.detail}", source=source, hint=hint)
    return MalformedResponseError(f"{asked} got no usable answer: {answer.detail}", source=source, hint=hint)


def _refusal(document: Mapping[str, Any], code: object, source: str, secrets: tuple[str, ...]) -> RetrievalError:
    if not isinstance(code, str):
        return MalformedResponseError("Code in the answer is not text", field="Code", source=source)
    keys = (value for name in ("SecretAccessKey", "Token") if isinstance(value := document.get(name), str))
    name, said = _code_and_message(document, (*secrets, *keys))
    hint = _TRUST_HINT if name == "AssumeRoleUnauthorizedAccess" else None
    message = "has no credentials to give" + "".join(f": {part}" for part in (name, said) if part)
    return RetrievalError(message, code=name, source=source, hint=hint)


def _code_and_message(document: Mapping[str, Any], secrets: tuple[str, ...]) -> tuple[str | None, str]:
    """Return what AWS says about an error. The ECS agent writes ``code`` and ``message``, EC2 metadata has capitals."""
    code = next((value for name in ("Code", "code", "__type") if isinstance(value := document.get(name), str)), "")
    said = next((value for name in ("Message", "message") if isinstance(value := document.get(name), str)), "")
    for secret in filter(None, secrets):
        code, said = code.replace(secret, "..."), said.replace(secret, "...")
    return printable(code, _LONGEST_CODE) or None, printable(said, _LONGEST_MESSAGE)


def printable(text: str, longest: int) -> str:
    """Return a stranger's text on one line, without control characters, and cut off."""
    words = "".join(character if character.isprintable() else " " for character in text).split()
    line = " ".join(words)
    return line if len(line) <= longest else line[: longest - 3] + "..."


def _malformed(
    source: str, response: Response, problem: str, field: str | None = None, *, hint: str | None = None
) -> MalformedResponseError:
    return MalformedResponseError(
        f"the answer {problem}", field=field, status=response.status, source=source, hint=hint
    )
