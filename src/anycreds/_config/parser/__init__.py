"""Parses the AWS config and credentials files. Any text can be parsed: a malformed line affects only its own section.

Where SDKs differ, the reading was chosen that does not lose a section silently:

- A line ends with LF, CRLF or CR. Blanks are space and tab. A byte order mark at the start of the text is skipped.
- A line whose first visible character is ``#`` or ``;`` is a comment. In ``key = value`` a comment starts with a ``#``
  or ``;`` that follows a blank, in commands and secrets too: quotes do not protect it, as in the JavaScript and Rust
  SDKs. (botocore does not know such comments.) After the ``]`` of a header it needs no blank.
- A section starts with ``[``, indented or not; ``section_headers.py`` parses its header. If the header is not valid,
  the settings below it are ignored, and never belong to the section before. Parts of one section are merged. In the
  config file ``[profile default]`` replaces ``[default]``, in either order.
- Keys are case-insensitive, values end at their last visible character and include ``=`` and quotes, and the last of
  equal keys counts. ``:`` is not a separator. A key with characters other than ``A-Z a-z 0-9 _ - / . % @ : +`` is
  ignored, with a warning.
- A line that is indented more than the key before it continues the value of that key. After an empty value it is a
  nested ``key = value``, one level deep; otherwise it is appended to the value after a line feed, comments included.
  (Strictly, any indented line continues a value; but the AWS CLI and JavaScript read sections whose keys are all
  indented.) A key that decides about credentials, such as ``aws_secret_access_key``, is never such a continuation: it
  was indented by mistake, and using the section is an error.
- A line with a control character, without ``=`` or without a key cannot be parsed: using its section is an error.

See: AWS "SDKs and Tools" reference, "Using shared config and credentials files to globally configure AWS SDKs and
tools", https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

from __future__ import annotations

from collections.abc import Iterator

from .reader import LINES_OF_A_STEP, UNREADABLE, Reader
from .sections import FileKind, Sections

# The ASCII characters of ``UNREADABLE`` without the line feed: deleting them is 20 times as fast as searching for them.
_CONTROLS = bytes([*range(9), *range(11, 32), 127])


def read(text: str, kind: FileKind) -> Sections:
    """Return the sections in the text of a shared file, with the line of each value, and all diagnostics."""
    return next(filter(None, read_in_steps(text, kind)))


def read_in_steps(text: str, kind: FileKind) -> Iterator[Sections | None]:
    """Yield what ``read`` returns, after None for each step of a few milliseconds.

    A thread that works for longer than Python's switch interval makes the event loop wait each time that it wakes up.
    """
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    reader = Reader(kind)
    if _has_control_chars(text):
        lines = text.split("\n")
        for first in range(0, len(lines), LINES_OF_A_STEP):
            reader.read_lines(lines[first : first + LINES_OF_A_STEP], first + 1, has_control_chars=True)
            yield None
    else:
        yield from reader.read_sections(text)
    yield reader.finish()


def _has_control_chars(text: str) -> bool:
    """Return whether the text contains control characters. Optimized, because hardly any text does."""
    if not text.isascii():
        return UNREADABLE.search(text) is not None
    raw = text.encode("ascii")
    return len(raw.translate(None, _CONTROLS)) != len(raw)
