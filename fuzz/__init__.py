"""Fuzzing: targets that check the guarantees, with what the tests check them with."""

import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1] / "tests"
# Modules of the tests are no package, and pytest finds them by these paths too.
sys.path[:0] = [path for path in (str(_TESTS), str(_TESTS / "core")) if path not in sys.path]
