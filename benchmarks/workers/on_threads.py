"""Callers that are threads, which cannot be cancelled."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import repeat
from time import perf_counter, sleep
from typing import TypeAlias

from .jobs import EXIT_DELAY, CallLog, Job, print_samples, wait_for_go

GetKey: TypeAlias = Callable[[], str]
Setup: TypeAlias = Callable[[], GetKey]
STACK = 256 * 1024  # bytes; the default of 8 MiB of address space is too much for 10,000 threads


def run(setup: Setup, job: Job) -> None:
    """Run a job."""
    {"concurrent": _concurrent, "resolve": _resolve, "hit": _hit}[job.kind](setup, job)


def _concurrent(setup: Setup, job: Job) -> None:
    if job.is_warm:
        setup()()
    get_key = setup()
    first = None if job.lifetime is None else get_key()
    came = perf_counter()
    sleep(job.after)
    threading.stack_size(STACK)
    wait_for_go()
    log = CallLog(job, first, came)
    callers = [
        threading.Thread(target=_caller, args=(number, get_key, job, log), daemon=True) for number in range(job.callers)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(max(0.0, log.began + job.time_limit - perf_counter()))
    log.print_results()
    sleep(EXIT_DELAY)
    os._exit(0)  # waiting threads would keep the process alive


def _caller(number: int, get_key: GetKey, job: Job, log: CallLog) -> None:
    for again in range(job.calls):
        if again and job.pause:
            sleep(job.pause)
        log.begin(number)
        try:
            key = get_key()
        except Exception as error:  # noqa: BLE001 - every error of a library is an outcome
            log.end(number, type(error).__name__)
        else:
            log.got(number, key)


def _resolve(setup: Setup, job: Job) -> None:
    samples = []
    for _ in range(job.calls):
        started = perf_counter()
        setup()()
        samples.append(perf_counter() - started)
    print_samples(samples)


def _hit(setup: Setup, job: Job) -> None:
    get_key = setup()
    get_key()
    samples = []
    for _ in range(job.calls):
        started = perf_counter()
        for _ in repeat(None, job.callers):
            get_key()
        samples.append((perf_counter() - started) / job.callers)
    print_samples(samples)
