"""What can be wrong with a line of a shared file, and how to fix it. No text contains a value of the file."""

from __future__ import annotations

from typing import TypeAlias

Finding: TypeAlias = tuple[str, str]
"""What is wrong with a line, and how to fix it, as an imperative."""

# --- settings

EXPECTED = "write key = value, [section] or # comment"
CONTROL: Finding = (
    "the line contains a control character or bytes that are not UTF-8",
    "remove them, or save the file as UTF-8",
)
NO_EQUALS: Finding = ("the line has no =", EXPECTED)
NO_KEY: Finding = ("the line has no key before the =", EXPECTED)
NESTED_NO_EQUALS: Finding = (
    "the line is indented below a key without a value, and has no =",
    "write the value on the line of its key",
)
INVALID_KEY: Finding = (
    "the key has invalid characters, so the line is ignored",
    "use only A-Z a-z 0-9 _ - / . % @ : + in keys",
)
CONTINUED: Finding = (
    "the line is indented, so it continues the value above, but it looks like a setting",
    "remove the indentation if it is a setting",
)
INDENTED_KEY = "{key} is indented below another key, so the line is a part of that key's value"
UNCLOSED: Finding = ("the section header has no ]", "write the ] at its end")
AFTER_HEADER: Finding = ("the ] of the section header is followed by text", "begin comments with # or ;")
OUTSIDE: Finding = ("settings before the first section are ignored", "write them below a section header")
REPLACED: Finding = (
    "[profile default] replaces [default], so the settings of [default] are ignored",
    "merge the two sections",
)

# --- section headers

EMPTY: Finding = ("the section has no name and is ignored", "write a name between the brackets")
NO_NAME: Finding = ("the section has a kind but no name and is ignored", "write [profile NAME]")
CASE = "the first word of the section header is not in lower case, so the section is ignored"
UNKNOWN: Finding = (
    "the section is of an unknown kind and is ignored",
    "write [profile NAME], [sso-session NAME] or [services NAME]",
)
NO_KIND = "the section header lacks the word profile, so the section is ignored"
PREFIXED = "the section header has the word profile, so the section is ignored in the credentials file"
WRONG_FILE: Finding = (
    "sections of this kind are ignored in the credentials file",
    "move the section to the config file",
)
BLANKS: Finding = ("the name of the section contains blanks", "put the name in quotes")
UNBALANCED: Finding = ("the quotes around the name of the section do not match", "write the same quote at both ends")
