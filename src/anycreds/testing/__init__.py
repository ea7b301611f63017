"""Testing tools: AWS's credential services on loopback, faults, controllable clocks and virtual-time event loops.

``import anycreds`` does not import this package. Virtual time on trio needs trio, the sign-in service of ``FakeAWS``
needs cryptography, and ``anycreds.testing.pytest_plugin`` needs pytest.
"""

from __future__ import annotations

from ._clock import ManualClock
from ._fake_aws import FakeAWS
from ._fake_aws.messages import CANARY
from ._fake_aws.recording import Exchange, SignedFor
from ._fake_aws.routing import ROUTES
from ._fake_aws.state import IdentityPool, RoleTrust
from ._fake_aws.steps import Script, Step
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
    ResetAfter,
    ServiceError,
    Status,
)
from ._memory_network import MemoryNetwork
from ._memory_network.connection import MemoryConnection
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
    "ResetAfter",
    "RoleTrust",
    "Script",
    "ServiceError",
    "SignedFor",
    "Status",
    "Step",
    "VirtualClock",
    "VirtualLoop",
    "virtual_backend",
]
