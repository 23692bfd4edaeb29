"""Steps of a core on a loop: one for what came in a turn, and at its timers."""

import asyncio
from typing import Any

from actors.turns import Round, Turns
from tests.actors.loopback import run

MS = 1_000_000


class Steps:
    """A step function that keeps when it was called, and wants what the test says."""

    def __init__(self, wants: list[int | None]) -> None:
        self.wants = wants
        self.at: list[int] = []
        self.done = asyncio.Event()

    def __call__(self, now_ns: int) -> int | None:
        self.at.append(now_ns)
        if not self.wants:
            self.done.set()
            return None
        return self.wants.pop(0)


def clock() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


def test_what_comes_in_one_turn_is_one_step() -> None:
    async def main() -> None:
        steps = Steps([])
        turns = Turns(steps, clock)
        for _ in range(3):
            turns.wake()
        await steps.done.wait()
        assert turns.steps == len(steps.at) == 1

    run(main())


def test_a_core_that_is_due_steps_again_and_one_that_is_not_waits_for_its_time() -> None:
    async def main() -> None:
        begin = clock()
        steps = Steps([begin, begin + 20 * MS, begin + 20 * MS])
        turns = Turns(steps, clock)
        turns.wake()
        await steps.done.wait()
        assert turns.steps == 4
        # The loop's clock has milliseconds.
        assert steps.at[3] >= begin + 18 * MS

    run(main())


def test_a_stopped_core_takes_no_step() -> None:
    async def main() -> None:
        steps = Steps([])
        turns = Turns(steps, clock)
        turns.wake()
        turns.stop()
        await asyncio.sleep(0)
        assert not steps.at

    run(main())


def test_what_a_step_raises_reaches_the_host_of_the_loop() -> None:
    async def main() -> None:
        told: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: told.set_result(context)
        )

        def broken(now_ns: int) -> int | None:
            raise ZeroDivisionError

        Turns(broken, clock).wake()
        context = await told
        assert isinstance(context["exception"], ZeroDivisionError) and "handle" in context

    run(main())


def test_cores_of_a_round_ask_each_other_within_one_turn_and_never_within_a_step() -> None:
    async def main() -> None:
        said: list[str] = []
        done = asyncio.Event()
        between = Round(steps_max=3)

        def asks(now_ns: int) -> int | None:
            said.append("asker begins")
            if len(said) == 1:
                answering.wake()
            else:
                done.set()
            said.append("asker ends")
            return None

        def answers(now_ns: int) -> int | None:
            said.append("answer begins")
            asking.wake()
            said.append("answer ends")
            return None

        asking = Turns(asks, clock, between.soon)
        answering = Turns(answers, clock, between.soon)
        asking.wake()
        asyncio.get_running_loop().call_soon(said.append, "next in the loop")
        await done.wait()
        await asyncio.sleep(0)
        steps = ["asker begins", "asker ends", "answer begins", "answer ends"]
        assert said == [*steps, *steps[:2], "next in the loop"]

    run(main())


def test_a_round_that_has_no_end_lets_the_loop_go_on() -> None:
    async def main() -> None:
        between = Round(steps_max=4)
        turns = Turns(lambda now_ns: now_ns, clock, between.soon)
        turns.wake()
        for _ in range(3):
            await asyncio.sleep(0)
        # A turn or two of the loop have passed, and no more steps than they have room for.
        assert 4 <= turns.steps <= 12 and turns.steps % 4 == 0
        turns.stop()

    run(main())


def test_what_a_step_raises_leaves_the_rest_of_the_round_its_turn() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[dict[str, Any]] = loop.create_future()
        loop.set_exception_handler(lambda _, context: told.set_result(context))
        between = Round(steps_max=4)

        def broken(now_ns: int) -> int | None:
            raise ZeroDivisionError

        steps = Steps([])
        Turns(broken, clock, between.soon).wake()
        Turns(steps, clock, between.soon).wake()
        await steps.done.wait()
        assert isinstance((await told)["exception"], ZeroDivisionError)

    run(main())
