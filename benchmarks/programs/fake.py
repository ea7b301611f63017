"""Run a ``FakeAWS`` until the standard input ends. Print its URLs and keys, and then a response to each line.

A line is a command: ``count ROUTE`` (the number of requests for a route), ``sso`` or ``login`` (a token that is due for
a refresh, as JSON), or ``sso valid`` (one that is valid for an hour).
"""

from __future__ import annotations

import json
import sys

from anycreds.testing import FakeAWS

# Seconds. An SSO token is refreshed in its last five minutes, a login token when its credentials have expired.
SSO_LEFT, LOGIN_LEFT = 60.0, -60.0


def response(aws: FakeAWS, line: str) -> str:
    """Return the response to a command."""
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
            print(response(aws, line.strip()), flush=True)
