"""The exception of the strict readers, and checks of options that several providers have."""

from __future__ import annotations


class InvalidValueError(ValueError):
    """A value cannot be used. The text says what is wrong with it, and never repeats it, since it may be a secret.

    Readers of untrusted input raise it. The caller that knows which setting or response the value came from catches it
    and raises a ``CredentialsError``.
    """
