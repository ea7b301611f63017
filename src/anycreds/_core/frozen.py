"""Base of the immutable classes. Hand-written, since importing ``dataclasses`` takes longer than the rest."""

from __future__ import annotations

from typing import Any, NoReturn, Self

from .validation import InvalidValueError


class Frozen:
    """Base of classes with ``__slots__`` whose objects cannot be changed, copied or pickled."""

    __slots__ = ()

    def _set(self, **values: object) -> str | None:
        """Check and set every attribute. Return what is wrong with the first invalid one; no frame leaves with it."""
        for name, value in values.items():
            try:
                object.__setattr__(self, name, self._checked(name, value))
            except InvalidValueError as error:
                return f"{name} {error.reason}"
        return None

    def _checked(self, name: str, value: object) -> object:
        """Return the value to set. Raise ``InvalidValueError`` if the attribute cannot have it."""
        return value

    def _values(self) -> tuple[object, ...]:
        slots = (name for kind in type(self).__mro__ for name in getattr(kind, "__slots__", ()))
        return tuple(getattr(self, name) for name in slots)

    def __eq__(self, other: object) -> bool:
        is_same_kind = isinstance(other, type(self)) or isinstance(self, type(other))
        return self._values() == other._values() if is_same_kind and isinstance(other, Frozen) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

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

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        raise TypeError(f"{type(self).__name__} cannot be pickled: send the provider's settings, not the secrets")
