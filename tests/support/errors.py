"""Returns the errors of pure functions, without the frames that ``Provider._fetch`` removes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from anycreds._core.errors import CredentialsError, strip_frames
from anycreds._core.validation import InvalidValueError

E = TypeVar("E", bound=BaseException)


def error_of(function: Callable[..., object], *args: object, kind: type[E], **kwargs: object) -> E:
    """Call a function that must raise an error of this class; return the error without its traceback.

    The locals of the frames in the traceback may contain secrets. Only ``Provider._fetch`` strips them, and the secret
    leak detector would report them here.
    """
    with pytest.raises(kind) as caught:
        function(*args, **kwargs)
    strip_frames(caught.value)
    return caught.value


def rejected(function: Callable[..., object], *args: object, **kwargs: object) -> InvalidValueError:
    """Call a strict reader that must reject its input; return the error without its traceback."""
    return error_of(function, *args, kind=InvalidValueError, **kwargs)


def outcome(function: Callable[..., Any], *args: object, **kwargs: object) -> Any:
    """Call a parser; return its result, or its error without its traceback."""
    try:
        return function(*args, **kwargs)
    except (InvalidValueError, CredentialsError) as error:
        strip_frames(error)
        return error
