"""The events that an ``observer`` receives; see ``cached``."""

from __future__ import annotations

from ._core.events import AttemptFailed as AttemptFailed
from ._core.events import AttemptStarted as AttemptStarted
from ._core.events import CacheWriteFailed as CacheWriteFailed
from ._core.events import Event as Event
from ._core.events import Invalidated as Invalidated
from ._core.events import Observer as Observer
from ._core.events import Refreshed as Refreshed
from ._core.events import ServedStale as ServedStale
from ._core.events import Waited as Waited
