"""Tests of small functions of the real ``Io``."""

from __future__ import annotations

import uuid

from anycreds._system.runtime import SystemRuntime


def test_new_uuid() -> None:
    """Each UUID is random, of version 4, and in the usual text form."""
    io = SystemRuntime().open_io("test")
    texts = {io.new_uuid() for _ in range(100)}
    assert len(texts) == 100
    for text in texts:
        assert str(uuid.UUID(text)) == text
        assert uuid.UUID(text).version == 4
