"""SIGTERM and SIGHUP end a command as Ctrl-C does: what it made for itself is cleaned up."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

GRACE_S = 20.0  # for cleaning up; a call into TensorFlow that hangs lets no Python run


@contextmanager
def unwound_by_signals(received: list[signal.Signals]) -> Iterator[None]:
    """Has SIGTERM and SIGHUP raise KeyboardInterrupt inside, and end the process where that is not over in time.

    A signal that is ignored, as by nohup, stays so. Outside the main thread nothing is done, nor on Windows, where a
    process that is ended learns nothing of it.

    Args:
        received: the signal is appended.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGHUP"):
        yield
        return

    def unwind(number: int, frame: Any) -> None:
        for mine in handled:
            signal.signal(mine, signal.SIG_IGN)  # while it cleans up
        received.append(signal.Signals(number))
        raise KeyboardInterrupt

    handled = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    arrivals, notes = os.pipe()
    os.set_blocking(notes, False)
    former = signal.set_wakeup_fd(notes, warn_on_full_buffer=False)
    over = threading.Event()
    threading.Thread(target=_end_in_time, args=(arrivals, handled, over), daemon=True).start()
    for number in handled:
        signal.signal(number, unwind)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(former)
        over.set()
        os.close(notes)


def _end_in_time(arrivals, handled, over):
    """Ends the process where all is not over some time after a signal came."""
    while arrived := os.read(arrivals, 1):
        if arrived[0] in handled and not over.wait(GRACE_S):
            os._exit(128 + arrived[0])
    os.close(arrivals)
