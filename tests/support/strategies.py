"""Texts that hypothesis draws, where an error may rightly show them: any, but for those that are planted as secrets.

It draws from the constants of the programs under test, too, and the word that every planted secret holds is one.
"""

from __future__ import annotations

from hypothesis import strategies as st

from anycreds.testing import CANARY


def shown_texts() -> st.SearchStrategy[str]:
    """Return a strategy for any text without that word."""
    return st.text().filter(lambda text: CANARY not in text)
