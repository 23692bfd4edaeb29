"""What every part of a simulated world shares: time, chance, the fingerprint, who listens."""

from dataclasses import dataclass, field

from api.streams import Stream
from sim.digest import Digest
from sim.heap import Agenda
from sim.seen import Seen
from sim.story import Story
from sim.topics import Topics


@dataclass(slots=True)
class Kernel:
    """Parts of one run."""

    seed: int
    agenda: Agenda
    story: Story | None = None
    digest: Digest = field(default_factory=Digest)
    topics: Topics = field(default_factory=Topics)
    seen: Seen = field(default_factory=Seen)
    steps: int = 0
    """Steps of cores so far."""
    messages: int = 0
    """Requests, answers, watch events and records that cores were given so far."""
    pace_percent: int = 100
    """What steps take, in percent of the cost profile."""
    sending_ns: int = 0
    """When the effects of the step under way leave its program: after its service time."""

    def stream(self, name: str) -> Stream:
        """Chance for one user of it."""
        return Stream(self.seed, f"sim/{name}")

    def tell(self, who: str, what: str, path: str, note: str = "") -> None:
        """A line of the story, if one is written."""
        if self.story is not None:
            self.story.tell(self.agenda.now_ns, who, what, path, note)
