"""News of what was saved: a custom event, and the metadata of the run for tracers."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from diffumask_core.extras import needs_extra

with needs_extra("langchain"):
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.tracers.base import AsyncBaseTracer, BaseTracer

EVENT = "diffumask_compression"


def trace(handlers: Iterable[BaseCallbackHandler], run_id: UUID, savings: dict[str, Any]) -> None:
    """Adds the savings to a run, since tracers do not record custom events."""
    for handler in handlers:
        if isinstance(handler, BaseTracer | AsyncBaseTracer):
            run = handler.run_map.get(str(run_id))
            if run:
                run.add_metadata({EVENT: savings})
