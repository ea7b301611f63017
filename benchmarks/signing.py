"""Signing one AssumeRole request, compared with botocore's signer."""

from __future__ import annotations

import gc
from importlib.util import find_spec
from itertools import repeat
from time import perf_counter, time
from typing import Any

from anycreds import Credentials
from anycreds._core.http import Url
from anycreds._wire.sigv4 import Scope, sign_headers

from .measurement import Row, ratio, span

GOAL = 1.0  # ratio to botocore's signer
SIGNATURES = 200  # per sample: some milliseconds, well above the clock's resolution
ROUNDS, QUICK_ROUNDS = 100, 10
TOKEN = "t" * 900  # about as long as a token of STS

URL = Url("https", "sts.us-east-1.amazonaws.com", None, "/")
HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}
BODY = (
    b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FDemo"
    b"&RoleSessionName=demo&DurationSeconds=3600"
)


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows, or none without botocore. Nothing is awaited, so no event loop runs."""
    if not find_spec("botocore"):
        return []
    rounds = QUICK_ROUNDS if quick else ROUNDS
    return [_measure(loop, rounds, None), _measure(loop, rounds, TOKEN)]


def _measure(loop: str, rounds: int, token: str | None) -> Row:
    keys = Credentials("AKIDEXAMPLE", "no-secret", token)
    _ours(keys), _botocores(keys)  # warm up: imports and specialized bytecode
    ours, theirs = [], []
    for _ in range(rounds):
        gc.collect()  # garbage of one side must not slow down the other
        ours.append(_ours(keys))
        theirs.append(_botocores(keys))
    what = "sign an AssumeRole" + (", session token" if token else "")
    return Row(what, loop, "s", span(ours), span(theirs), "botocore's signer", "ratio", ratio(ours, theirs), GOAL)


def _ours(keys: Credentials) -> float:
    """Return the seconds per signature."""
    scope = Scope("us-east-1", "sts")
    started = perf_counter()
    for _ in repeat(None, SIGNATURES):
        sign_headers(keys, scope, time(), "POST", URL, headers=HEADERS, body=BODY)
    return (perf_counter() - started) / SIGNATURES


def _botocores(keys: Credentials) -> float:
    """Return the seconds per signature of botocore, without the creation of the request."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import ReadOnlyCredentials

    frozen = ReadOnlyCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    signer = SigV4Auth(frozen, "sts", "us-east-1")
    requests: list[Any] = [AWSRequest("POST", str(URL), headers=HEADERS, data=BODY) for _ in range(SIGNATURES)]
    started = perf_counter()
    for request in requests:
        signer.add_auth(request)
    return (perf_counter() - started) / SIGNATURES
