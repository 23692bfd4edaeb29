"""A display that is a page as well."""

from loadtest.live.feed import Feed
from loadtest.live.server import LiveServer
from loadtest.progress import Display, Progress


class LivePage:
    """Shows everything on ``inner`` too. Errors: LiveError."""

    def __init__(self, inner: Display, name: str, port: int) -> None:
        self._inner = inner
        self._feed = Feed(name)
        self._server = LiveServer(self._feed, port)
        self.url = self._server.url
        inner.message(f"Live page {self.url}, metrics {self.url}metrics")

    def message(self, text: str) -> None:
        self._inner.message(text)

    def show(self, progress: Progress) -> None:
        self._inner.show(progress)
        self._feed.publish(progress)

    def close(self) -> None:
        self._server.close()
        self._inner.close()
