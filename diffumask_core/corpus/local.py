"""The engine that needs nothing else: a pool of processes on this machine."""

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from diffumask_core.corpus.blocks import Block
from diffumask_core.corpus.worker import ATTEMPTS, BlockWorker, gave_up

_worker: BlockWorker


def run_locally(worker: BlockWorker, blocks: Sequence[Block], workers: int | None = None) -> Iterator[int]:
    """Runs blocks in processes, or in this one where a single worker is enough.

    Processes are spawned: a script that calls this needs an ``if __name__ == "__main__":``.

    Args:
        worker: What runs a block.
        blocks: The blocks.
        workers: How many processes; one for each core by default.

    Yields:
        The number of each block when it is done.

    Raises:
        WorkerError: A block took its process down again and again.
    """
    workers = min(workers or os.cpu_count() or 1, len(blocks))
    if workers <= 1:
        yield from map(worker, blocks)
        return
    waiting = deque(blocks)
    # All processes of a pool end with the first one that dies. Which block it was shows when they run alone.
    while interrupted := (yield from _run_pool(worker, waiting, workers)):
        for block in interrupted:
            yield _run_alone(worker, block)


def _run_pool(worker: BlockWorker, waiting: deque[Block], workers: int) -> Generator[int, None, list[Block]]:
    """Runs waiting blocks until none is left or a process dies; returns those that were running then."""
    running: dict[Future[int], Block] = {}
    with _pool(worker, workers) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    running[pool.submit(_run, waiting[0])] = waiting[0]
                    waiting.popleft()
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield done.result()
                    del running[done]
        except BrokenProcessPool:
            pass
    return list(running.values())


def _run_alone(worker: BlockWorker, block: Block) -> int:
    for _ in range(ATTEMPTS - 1):
        with _pool(worker, 1) as pool:
            try:
                return pool.submit(_run, block).result()
            except BrokenProcessPool:
                continue
    raise gave_up(block)


@contextmanager
def _pool(worker: BlockWorker, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that do not fight over cores: each computes in one thread, unless the user says otherwise."""
    given = "OMP_NUM_THREADS" in os.environ
    # Some libraries read it when they are loaded: within the process it may be too late.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        with ProcessPoolExecutor(workers, get_context("spawn"), _start, (worker,)) as pool:
            yield pool
    finally:
        if not given:
            del os.environ["OMP_NUM_THREADS"]


def _start(worker: BlockWorker) -> None:
    global _worker
    _worker = worker


def _run(block: Block) -> int:
    return _worker(block)
