"""What one generator is told; apart from the generator, whose import patches the process."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """What one generator process is told. Lies in a private directory: it names the token."""

    servers: list[str]
    """URLs; all that is sent to one object goes to one of them."""
    ca_file: str
    token_file: str
    identity_file: str
    """A client certificate and its key; may be empty."""
    schedule: str
    """A file of schedule_bytes, gzipped."""
    index: int
    processes: int
    """This process sends the groups whose number modulo ``processes`` is ``index``."""
    in_flight_max: int
    request_timeout_s: float
    image: str
    """Of the pods of the load."""
    seed: int
    trace_share: float
    """See loadtest.sampled.Sampling."""
    spans: str
    """Of the requests that are sampled."""
    samples: str
    result: str


def write_private(path: Path, text: str) -> None:
    """A file that only its owner can read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def write_config(config: GeneratorConfig, path: Path) -> None:
    write_private(path, json.dumps(asdict(config)))


def read_config(path: Path) -> GeneratorConfig:
    return GeneratorConfig(**json.loads(path.read_text()))
