"""Every schedule of every world, up to a number of deviations: none breaks an invariant of the cache, on each loop.

``history`` has the invariants: one call of the source at a time, a healthy source is called once, no caller gets
expired or invalidated credentials, or an error that is not due, a later call is served, and no refresh or task is left.
That no thread is left is checked after every test of the suite.
"""

from __future__ import annotations

import time

import pytest

from simulation.exhaustive.schedules import LOOPS, SEVERAL, ScheduleError, explore, no_overhead, play, repeat
from simulation.exhaustive.search import Search
from simulation.exhaustive.worlds import WORLDS, WORLDS_OF_SEVERAL, World
from support.goals import RecordGoal
from support.schedule_search import SEARCHED

# What a search keeps would not fit into memory.
pytestmark = pytest.mark.weak_error_references

each_loop = pytest.mark.parametrize("loop", LOOPS)
each_world = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
each_pair = pytest.mark.parametrize("loop", SEVERAL)
each_world_of_several = pytest.mark.parametrize("world", WORLDS_OF_SEVERAL.values(), ids=WORLDS_OF_SEVERAL)


def search(loop: str, world: World, bound: int, request: pytest.FixtureRequest) -> int:
    """Run every schedule of a world up to a bound, and note their number for the summary."""
    started = time.process_time()
    schedules = explore(loop, world, bound)
    request.node.user_properties.append((SEARCHED, (loop, schedules, time.process_time() - started)))
    return schedules


@pytest.mark.fault("C01", "C02", "C15", "C16")
@each_loop
@each_world
def test_no_schedule_with_few_deviations_breaks_an_invariant(
    loop: str, world: World, request: pytest.FixtureRequest
) -> None:
    """Every schedule of a world with one deviation, or a few, keeps the invariants."""
    assert search(loop, world, world.bound, request) > 1


@pytest.mark.fault("C05", "C15")
@each_pair
def test_no_schedule_of_two_event_loops_breaks_an_invariant(loop: str, request: pytest.FixtureRequest) -> None:
    """Every schedule of one world, on two event loops in threads, with one deviation keeps the invariants.

    A run of threads takes ten times as long as one of tasks. The long test has all worlds.
    """
    world = WORLDS_OF_SEVERAL["two-reject"]
    assert search(loop, world, world.bound, request) > 1


@pytest.mark.goal("G12", long=True)
@pytest.mark.timeout(600)
@each_pair
@each_world_of_several
def test_two_event_loops_break_no_invariant(
    loop: str, world: World, request: pytest.FixtureRequest, goal: RecordGoal
) -> None:
    """Every schedule of two event loops in threads keeps the invariants, up to two or three deviations."""
    schedules = search(loop, world, world.full_bound, request)
    figure = f"{{schedules}} schedules of two event loops, which are all with up to {world.full_bound} deviations"
    goal("G12", figure, "all", schedules=schedules)


@pytest.mark.goal("G1", "G2", long=True)
@pytest.mark.timeout(600)
@each_loop
@each_world
def test_no_schedule_breaks_an_invariant(
    loop: str, world: World, request: pytest.FixtureRequest, goal: RecordGoal
) -> None:
    """Every schedule of a world keeps the invariants, up to four deviations; of larger worlds up to three or two."""
    schedules = search(loop, world, world.full_bound, request)
    figure = f"{{schedules}} schedules, which are all with up to {world.full_bound} deviations"
    goal("G1", figure, "all", schedules=schedules)
    goal("G2", figure, "all", schedules=schedules)


@each_loop
@each_world
def test_a_schedule_has_the_same_events_each_time(loop: str, world: World) -> None:
    """A run that is repeated from its token has the same events, in the same order and at the same times."""
    search = Search(1)
    with no_overhead():
        for _ in search:
            first = play(loop, world, search).history.events
            assert repeat(f"{loop}:{world.name}:{search.token}").history.events == first


def test_a_schedule_of_two_event_loops_has_the_same_events_each_time() -> None:
    """A run of two threads that is repeated from its token has the same events, too."""
    search = Search(1)
    with no_overhead():
        for _ in search:
            first = play("asyncio+trio", WORLDS_OF_SEVERAL["two-reject"], search).history.events
            assert repeat(f"asyncio+trio:two-reject:{search.token}").history.events == first


def test_replayed_schedule(replay_token: str) -> None:
    """The schedule of the option ``--replay`` keeps the invariants."""
    played = repeat(replay_token)
    print("\n".join(played.history.events))  # noqa: T201 - what the option is for
    if played.history.problems:
        raise ScheduleError(replay_token, played)
