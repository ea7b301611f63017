"""Tests of files run on asyncio, except those marked with ``each_loop``: threads do the work, not the event loop."""

from __future__ import annotations

from support.event_loops import asyncio_only as anyio_backend

__all__ = ["anyio_backend"]  # a fixture
