"""The grammar of the AWS config and credentials files. It answers for any text; a bad line hurts only its own section.

Follows the AWS "SDKs and Tools" reference, page "Shared config and credentials files". Where SDKs differ, the reading
counts that loses no section silently:

- A line ends with LF, CRLF or CR. Blanks are space and tab. A BOM at the start of the text is skipped.
- A line whose first visible character is ``#`` or ``;`` is a comment. In ``key = value`` a comment begins with a ``#``
  or ``;`` that has a blank before it, and that is so in commands and secrets too: quotes do not protect it, as in the
  JavaScript and Rust SDKs. (botocore knows no such comments.) After the ``]`` of a header it needs no blank.
- A section begins with ``[``, indented or not; ``headers.py`` says whose it is. If that cannot be told, its settings
  belong to nobody, and never to the section before. Parts of one section merge. In the config file
  ``[profile default]`` replaces ``[default]``, in either order.
- Keys ignore case, values end at their last visible character and keep ``=`` and quotes, the last of equal keys counts.
  ``:`` separates nothing. A key with other characters than ``A-Z a-z 0-9 _ - / . % @ : +`` is ignored, with a warning.
- A line that is indented more than the key before it goes on with that key. After an empty value it is a nested
  ``key = value``, one level deep; otherwise it is joined to the value with a line feed, comments included. (Strictly,
  any indented line goes on; but the AWS CLI and JavaScript read sections whose keys are all indented.)
- A line with a control character, without ``=`` or without a key cannot be read: who uses its section gets an error.
"""

from __future__ import annotations

from typing import Any

from .reader import UNREADABLE, Reader
from .sections import FileKind, Sections, Value, values_of

# The ASCII ones of ``UNREADABLE``, without the line feed: deleting them is 20 times as fast as searching for them.
_CONTROLS = bytes([*range(9), *range(11, 32), 127])


def parse(text: str, kind: FileKind) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what the text of a shared file says.

    ``kind`` is ``"config"`` or ``"credentials"``. The answer is ``{"profile" | "sso-session" | "services": {name:
    {key: value}}}``; a value is a text or, one level deep, a dict of texts. All three kinds are always there, and a
    section without settings is an empty dict. What cannot be read is left out, and ``read`` tells about it; neither
    raises anything, because a bad line is an error only for those who use its section.
    """
    return {
        section_kind: {
            name: {key: _without_lines(value) for key, (value, _) in values_of(section).items()}
            for name, section in sections.items()
        }
        for section_kind, sections in read(text, kind).found.items()
    }


def read(text: str, kind: FileKind) -> Sections:
    """Return what the text of a shared file says, with the line of each value and everything that is wrong."""
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    reader = Reader(kind)
    if _is_suspicious(text):
        reader.take(text.split("\n"), suspicious=True)
    else:
        reader.take_sections(text)
    return reader.finish()


def _without_lines(value: Value) -> str | dict[str, str]:
    return value if isinstance(value, str) else {key: inner for key, (inner, _) in value.items()}


def _is_suspicious(text: str) -> bool:
    """Tell whether there are control characters; quickly, because hardly any text has some."""
    if not text.isascii():
        return UNREADABLE.search(text) is not None
    raw = text.encode("ascii")
    return len(raw.translate(None, _CONTROLS)) != len(raw)
