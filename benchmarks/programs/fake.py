"""Serve a ``FakeAWS`` until the standard input ends; print where, and for each route that comes in, its count."""

from __future__ import annotations

import sys

from anycreds.testing import FakeAWS

if __name__ == "__main__":
    with FakeAWS.in_thread() as aws:
        print(aws.metadata_url, aws.container_url, aws.container_token, flush=True)
        for line in sys.stdin:
            print(aws.count(line.strip()), flush=True)
