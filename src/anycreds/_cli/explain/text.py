"""An explanation as people read it: one paragraph for each source, and at the end what to do. No secrets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ..._config.locations import ProfileSelection
from ..._core.errors import CredentialsError, ProfileNotFoundError
from .._common import MOST_NAMED
from .inspect import Explanation, Source

_WIDTH = 100
# What a newcomer can do, the simplest first.
_NEXT = (
    "on your own machine, sign in: aws login, or aws configure sso and then aws sso login",
    "anywhere, for a try: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, if there is one)",
    "on EC2, ECS, EKS or Lambda: give the instance, task, service account or function a role",
)
_MEND = "mend that, or remove it; nothing behind it is asked in its place"


def told(explanation: Explanation) -> str:
    """Return it as text of several lines."""
    choice = explanation.profile
    if choice.is_explicit:
        head = f"profile {choice.name.value!r} is named ({_origin(choice)}), so it comes first"
    else:
        head = "no profile is named"
    lines = [f"Where credentials are looked for ({head}):", ""]
    for number, source in enumerate(explanation.sources, 1):
        lines += [*_paragraph(number, source), ""]
    lines += _outcome(explanation)
    lines += _region(explanation)
    for note in explanation.notes:
        lines += _wrapped(note, "Note: ")
    return "\n".join(lines)


def _paragraph(number: int, source: Source) -> list[str]:
    took = "" if source.outcome == "not asked" else f"  [{source.milliseconds:.1f} ms]"
    lines = [f"{number}. {source.link.title}: {source.outcome.upper()}{took}"]
    if source.outcome == "not asked":
        return lines
    lines += _wrapped(source.link.looks_at, "   looks at  ")
    prefix = "   found in  " if source.outcome == "found" else "   looked at "
    for place in source.places:
        lines += _wrapped(place, prefix)
        prefix = " " * len(prefix)
    if source.error is not None:
        lines += _wrapped(source.error.message, "   because   ")
        if source.error.hint:
            lines += _wrapped(source.error.hint, "   hint      ")
    return lines


def _outcome(explanation: Explanation) -> list[str]:
    found = explanation.credentials
    if found is None:
        return _nothing(explanation.sources) if explanation.failure is None else _failed(explanation)
    account = f", account {found.account_id}" if found.account_id else ""
    lines = [f"Credentials: {found.access_key_id}{account}, from {found.source}"]
    if found.expiration is None:
        return [*lines, "They have no expiration."]
    left = int((found.expiration - datetime.now(UTC)).total_seconds())
    ends = f"{left // 3600} h {left % 3600 // 60} min" if left >= 3600 else f"{left // 60} min {left % 60} s"
    return [*lines, f"They end at {found.expiration:%Y-%m-%d %H:%M:%S} UTC, in {ends}."]


def _nothing(sources: Sequence[Source]) -> list[str]:
    from ..._providers.imds.provider import HOP_HINT  # it was loaded to be asked

    lines = ["No credentials: none of these sources has anything configured. What you can do:"]
    hints = [source.error.hint for source in sources if source.error is not None]
    for step in (*_NEXT, *([HOP_HINT] if HOP_HINT in hints else [])):
        lines += _wrapped(step, "  - ")
    return lines


def _failed(explanation: Explanation) -> list[str]:
    error, choice = explanation.failure, explanation.profile
    assert error is not None
    if isinstance(error, ProfileNotFoundError) and error.profile == choice.name.value:
        head, steps = f"profile {choice.name.value!r} does not exist.", _instead(explanation)
    else:
        head = f"{error.source or 'a source'} is configured, and failed."
        command = getattr(error, "command", None)
        steps = [f"run: {command}" if command else error.hint or _MEND]
    return [f"No credentials: {head}", *[line for step in steps for line in _wrapped(step, "  - ")]]


def _instead(explanation: Explanation) -> list[str]:
    """Return what who has named a profile that is missing can do."""
    from shlex import quote

    names, choice = explanation.known, explanation.profile
    name = choice.name.value
    shown = [*map(ascii, names[:MOST_NAMED]), *(["..."] if len(names) > MOST_NAMED else [])]
    return [
        *([f"name one that there is: {', '.join(shown)}"] if shown else []),
        *([f"or make this one: aws configure sso --profile {quote(name)}"] if name.isprintable() else []),
        f"or name none: {'leave out' if _is_option(choice) else 'unset'} {_origin(choice)}",
    ]


def _origin(choice: ProfileSelection) -> str:
    return "--profile" if _is_option(choice) else choice.name.origin


def _is_option(choice: ProfileSelection) -> bool:
    return choice.name.origin == "option profile"  # as programs call it


def _region(explanation: Explanation) -> list[str]:
    region = explanation.region
    if isinstance(region, CredentialsError):
        return _wrapped(str(region), "Region: ")
    return _wrapped(f"AWS STS would be called at {region.host} ({region.origin}).", "Region: ")


def _wrapped(text: str, prefix: str) -> list[str]:
    """Return lines that are broken at blanks only. ``textwrap`` would take as long to load as all of this takes."""
    indent = " " * len(prefix)
    lines: list[str] = []
    for part in text.splitlines() or [""]:
        line = indent if lines else prefix
        is_empty = True
        for word in part.split():
            if not is_empty and len(line) + 1 + len(word) > _WIDTH:
                lines.append(line)
                line, is_empty = indent, True
            line += word if is_empty else f" {word}"
            is_empty = False
        if not is_empty:
            lines.append(line)
    return lines
