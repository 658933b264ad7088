"""What the trunk has read before: kept in memory and, if asked for, on disk."""

import hashlib
import os
import threading
import weakref
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from diffumask_core.errors import InputError
from diffumask_core.extras import needs_extra

HalfArray = npt.NDArray[np.float16]

_MEGABYTE = 2**20


@dataclass(frozen=True)
class CacheInfo:
    """What a cache has done and holds.

    Attributes:
        hits: Windows, and texts to compare, that were found.
        misses: Those that were not.
        entries: Those in memory.
        megabytes: What those take up.
        folder_megabytes: What the folder takes up; None without one.
    """

    hits: int
    misses: int
    entries: int
    megabytes: float
    folder_megabytes: float | None


class EncodingCache:
    """Vectors of windows by what was read: the same exemplar, passage or message is not encoded twice.

    A window is a whole shot, a part of a long one, or several short ones side by side (see `inputs.plan_windows`). Its
    key is made of the model, the runtime and the window's tokens, so one cache may serve several models, and many
    threads. Queries, budgets and rates are no part of it. The least recently used entries go first when it is full.
    """

    def __init__(
        self,
        megabytes: float = 256,
        folder: str | PathLike[str] | None = None,
        folder_megabytes: float = 1024,
    ) -> None:
        """Makes a cache.

        Args:
            megabytes: The most memory that it takes.
            folder: Where vectors are kept from run to run; several processes may share one. It holds plain numbers,
                nothing that is executed. Needs the extra ``cache``.
            folder_megabytes: The most that the folder takes up.

        Raises:
            InputError: A size is not above 0.
            MissingExtraError: The extra is not installed.
        """
        for name, size in (("megabytes", megabytes), ("folder_megabytes", folder_megabytes)):
            if not size > 0:
                raise InputError(f"A cache of {name}={size} can hold nothing: pass a size above 0.")
        # Another process, which unpickles a cache, may have another working directory.
        self._settings = (megabytes, None if folder is None else os.path.abspath(folder), folder_megabytes)
        self._memory: LRUCache[bytes, HalfArray] = LRUCache(megabytes * _MEGABYTE, getsizeof=lambda array: array.nbytes)
        self._lock = threading.Lock()
        self._disk = None if folder is None else _open_folder(folder, int(folder_megabytes * _MEGABYTE))
        if self._disk is not None:
            weakref.finalize(self, self._disk.close)
        self._hits = self._misses = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process starts with an empty memory, and with the same folder.
        return EncodingCache, self._settings

    def get(self, key: bytes, width: int) -> HalfArray | None:
        """The vectors ``[N, width]`` under a key, or None."""
        with self._lock:
            found = self._memory.get(key)
        if found is None and self._disk is not None and (stored := self._disk.get(key)) is not None:
            found = np.frombuffer(stored, dtype=np.float16).reshape(-1, width)
            self._remember(key, found)
        with self._lock:
            self._hits += found is not None
            self._misses += found is None
        return found

    def put(self, key: bytes, vectors: HalfArray) -> None:
        """Keeps vectors ``[N, width]`` under a key, in half precision."""
        vectors = np.array(vectors, dtype=np.float16)
        vectors.setflags(write=False)
        self._remember(key, vectors)
        if self._disk is not None:
            self._disk.set(key, vectors.tobytes())

    def info(self) -> CacheInfo:
        """What it has done and holds."""
        with self._lock:
            return CacheInfo(
                self._hits,
                self._misses,
                len(self._memory),
                self._memory.currsize / _MEGABYTE,
                None if self._disk is None else self._disk.volume() / _MEGABYTE,
            )

    def clear(self) -> None:
        """Forgets everything, on disk too."""
        with self._lock:
            self._memory.clear()
        if self._disk is not None:
            self._disk.clear()

    def _remember(self, key: bytes, vectors: HalfArray) -> None:
        with self._lock:
            if vectors.nbytes <= self._memory.maxsize:
                self._memory[key] = vectors


def cache_key(*parts: bytes) -> bytes:
    """A key of a cache: parts that differ anywhere give another one."""
    digest = hashlib.blake2b(digest_size=24)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _open_folder(folder: str | PathLike[str], size: int) -> Any:
    with needs_extra("cache", "a cache in a folder"):
        import diskcache

    class Plain(diskcache.Disk):  # type: ignore[misc]  # it has no types
        """Stores bytes as they are, and reads nothing else: a pickle in the folder is not opened."""

        def fetch(self, mode: int, filename: str | None, value: object, read: bool) -> object:
            if mode != diskcache.core.MODE_RAW:
                return None
            return super().fetch(mode, filename, value, read)

        def get(self, key: object, raw: bool) -> object:
            return super().get(key, raw) if raw else None

    return diskcache.Cache(str(folder), disk=Plain, size_limit=size, eviction_policy="least-recently-used")
