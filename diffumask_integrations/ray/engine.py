"""The engine that grows beyond one machine: blocks of a corpus on the workers of Ray Data."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from diffumask_core.corpus.blocks import Block
from diffumask_core.corpus.worker import ATTEMPTS, BlockWorker, gave_up
from diffumask_core.errors import DiffuMaskError, WorkerError
from diffumask_core.extras import needs_extra

with needs_extra("ray"):
    import ray
    import ray.data


def run_on_ray(worker: BlockWorker, blocks: Sequence[Block], workers: int | None = None) -> Iterator[int]:
    """Runs blocks on Ray: on the cluster that this program is connected to, or RAY_ADDRESS names, or on this machine.

    Workers read the corpus and write the output themselves: both need to be under the same path everywhere.

    Args:
        worker: What runs a block.
        blocks: The blocks.
        workers: How many Ray actors; by default one for each CPU of the cluster.

    Yields:
        The number of each block when it is done.

    Raises:
        WorkerError: A block took its worker down again and again, or a worker met an error of ours.
    """
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
    workers = min(workers or int(ray.cluster_resources().get("CPU", 1)), len(blocks))
    # A block of Ray for each of ours: it is repeated alone when its worker is lost, and reported as soon as it is done.
    dataset = ray.data.from_items([asdict(block) for block in blocks], override_num_blocks=len(blocks))
    dataset.context.enable_progress_bars = False
    done = dataset.map_batches(
        _BlockMapper,
        fn_constructor_args=(worker,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
    )
    for row in done.iter_rows():
        if row["error"]:
            raise WorkerError(row["error"])
        yield row["number"]


class _BlockMapper:
    """A block worker as `map_batches` wants it. Our errors go home as data, since Ray would hide what they are."""

    def __init__(self, worker: BlockWorker) -> None:
        self._worker = worker

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        block = Block(**{name: int(value) for name, [value] in batch.items()})
        try:
            if self._worker.output.note_attempt(block.number) > ATTEMPTS:
                raise gave_up(block)
            return {"number": [self._worker(block)], "error": [""]}
        except DiffuMaskError as error:
            return {"number": [block.number], "error": [f"{type(error).__name__} in {block}: {error}"]}
