"""How long something takes, whatever else the machine and the other tests do."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Asserts that what is done inside takes this thread at most so many seconds of a processor.

    Other processes and threads do not count, and what other tests have left behind is not collected meanwhile.
    """
    gc.disable()
    began = time.thread_time()
    try:
        yield
        took = time.thread_time() - began
    finally:
        gc.enable()
    assert took < seconds
