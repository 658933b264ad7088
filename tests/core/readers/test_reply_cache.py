import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from diffumask_core import DataError
from diffumask_core.readers.cache import ReplyCache


@pytest.mark.parametrize("in_file", [False, True])
def test_what_is_put_is_there(tmp_path: Path, in_file: bool) -> None:
    cache = ReplyCache(tmp_path / "replies.db" if in_file else None)
    assert cache.get("a") is None
    cache.put("a", "")
    cache.put("b", "one")
    cache.put("b", "two\n“ü”")
    assert [cache.get(key) for key in "abc"] == ["", "two\n“ü”", None]


def test_a_file_is_shared_and_outlives_its_cache(tmp_path: Path) -> None:
    first, second = (ReplyCache(tmp_path / "replies.db") for _ in range(2))
    first.put("a", "one")
    assert second.get("a") == "one"
    second.put("b", "two")
    del first, second
    gc.collect()  # closes them, else this would warn
    assert ReplyCache(str(tmp_path / "replies.db")).get("b") == "two"


def test_from_many_threads(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path / "replies.db")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: cache.put(str(number), f"reply {number}"), range(50)))
    assert [cache.get(str(number)) for number in range(50)] == [f"reply {number}" for number in range(50)]


def test_another_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("These are notes, and no replies of a model at all." * 9)
    with pytest.raises(DataError, match=r"notes\.txt cannot be used to keep replies in"):
        ReplyCache(other)
    assert other.read_text().startswith("These are notes")
    with pytest.raises(DataError, match="pass a new file"):
        ReplyCache(tmp_path / "no" / "folder.db")
