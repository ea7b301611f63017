"""Hypothesis strategies for texts that an error may contain.

Hypothesis also draws the constants of the code under test, and the word in every planted secret is one of them.
"""

from __future__ import annotations

from hypothesis import strategies as st

from anycreds.testing import CANARY


def shown_texts() -> st.SearchStrategy[str]:
    """Return a strategy for texts without the word in planted secrets."""
    return st.text().filter(lambda text: CANARY not in text)
