"""An explanation as text, with one paragraph for each provider, or as a JSON document. Contains no secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from shlex import quote
from textwrap import wrap
from typing import Any

from ..._core.errors import CredentialsError, ProfileNotFoundError
from ..._providers.chain import NONE_CONFIGURED
from .._common import list_profiles, to_json, with_option_names
from .inspect import Explanation, Source

_WIDTH = 100
# What a new user can do, the simplest first.
_FIRST_STEPS = (
    "on your own machine, sign in: aws login, or aws configure sso and then aws sso login",
    "for a test, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, if there is one)",
    "on EC2, ECS, EKS or Lambda, attach a role to the instance, task, service account or function",
)
_FIX = "fix or remove its configuration; sources after it are not tried instead"


def text(explanation: Explanation) -> str:
    """Return the explanation as lines of text."""
    return "\n".join(_lines(explanation))


def document(explanation: Explanation) -> str:
    """Return the explanation as one JSON document, for programs."""
    selection, region, credentials = explanation.profile, explanation.region, explanation.credentials
    fields: dict[str, Any] = {
        "profile": {
            "name": selection.name.value,
            "origin": selection.name.origin,
            "selected_explicitly": selection.is_explicit,
        },
        "sources": [_source_fields(source) for source in explanation.sources],
        "credentials": None,
        "sts": {"error": str(region)}
        if isinstance(region, CredentialsError)
        else {"host": region.base.origin, "origin": region.origin},
        "notes": list(explanation.notes),
    }
    if credentials is not None:
        fields["credentials"] = {
            "access_key_id": credentials.access_key_id,
            "account_id": credentials.account_id,
            "expiration": None if credentials.expiration is None else credentials.expiration.isoformat(),
            "source": credentials.source,
        }
    return with_option_names(to_json(fields, indent=2))


def _source_fields(source: Source) -> dict[str, Any]:
    error = source.error
    return {
        "name": source.entry.name,
        "title": source.entry.title,
        "reads": source.entry.sources,
        "locations": list(source.locations),
        "outcome": source.outcome,
        "milliseconds": round(source.milliseconds, 2),
        "error": None if error is None else type(error).__name__,
        "message": None if error is None else error.message,
        "hint": None if error is None else error.hint,
        "command": getattr(error, "command", None),
    }


def _lines(explanation: Explanation) -> Iterator[str]:
    selection = explanation.profile
    head = "no profile is selected"
    if selection.is_explicit:
        head = (
            f"profile {selection.name.value!r} is selected by {selection.name.origin}, so the shared files come first"
        )
    yield from _wrapped("", f"Credential sources, in the order in which they are tried ({head}):")
    yield ""
    for number, source in enumerate(explanation.sources, 1):
        yield from _paragraph(number, source)
        yield ""
    yield from _result(explanation)
    region = explanation.region
    if isinstance(region, CredentialsError):
        yield from _wrapped("Region: ", str(region))
    else:
        yield from _wrapped("Region: ", f"requests to AWS STS are sent to {region.base.origin} ({region.origin}).")
    for note in explanation.notes:
        yield from _wrapped("Note: ", note)


def _paragraph(number: int, source: Source) -> Iterator[str]:
    duration = "" if source.outcome == "not tried" else f"  [{source.milliseconds:.1f} ms]"
    yield f"{number}. {source.entry.title}: {source.outcome.upper()}{duration}"
    if source.outcome == "not tried":
        return
    yield from _wrapped("   reads     ", source.entry.sources)
    prefix = "   found in  " if source.outcome == "found" else "   looked at "
    for location in source.locations:
        yield from _wrapped(prefix, location)
        prefix = " " * len(prefix)
    if source.error is not None:
        yield from _wrapped("   reason    ", source.error.message)
        if source.error.hint:
            yield from _wrapped("   hint      ", source.error.hint)


def _result(explanation: Explanation) -> Iterator[str]:
    credentials = explanation.credentials
    if credentials is None:
        yield from _no_credentials(explanation)
        return
    account = f", account {credentials.account_id}" if credentials.account_id else ""
    yield f"Credentials found: {credentials.access_key_id}{account}, from {credentials.source}"
    if credentials.expiration is None:
        yield "They do not expire."
        return
    seconds = int((credentials.expiration - datetime.now(UTC)).total_seconds())
    hours, minutes = seconds // 3600, seconds // 60
    remaining = f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {seconds % 60} s"
    yield f"They expire at {credentials.expiration:%Y-%m-%d %H:%M:%S} UTC, in {remaining}."


def _no_credentials(explanation: Explanation) -> Iterator[str]:
    error, name = explanation.failure, explanation.profile.name.value
    if error is None:
        reason, steps = NONE_CONFIGURED % len(explanation.sources), _first_steps(explanation.sources)
    elif isinstance(error, ProfileNotFoundError) and error.profile == name:
        reason, steps = f"profile {name!r} does not exist", _steps_for_missing_profile(explanation, error.hint)
    else:
        failed = next(source.entry.title for source in explanation.sources if source.outcome == "failed")
        reason, command = f"{failed} is configured, but failed", getattr(error, "command", None)
        steps = [f"run: {command}" if command else error.hint or _FIX]
    yield from _wrapped("", f"No credentials found: {reason}. What you can do:")
    for step in steps:
        yield from _wrapped("  - ", step)


def _first_steps(sources: Sequence[Source]) -> list[str]:
    hints = [source.error.hint for source in sources if source.error is not None]
    return [*_FIRST_STEPS, *(hint for hint in hints if hint and "HttpPutResponseHopLimit" in hint)]  # of EC2 metadata


def _steps_for_missing_profile(explanation: Explanation, hint: str | None) -> list[str]:
    names, (name, origin) = explanation.profile_names, explanation.profile.name
    return [
        *([hint] if hint else []),
        *([f"select an existing profile: {list_profiles(names)}"] if names else []),
        *([f"create this profile: aws configure sso --profile {quote(name)}"] if name.isprintable() else []),
        f"select no profile: {'leave out' if origin == 'option profile' else 'unset'} {origin}",
    ]


def _wrapped(prefix: str, paragraph: str) -> list[str]:
    """Return the lines of a paragraph, indented as far as its prefix. Words such as URLs are not broken."""
    indent = " " * len(prefix)
    lines: list[str] = []
    for part in with_option_names(paragraph).splitlines() or [""]:
        lines += wrap(
            part,
            _WIDTH,
            initial_indent=indent if lines else prefix,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines
