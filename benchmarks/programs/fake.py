"""Serve a ``FakeAWS`` until the standard input ends. Print where and for which keys, and then an answer to each line.

A line is ``count ROUTE``: how many requests have come for it; ``sso`` or ``login``: a token to refresh, as JSON; or
``sso valid``: one that is good for an hour.
"""

from __future__ import annotations

import json
import sys

from anycreds.testing import FakeAWS

# Seconds. An SSO token is refreshed in its last five minutes, and that of a login when its credentials have ended.
SSO_LEFT, LOGIN_LEFT = 60.0, -60.0


def answer(aws: FakeAWS, line: str) -> str:
    """Return what a line asks for."""
    if line == "sso":
        return json.dumps(aws.sso_token(expires_in=SSO_LEFT))
    if line == "sso valid":
        return json.dumps(aws.sso_token())
    if line == "login":
        return json.dumps(aws.login_token(expires_in=LOGIN_LEFT, region="us-east-1"))
    return str(aws.count(line.removeprefix("count ")))


if __name__ == "__main__":
    with FakeAWS.in_thread() as aws:
        print(aws.metadata_url, aws.container_url, aws.container_token, *aws.key_environ().values(), flush=True)
        for line in sys.stdin:
            print(answer(aws, line.strip()), flush=True)
