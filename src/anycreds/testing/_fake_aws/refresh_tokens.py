"""Single-use refresh tokens: each is replaced by the next. The fake counts every reuse."""

from __future__ import annotations

from .state import FakeState, RefreshToken


def look_up(state: FakeState, client_id: str, refresh_token: str) -> RefreshToken | None:
    """Return a client's valid refresh token; None if it is invalid. A used token is invalid, and counted."""
    known = state.records.refresh_tokens.get(refresh_token)
    if known is None or known.client_id != client_id:
        return None
    if known.was_used:
        state.reused_refresh_tokens += 1
        return None
    return known


def consume(state: FakeState, client_id: str, refresh_token: str) -> RefreshToken | None:
    """Mark a client's refresh token as used and return it; None if it is invalid."""
    known = look_up(state, client_id, refresh_token)
    if known is not None:
        state.records.refresh_tokens[refresh_token] = known._replace(was_used=True)
    return known


def rotate(state: FakeState, consumed: RefreshToken, kind: str) -> str:
    """Return a new refresh token that replaces a consumed one."""
    new = state.records.new_secret(kind)
    state.records.refresh_tokens[new] = consumed
    return new
