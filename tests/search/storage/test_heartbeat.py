"""Signs of life: the first at once, again and again until the end, and errors do not stop them."""

from __future__ import annotations

import threading

from hwcost.search.storage.heartbeat import Heart


def test_it_beats_through_errors_until_it_is_closed() -> None:
    beats, thrice = [], threading.Event()

    def beat() -> None:
        beats.append(threading.current_thread())
        if len(beats) == 3:
            thrice.set()
        raise ConnectionError("the database is away")

    with Heart(beat, 0.001):
        assert thrice.wait(60)
    thread, count = beats[0], len(beats)
    assert thread is not threading.current_thread() and thread.daemon and not thread.is_alive()
    assert count == len(beats)


def test_its_end_does_not_wait_for_the_next_beat() -> None:
    once = threading.Event()
    with Heart(once.set, 1e6):
        assert once.wait(60)
