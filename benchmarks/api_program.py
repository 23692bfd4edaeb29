"""One program of a stack in a process of its own, with nothing in it but what the program imports.

    python -m benchmarks.api_program actors.store|actors.apiserver|actors.scheduler

Imports the program, reads a pickled (config, addresses of its peers) from its input, writes its
address and HTTPS port as a line of JSON when it is ready, and stops at the end of its input.
"""

import asyncio
import importlib
import json
import pickle
import sys

import uvloop


def main() -> None:
    start = importlib.import_module(sys.argv[1]).start
    config, addresses = pickle.load(sys.stdin.buffer)

    async def resolve(name: str) -> str:
        found: str = addresses[name]
        return found

    async def serve() -> None:
        running = await start(config, resolve)
        print(json.dumps([running.address, getattr(running, "https_port", 0)]), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
        await running.stop()

    uvloop.run(serve())


if __name__ == "__main__":
    main()
