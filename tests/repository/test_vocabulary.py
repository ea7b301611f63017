"""The project uses the technical terms of AWS, botocore and trio instead of metaphors and personification."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "tests", "benchmarks", "docs")
SUFFIXES = {".py", ".mjs", ".md", ".json", ".toml"}
MEASURED = ROOT / "benchmarks" / "results"  # written by the benchmarks, not by people
# Forbidden words, split so that this file does not contain them.
WORDS = (
    "fli" + "ght", "fli" + "ghts", "lan" + "ding", "set" + "back", "to" + "ld", "who" + "ever", "no" + "body",
    "some" + "body", "an" + "ew", "me" + "nd", "fare" + "well", "stran" + "ger", "neigh" + "bour", "du" + "ll",
    "cro" + "wd", "star" + "ve", "star" + "ves", "star" + "ved",
)  # fmt: skip
ALLOWED = re.compile(
    r"single-fli" + "ght|uid=no" + "body|user no" + "body", re.IGNORECASE
)  # a pattern's and a system user's name
FORBIDDEN = re.compile(rf"(?<![a-z])(?:{'|'.join(WORDS)})(?![a-z])", re.IGNORECASE)


def test_plain_technical_terms() -> None:
    """No file contains a forbidden word, also not as a part of an identifier."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    files += ROOT.glob("*.md")
    assert len(files) > 500
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in sorted(files)
        if MEASURED not in path.parents
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FORBIDDEN.search(ALLOWED.sub("", line))
    ]
    assert found == []
