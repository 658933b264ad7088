"""`dataset.map_batches(DiffuMaskMapper, ...)`."""

from typing import Any

import numpy as np
import numpy.typing as npt

from diffumask_core.corpus import ConversationCompressor, Row, RowCompressor


class DiffuMaskMapper:
    """Compresses the rows of a dataset; each worker loads the model once.

    Rows come out with the columns of `RowCompressor`, or of `ConversationCompressor`, where they are explained, and
    ``error``: for a row that could not be compressed the reason, and the others of these columns are null; null for all
    other rows.

    Example:
        ```python
        dataset.map_batches(
            DiffuMaskMapper,
            fn_constructor_kwargs={"keep_rate": 0.4},
            compute=ray.data.ActorPoolStrategy(size=2),
            batch_size=32,
        )
        ```
    """

    def __init__(self, *, conversations: bool = False, **options: Any) -> None:
        """Loads the model.

        Args:
            conversations: Whether rows are conversations, of which old messages are shortened.
            **options: Those of `RowCompressor`, or of `ConversationCompressor`.

        Raises:
            InputError: An option is not possible.
            ModelError: There is no such model.
        """
        self._compress = (ConversationCompressor if conversations else RowCompressor)(**options)

    def __call__(self, batch: dict[str, npt.NDArray[Any]]) -> dict[str, list[Any]]:
        """Compresses a batch in Ray's format "numpy", which is the default: a column for each name."""
        columns = {name: [_plain(value) for value in column] for name, column in batch.items()}
        rows = [self._run(dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True)]
        return {name: [row[name] for row in rows] for name in (*columns, *self._compress.added, "error")}

    def _run(self, row: Row) -> Row:
        try:
            return {**self._compress(row), "error": None}
        except ValueError as error:
            return {**dict.fromkeys(self._compress.added), **row, "error": str(error)}


def _plain(value: Any) -> Any:
    """Python's own objects in place of NumPy's, which nest in the columns of a batch."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
