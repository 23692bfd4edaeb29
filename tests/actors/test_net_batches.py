"""Calls, answers and items that share a frame arrive as if each had its own."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from actors.net import FrameClient, FrameServer, PeerError, send_to_all
from actors.net.client import CALLS_BYTES_MAX
from api.frames import FrameError
from tests.actors.loopback import BRISK, Echo, client_of, run, serve


@asynccontextmanager
async def followed() -> AsyncIterator[tuple[Echo, FrameServer, FrameClient, list[Any]]]:
    """A server, a client, and what came to the client on the stream it has open."""
    handler = Echo()
    server = await serve(handler)
    client = client_of(server)
    order: list[Any] = []
    client.open("follow", order.append, order.append)
    try:
        yield handler, server, client, order
    finally:
        await client.close()
        await server.stop()


def test_calls_of_one_turn_with_different_times_and_streams_between_keep_their_numbers() -> None:
    async def scenario() -> None:
        handler = Echo()
        server = await serve(handler)
        client = client_of(server)
        await client.connect()
        got: list[Any] = []
        calls = [client.send(number) for number in range(3)]
        stream = client.open("follow", got.append, got.append)
        calls += [client.send(3, timeout_s=5), client.send(4, timeout_s=6)]
        stream.close()
        calls += [client.send(bytes(CALLS_BYTES_MAX)), client.send(bytes(CALLS_BYTES_MAX))]
        answers = await asyncio.gather(*calls)
        assert answers[:5] == [0, 1, 2, 3, 4]
        assert [len(answer) for answer in answers[5:]] == [CALLS_BYTES_MAX] * 2
        assert handler.closed == [stream.id] and got == []
        await client.close()
        await server.stop()

    run(scenario())


def test_a_call_that_cannot_be_packed_harms_no_other_of_its_turn() -> None:
    async def scenario() -> None:
        server = await serve(Echo(), replace(BRISK, frame_bytes_max=1 << 20))
        client = client_of(server, options=replace(BRISK, frame_bytes_max=1 << 20))
        await client.connect()
        first = client.send("first")
        with pytest.raises(FrameError, match="packed"):
            await client.send(object())
        with pytest.raises(FrameError, match="over the limit"):
            await client.send(bytes(1 << 20))
        assert list(await asyncio.gather(first, client.send("last"))) == ["first", "last"]
        await client.close()
        await server.stop()

    run(scenario())


def test_an_answer_leaves_with_the_items_of_its_turn_and_behind_them() -> None:
    async def scenario() -> None:
        async with followed() as (handler, _, client, order):
            heard = asyncio.Event()

            def answered(answer: Any, error: Exception | None) -> None:
                order.append((answer, error))
                heard.set()

            client.ask("hold", answered)
            await handler.until(lambda: len(handler.held) == 1)
            handler.held[0]("answer")
            assert handler.streams[0].send("item") and order == []
            await heard.wait()
            assert order == ["item", ("answer", None)]

    run(scenario())


def test_answers_held_back_are_written_when_let_go_and_need_no_turn_of_their_own() -> None:
    async def scenario() -> None:
        async with followed() as (handler, server, client, order):
            calls = [client.send("hold") for _ in range(3)]
            for number, call in enumerate(calls):
                call.add_done_callback(lambda _, number=number: order.append(number))
            await handler.until(lambda: len(handler.held) == 3)
            (peer,) = server.peers
            server.hold()
            handler.held[0]("first")
            handler.held[1]("second")
            assert peer._answered and not peer.link._flush_due
            assert handler.streams[0].send("item")
            server.let_go()
            assert not peer._answered and not peer.link._out
            handler.held[2]("third")
            assert peer.link._flush_due, "who does not hold answers at the end of his turn"
            assert list(await asyncio.gather(*calls)) == ["first", "second", "third"]
            assert order == ["item", 0, 1, 2]

    run(scenario())


def test_answers_that_do_not_fit_together_come_one_by_one() -> None:
    async def scenario() -> None:
        handler = Echo()
        server = await serve(handler, replace(BRISK, frame_bytes_max=1000))
        client = client_of(server)
        calls = [client.send("hold") for _ in range(4)]
        await handler.until(lambda: len(handler.held) == 4)
        for reply, body in zip(handler.held, (bytes(600), bytes(700), bytes(2000), 7), strict=True):
            reply(body)
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert answers[:2] == [bytes(600), bytes(700)] and answers[3] == 7
        assert isinstance(answers[2], PeerError) and "over the limit" in str(answers[2])
        await client.close()
        await server.stop()

    run(scenario())


def test_one_item_for_many_streams_reaches_each_and_names_those_left_out() -> None:
    async def scenario() -> None:
        handler = Echo()
        server = await serve(handler)
        clients = [client_of(server), client_of(server)]
        got: dict[int, list[Any]] = {number: [] for number in range(5)}
        seen = asyncio.Event()

        def take(number: int, body: Any) -> None:
            got[number].append(body)
            seen.set()

        def follow(number: int) -> None:
            clients[number % 2].open(
                number, lambda body: take(number, body), lambda reason: take(number, reason)
            )

        for number in range(5):
            follow(number)
            await handler.until(lambda expected=number + 1: len(handler.streams) == expected)
        handler.streams[3].end("over")
        assert send_to_all(handler.streams, ["news", 1]) == [handler.streams[3]]
        assert send_to_all([], ["nobody"]) == []
        while not all(got.values()):
            seen.clear()
            await seen.wait()
        assert got == {number: ["over"] if number == 3 else [["news", 1]] for number in got}
        for client in clients:
            await client.close()
        await server.stop()

    run(scenario())


def test_answers_given_before_a_stop_are_sent() -> None:
    async def scenario() -> None:
        handler = Echo()
        server = await serve(handler)
        client = client_of(server)
        call = client.send("hold")
        await handler.until(lambda: len(handler.held) == 1)
        handler.held[0]("answered")
        await server.stop()
        assert await call == "answered"
        await client.close()

    run(scenario())


def test_a_connection_that_ended_is_freed_without_a_collection() -> None:
    """Programs that hold a large table never walk their old objects, so a cycle would stay."""

    async def scenario() -> None:
        server = await serve(Echo())
        client = client_of(server)
        assert await client.call("here") == "here"
        freed = asyncio.Event()
        (peer,) = [weakref.ref(peer, lambda _: freed.set()) for peer in server.peers]
        gc.disable()
        try:
            await client.close()
            await server.stop()
            await freed.wait()
        finally:
            gc.enable()
        assert peer() is None

    run(scenario())
