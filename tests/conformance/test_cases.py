"""The conformance cases are well formed and cover every provider, and the comparison finds differences."""

from __future__ import annotations

import re
from typing import Any

import pytest

import anycreds
from anycreds.testing import ROUTES
from conformance.case_files import PEERS, Case, merged, read_cases
from conformance.comparison import KINDS, differences

CASES = read_cases()

# Minimum number of compared cases, so that coverage cannot shrink unnoticed.
AT_LEAST = {"javascript": 75, "botocore": 60}

KEYS = {"title", "environ", "files", "fake", "call", "times", "expect", "peers"}
EXPECTED = {"credentials", "error", "message_contains", "requests", "files"}


def test_cases_are_well_formed() -> None:
    """A case has a title, a call and one expectation, and no unknown keys."""
    for case in CASES:
        assert case.data.keys() <= KEYS, case.name
        assert case.data["title"].endswith("."), case.name
        assert case.data.get("fake", {}).keys() <= {"settings", "faults", "identities"}, case.name
        assert case.data.get("fake", {}).get("faults", {}).keys() <= set(ROUTES), case.name
        assert_is_expectation(case)


def test_cases_give_a_reason_for_a_difference() -> None:
    """A skipped or differing peer has a reason of one line."""
    for case in CASES:
        assert case.data.get("peers", {}).keys() <= set(PEERS), case.name
        for peer in PEERS:
            entry = case.peer(peer)
            assert entry.keys() in ({"skip"}, {"differs", "expect"}, set()), (case.name, peer)
            reasons = (entry.get("skip", "-"), entry.get("differs", "-"))
            assert all(reason and "\n" not in reason for reason in reasons), (case.name, peer)
            assert entry.get("expect", {}).keys() <= EXPECTED | {"chain"}, (case.name, peer)


def assert_is_expectation(case: Case) -> None:
    expect = case.data["expect"]
    assert expect.keys() <= EXPECTED, case.name
    assert ("credentials" in expect) != ("error" in expect), case.name
    assert "error" not in expect or expect["error"] in KINDS["kinds"], case.name
    routes = [one if isinstance(one, str) else one["route"] for one in expect.get("requests", [])]
    assert set(routes) <= {*ROUTES, "other"}, case.name


def test_every_provider_has_cases() -> None:
    """Cases call every public factory, with credentials and with errors as outcome."""
    factories = {name for name in vars(anycreds) if name.startswith("from_")} | {"create_credential_chain"}
    for outcome in ("credentials", "error"):
        called = {case.data["call"]["factory"] for case in CASES if outcome in case.data["expect"]}
        assert called == factories


@pytest.mark.parametrize("peer", PEERS)
def test_enough_is_compared(peer: str) -> None:
    """Each peer runs a minimum number of cases, and agrees in more than it differs."""
    entries = [case.peer(peer) for case in CASES]
    compared = [one for one in entries if "skip" not in one]
    assert len(compared) >= AT_LEAST[peer]
    assert sum("differs" in one for one in compared) * 2 < len(compared)


@pytest.mark.parametrize("peer", PEERS)
def test_every_provider_is_compared(peer: str) -> None:
    """Every provider is compared, except where all cases say that the peer has no provider of that kind."""
    compared = {case.provider for case in CASES if not case.skip(peer)}
    reason = re.compile(rf"{peer} has no (provider|API) for ", re.IGNORECASE)
    missing = {case.provider for case in CASES if reason.match(case.skip(peer) or "")}
    assert compared | missing == {case.provider for case in CASES}
    assert compared & missing == set()


CREDENTIALS = {"access_key_id": "AKID", "expiration": "2999-01-01T00:00:00Z"}
GOOD: dict[str, Any] = {"credentials": CREDENTIALS, "requests": [{"route": "role"}], "files": {}}
BAD: dict[str, Any] = {"error": "timeout", "chain": "stops", "message": "late", "requests": [], "files": {}}


@pytest.mark.parametrize(
    ("expect", "actual"),
    [
        ({"credentials": {**CREDENTIALS, "access_key_id": "AKOTHER"}, "requests": ["role"]}, GOOD),
        ({"credentials": {"access_key_id": "AKID"}, "requests": ["role"]}, GOOD),
        ({"credentials": {**CREDENTIALS, "account_id": "1"}, "requests": ["role"]}, GOOD),
        ({"credentials": {**CREDENTIALS, "expiration": "2999-01-01T00:02:00Z"}, "requests": ["role"]}, GOOD),
        ({"credentials": CREDENTIALS}, GOOD),
        ({"credentials": CREDENTIALS, "requests": ["token"]}, GOOD),
        ({"credentials": CREDENTIALS, "requests": [{"route": "role", "region": "eu-west-1"}]}, GOOD),
        (
            {"credentials": CREDENTIALS, "requests": ["role"], "files": {"f": {"a": 1}}},
            {**GOOD, "files": {"f": {"a": 2}}},
        ),
        ({"error": "timeout", "requests": ["role"]}, GOOD),
        ({"credentials": CREDENTIALS}, BAD),
        ({"error": "retrieval"}, BAD),
        ({"error": "timeout", "chain": "continues"}, BAD),
        ({"error": "timeout", "message_contains": ["early"]}, BAD),
        ({"error": "timeout", "requests": ["role"]}, BAD),
    ],
)
def test_differences_are_found(expect: dict[str, Any], actual: dict[str, Any]) -> None:
    """A different value, field, expiration, request, file, kind, chain or message is a difference."""
    assert differences(expect, actual) != []


@pytest.mark.parametrize(
    ("expect", "actual", "exact"),
    [
        ({"credentials": CREDENTIALS, "requests": ["role"]}, GOOD, True),
        ({"credentials": {**CREDENTIALS, "access_key_id": "AK…"}, "requests": [{"route": "role"}]}, GOOD, True),
        ({"credentials": {**CREDENTIALS, "expiration": "2999-01-01T02:00:30+02:00"}, "requests": ["role"]}, GOOD, True),
        ({"error": "timeout", "message_contains": ["late"]}, BAD, True),
        ({"error": "retrieval"}, BAD, False),
    ],
)
def test_equal_outcomes(expect: dict[str, Any], actual: dict[str, Any], exact: bool) -> None:
    """A prefix, another notation of a time and, for peers, the parent kind are no difference."""
    assert differences(expect, actual, exact=exact) == []


def test_merged_expectations() -> None:
    """A peer's expectation updates credentials field by field, and an error replaces them."""
    base = {"credentials": {"access_key_id": "AKID", "account_id": "1"}, "requests": ["role"]}
    other = merged(base, {"credentials": {"account_id": None}})
    assert other == {"credentials": {"access_key_id": "AKID", "account_id": None}, "requests": ["role"]}
    assert merged(base, {"error": "timeout"}) == {"error": "timeout", "requests": ["role"]}
    assert merged({"error": "timeout"}, {"credentials": CREDENTIALS}) == {"credentials": CREDENTIALS}
