"""Base of the immutable classes. Hand-written, since importing ``dataclasses`` takes longer than the rest."""

from __future__ import annotations

from typing import NoReturn, Self


class Frozen:
    """Base of classes with ``__slots__`` whose objects cannot be changed, and of which no copies or pickles are made.

    ``__init__`` sets attributes with ``object.__setattr__``.
    """

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen; attribute {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen; attribute {name} cannot be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} has no readable state, which could contain secrets")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be pickled: send the provider's settings, not the secrets")
