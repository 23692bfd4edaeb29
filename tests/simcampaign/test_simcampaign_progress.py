"""What is shown while a campaign runs in virtual time."""

import io

from loadtest.virtual_progress import PERIOD_S, VirtualProgress


def test_a_line_every_few_real_seconds_with_what_is_left() -> None:
    moments = [0.0, PERIOD_S / 2, PERIOD_S, PERIOD_S * 1.5, PERIOD_S * 4, PERIOD_S * 8]
    stream = io.StringIO()
    progress = VirtualProgress(stream, 900.0, iter(moments).__next__)
    for virtual_s, created in ((100, 1), (225, 2500), (300, 3), (450, 5000), (900, 9)):
        progress.tick(virtual_s, created, 1)
    assert stream.getvalue().splitlines() == [
        "[  2.0 s] virtual 225 of 900 s, pods created 2,500, bound 1, ETA 6 s",
        "[  8.0 s] virtual 450 of 900 s, pods created 5,000, bound 1, ETA 8 s",
        "[ 16.0 s] virtual 900 of 900 s, pods created 9, bound 1, the load is over, pods settle",
    ]
