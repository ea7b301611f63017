"""The small things that a session gives."""

from __future__ import annotations

import uuid

from anycreds._system.io import SystemRuntime


def test_unique() -> None:
    """Each is a random UUID of version 4, as text, and no other's."""
    io = SystemRuntime().open_io("test")
    texts = {io.new_uuid() for _ in range(100)}
    assert len(texts) == 100
    for text in texts:
        assert str(uuid.UUID(text)) == text
        assert uuid.UUID(text).version == 4
