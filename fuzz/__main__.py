"""Fuzzes a target, guided by the branches of the library that an input reaches (Atheris, libFuzzer).

    python -m fuzz parse -max_total_time=180

The first argument is a target of `fuzz/targets.py`; what follows are options of libFuzzer. A new corpus begins with
seeds. An input that breaks a promise is left as a file ``crash-...``; to run it again, give its path.
"""

import logging
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import atheris

with atheris.instrument_imports(include=["diffumask_core", "diffumask_integrations"]):
    from fuzz.targets import TARGETS, run

from fuzz.seeds import write_seeds

_FOLDER = Path(__file__).parent
_LONGEST = 4096


def main() -> None:
    """Runs libFuzzer with the arguments of the command line."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"Name a target: {', '.join(TARGETS)}.")
    target = sys.argv.pop(1)
    # The warnings of best effort would fill the output.
    logging.getLogger("diffumask").setLevel(logging.ERROR)
    corpus = _FOLDER / "corpus" / target
    if not corpus.exists():
        write_seeds(target, corpus)
    if not [argument for argument in sys.argv[1:] if not argument.startswith("-")]:
        sys.argv.append(str(corpus))
    sys.argv += [f"-max_len={_LONGEST}", f"-dict={_FOLDER / 'pieces.dict'}"]
    atheris.Setup(sys.argv, lambda data: run(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
