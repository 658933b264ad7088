"""Checks what is to be published: sizes, what is in the packages, and that no weights are in them twice.

python scripts/check_dist.py dist
"""

import hashlib
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

# The most that a package index takes is 100 MB a file.
MOST_BYTES = 95 * 10**6
_LARGE = 50_000
# What a build and the tests need of the source; and the wheel's own parts.
_SDIST = ["pyproject.toml", "README.md", "LICENSE", "NOTICE", "Makefile", "constraints.txt", "tests/conftest.py"]
_SDIST += ["docs/guarantees.md", "scripts/notebooks.py", "fuzz/targets.py", "mkdocs.yml", "CONTRIBUTING.md"]
_BOTH = ["diffumask_core/py.typed", "diffumask_integrations/py.typed", "diffumask_core/assets/demo/few_shot.txt"]
_BOTH += [
    "diffumask_core/assets/diffumask-small/model.safetensors",
    "diffumask_core/assets/vocabularies/o200k_base.bin",
]
_UNWANTED = (".pyc", ".venv", "crash-", ".hypothesis", "fuzz/corpus")


def faults(folder: Path) -> list[str]:
    """Finds what is wrong with a wheel and an sdist.

    Args:
        folder: Where both are, and nothing else of their kind.

    Returns:
        A line for each fault.
    """
    wheels, sdists = list(folder.glob("*.whl")), list(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        return [f"{folder} holds {len(wheels)} wheels and {len(sdists)} sdists: build again"]
    found = [f"{path.name} is too large" for path in (*wheels, *sdists) if path.stat().st_size > MOST_BYTES]
    with zipfile.ZipFile(wheels[0]) as wheel:
        found += _faults_of("the wheel", {name: wheel.read(name) for name in wheel.namelist()}, _BOTH)
    with tarfile.open(sdists[0]) as sdist:
        files = {member.name.partition("/")[2]: sdist.extractfile(member) for member in sdist if member.isfile()}
        contents = {name: file.read() for name, file in files.items() if file}
    return found + _faults_of("the sdist", contents, [*_SDIST, *_BOTH])


def _faults_of(package: str, contents: dict[str, bytes], needed: list[str]) -> list[str]:
    found = [f"{package} has no {name}" for name in needed if name not in contents]
    found += [f"{package} has {name}" for name in contents if any(part in name for part in _UNWANTED)]
    large = Counter(hashlib.sha256(data).hexdigest() for data in contents.values() if len(data) > _LARGE)
    return found + [f"{package} has a file of {_LARGE} bytes and more twice" for count in large.values() if count > 1]


def main() -> None:
    """Checks the folder that the command line names."""
    folder = Path(sys.argv[1])
    found = faults(folder)
    sizes = [f"{path.name}: {path.stat().st_size / 10**6:.1f} MB" for path in sorted(folder.iterdir())]
    print("\n".join(found or sizes))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
