"""Callers that are threads. They cannot be cancelled, nor given up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import repeat
from time import perf_counter, sleep
from typing import TypeAlias

from .jobs import LINGER, Asks, Job, tell_samples, wait_for_go

Ask: TypeAlias = Callable[[], str]
Opened: TypeAlias = Callable[[], Ask]
STACK = 256 * 1024  # bytes; what the system gives by default, 8 MiB of address space, is too much for ten thousand


def play(opened: Opened, job: Job) -> None:
    """Do a job."""
    {"concurrent": _concurrent, "resolve": _resolve, "hit": _hit}[job.kind](opened, job)


def _concurrent(opened: Opened, job: Job) -> None:
    if job.is_warm:
        opened()()
    ask = opened()
    first = None if job.life is None else ask()
    came = perf_counter()
    sleep(job.after)
    threading.stack_size(STACK)
    wait_for_go()
    asks = Asks(job, first, came)
    callers = [
        threading.Thread(target=_caller, args=(number, ask, job, asks), daemon=True) for number in range(job.callers)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(max(0.0, asks.began + job.cap - perf_counter()))
    asks.tell()
    sleep(LINGER)
    os._exit(0)  # threads that still wait would keep the process


def _caller(number: int, ask: Ask, job: Job, asks: Asks) -> None:
    for again in range(job.asks):
        if again and job.every:
            sleep(job.every)
        asks.begin(number)
        try:
            key = ask()
        except Exception as error:  # noqa: BLE001 - whatever a library raises is what its users get
            asks.end(number, type(error).__name__)
        else:
            asks.got(number, key)


def _resolve(opened: Opened, job: Job) -> None:
    samples = []
    for _ in range(job.asks):
        started = perf_counter()
        opened()()
        samples.append(perf_counter() - started)
    tell_samples(samples)


def _hit(opened: Opened, job: Job) -> None:
    ask = opened()
    ask()
    samples = []
    for _ in range(job.asks):
        started = perf_counter()
        for _ in repeat(None, job.callers):
            ask()
        samples.append((perf_counter() - started) / job.callers)
    tell_samples(samples)
