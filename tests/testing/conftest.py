"""Tests of the fakes run on asyncio, except those marked with ``each_loop``, and those under virtual time."""

from __future__ import annotations

from support.event_loops import asyncio_only as anyio_backend

__all__ = ["anyio_backend"]
