"""Which set chose the host of a request, and which one signed it: noted in botocore's own record of that request.

botocore asks for the account id and for the keys one after the other, without saying for what, and later does not say
what a request was signed with. Its events tell which request a task is busy with; that is kept in a context variable.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

from .._cache.provider import CachedProvider
from .._core.credentials import Credentials
from .._core.frozen_credentials import FrozenCredentials
from ._botocore_session import can_be_sent_again, says_expired

_NOTE = "anycreds"  # its place in botocore's context of a request

# The context of the request that this task is about to address or to sign.
_request: ContextVar[dict[str, Any] | None] = ContextVar("anycreds_botocore_request", default=None)


class Note:
    """What is known of one request while it lasts, through all its attempts."""

    __slots__ = ("host_chosen_for", "is_repeated", "provider", "signed_with")

    def __init__(self, provider: CachedProvider) -> None:
        self.provider = provider
        self.host_chosen_for: Credentials | None = None
        """The set whose account id stands in the host, where one does."""
        self.signed_with: Credentials | None = None
        self.is_repeated = False
        """Whether it was sent once more because its token had ended."""

    def __deepcopy__(self, memo: object) -> Note:
        return self  # botocore copies whole requests to presign a part of them


class AttemptCredentials:
    """Stands for a provider in a session: each attempt of a request gets the set that is good then.

    This is what ``await session.get_credentials()`` gives. ``provider`` is the cached provider behind it, bound to what
    was set on the session.
    """

    __slots__ = ("provider",)

    method = "anycreds"  # how these were found, for botocore's logs

    def __init__(self, provider: CachedProvider) -> None:
        self.provider = provider

    async def get_frozen_credentials(self) -> FrozenCredentials:
        """Return the set to sign with. Raises a ``CredentialsError`` if there is none."""
        context = _request.get()
        _request.set(None)
        credentials = await self.provider()
        if context is not None:
            note = _note(context, self.provider)
            chosen = note.host_chosen_for
            if chosen is not None and chosen.account_id != credentials.account_id:
                credentials = chosen  # the host has that account in its name: a key of another would be a lie
            note.signed_with = credentials
        return FrozenCredentials(credentials)

    async def get_account_id(self) -> str | None:
        """Return the account that the current set belongs to, for hosts that have it in their names."""
        credentials = await self.provider()
        context = _request.get()
        if context is not None and credentials.account_id is not None:
            _note(context, self.provider).host_chosen_for = credentials
        return credentials.account_id

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """Return the function that gives a property later; only the account id is known."""
        return self.get_account_id if name == "account_id" else partial(getattr, self, name, None)

    def __repr__(self) -> str:
        return f"<credentials of {self.provider!r}>"


def note_address(context: dict[str, Any] | None = None, **_: Any) -> None:
    """Handle ``before-endpoint-resolution``: the task is about to choose this request's host."""
    _request.set(context)


def note_signing(request: Any = None, **_: Any) -> None:
    """Handle ``before-sign``: the task is about to sign this request."""
    _request.set(request.context)


async def repeat_if_expired(response: Any = None, request_dict: Any = None, **_: Any) -> int | None:
    """Handle ``needs-retry``: drop the set that a service calls expired, and sign and send once more with another.

    Returns the seconds to wait before that, none; None: what becomes of this request is not for us to say.
    """
    note: Note | None = request_dict["context"].get(_NOTE)
    if note is None or note.signed_with is None or not says_expired(response):
        return None
    service_error, chosen = note.signed_with, note.host_chosen_for
    note.provider.invalidate(service_error)
    if note.is_repeated or not can_be_sent_again(request_dict.get("body")):
        return None
    fresh = await note.provider()
    if (fresh.access_key_id, fresh.session_token) == (service_error.access_key_id, service_error.session_token):
        return None  # there is no other set, so the answer would be no other
    if chosen is not None and chosen.account_id != fresh.account_id:
        return None  # this request goes to the host of an account that we have no keys for any more
    note.is_repeated = True
    return 0


def listen(emitter: Any) -> None:
    """Let the emitter of a session, and so the clients that it makes from now on, call these handlers."""
    # Last, because the handlers of others may ask for something themselves. The ids keep it from happening twice.
    emitter.register_last("before-endpoint-resolution", note_address, unique_id="anycreds-address")
    emitter.register_last("before-sign", note_signing, unique_id="anycreds-signing")
    emitter.register_first("needs-retry", repeat_if_expired, unique_id="anycreds-expired")


def _note(context: dict[str, Any], provider: CachedProvider) -> Note:
    note: Note | None = context.get(_NOTE)
    if note is None or note.provider is not provider:
        note = context[_NOTE] = Note(provider)
    return note
