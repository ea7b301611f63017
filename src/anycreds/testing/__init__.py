"""For tests, demonstrations and benchmarks: AWS's credential services on loopback, and time that obeys.

``import anycreds`` does not import this. What it needs beside the library (h11) comes with httpx; pytest is needed for
``anycreds.testing.pytest_plugin`` only, trio for virtual time on trio, and cryptography for the fake's sign-in.
"""

from __future__ import annotations

from ._clock import ManualClock
from ._fake_aws import FakeAWS
from ._fake_aws.connection import Exchange
from ._fake_aws.messages import CANARY
from ._fake_aws.recording import SignedFor
from ._fake_aws.routing import ROUTES
from ._fake_aws.settings import IdentityPool, RoleTrust
from ._faults import (
    Body,
    Delay,
    Drip,
    Expired,
    Fault,
    Flood,
    Forever,
    Gzip,
    HalfBody,
    Hang,
    Raw,
    Redirect,
    Refuse,
    ResetAfter,
    Status,
)
from ._memory_network import MemoryNetwork
from ._memory_network.connection import MemoryConnection, Script, Step
from ._virtual_time import VIRTUAL_BACKENDS, VirtualClock, VirtualLoop, virtual_backend

__all__ = [
    "CANARY",
    "ROUTES",
    "VIRTUAL_BACKENDS",
    "Body",
    "Delay",
    "Drip",
    "Exchange",
    "Expired",
    "FakeAWS",
    "Fault",
    "Flood",
    "Forever",
    "Gzip",
    "HalfBody",
    "Hang",
    "IdentityPool",
    "ManualClock",
    "MemoryConnection",
    "MemoryNetwork",
    "Raw",
    "Redirect",
    "Refuse",
    "ResetAfter",
    "RoleTrust",
    "Script",
    "SignedFor",
    "Status",
    "Step",
    "VirtualClock",
    "VirtualLoop",
    "virtual_backend",
]
