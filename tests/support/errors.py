"""Returns the error that a pure function raises, without the frames that ``Provider._fetch`` removes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from anycreds._core.errors import CredentialsError, strip_frames

E = TypeVar("E", bound=CredentialsError)


def error_of(function: Callable[..., object], *args: object, kind: type[E], **kwargs: object) -> E:
    """Call a function that must raise an error of this class; return the error without its traceback.

    The locals of the frames in the traceback may contain secrets. Only ``Provider._fetch`` strips them, and the secret
    leak detector would report them here.
    """
    with pytest.raises(kind) as caught:
        function(*args, **kwargs)
    strip_frames(caught.value)
    return caught.value
