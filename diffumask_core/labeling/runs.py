"""Rows of hindsight from files of recorded runs: what ``diffumask label hindsight`` does."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from diffumask_core.datasets import HindsightRow, RunRow, read_runs
from diffumask_core.errors import DataError
from diffumask_core.labeling.hindsight import cut_run, hindsight_row, runs_that_write

SHARES = (0.25, 0.35, 0.45, 0.55, 0.65, 0.75)
# Of a run that needs less there is little to learn.
_LEAST_NEEDED = 2


def label_runs(runs: Sequence[RunRow], also: Sequence[RunRow], shares: Sequence[float]) -> Iterator[HindsightRow]:
    """Cuts each run at shares of its messages, and says what the rest of the run needed.

    Args:
        runs: The runs.
        also: More runs, which only tell how many agents write a string.
        shares: Of the messages of a run, those before a cut.
    """
    counts = runs_that_write(run.messages for run in (*runs, *also))
    for number, run in enumerate(tqdm(runs, "runs", disable=None)):
        seen: set[int] = set()
        for share in shares:
            cut = cut_run(run.id or str(number), run.messages, share, counts)
            if len(cut.messages) not in seen and len({*cut.needed, *cut.values}) >= _LEAST_NEEDED:
                seen.add(len(cut.messages))
                if row := hindsight_row(cut):
                    yield row


def label_runs_of_files(
    files: Sequence[Path], also: Sequence[Path], out: Path, shares: Sequence[float]
) -> dict[str, Any]:
    """Labels the runs of files, and writes the rows.

    Args:
        files: JSON lines with ``messages``, plain or compressed with xz.
        also: The same, for runs that only tell how many agents write a string.
        out: A file for the rows.
        shares: Of the messages of a run, those before a cut.

    Returns:
        ``runs``, ``rows``, ``needed`` (strings and values in all rows) and ``units`` (those that hold one).

    Raises:
        DataError: A file is missing or broken, or no run needs anything of old results.
    """
    runs, known = ([run for file in each for run in read_runs(file)] for each in (files, also))
    report = {"runs": len(runs), "rows": 0, "needed": 0, "units": 0}
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_suffix(out.suffix + ".tmp")
    with unfinished.open("w", encoding="utf-8") as written:
        for row in label_runs(runs, known, shares):
            written.write(row.model_dump_json() + "\n")
            report["rows"] += 1
            report["needed"] += len(row.needed)
            report["units"] += len({unit for needed in row.needed for unit in needed.units})
    if not report["rows"]:
        unfinished.unlink()
        raise DataError(
            f"None of the {len(runs)} runs writes anything later that only its old results of tools had: pass longer "
            "runs, with the results of tools in full."
        )
    unfinished.replace(out)
    return report
