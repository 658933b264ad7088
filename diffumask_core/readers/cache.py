"""Replies that were paid for, kept so that nothing is asked twice."""

import sqlite3
import weakref
from os import PathLike, fspath
from threading import Lock

from diffumask_core.errors import DataError


class ReplyCache:
    """Replies by key, in memory or in an SQLite file, each of them safe as soon as it is put there.

    Many threads may use one, and several processes the same file.
    """

    def __init__(self, path: str | PathLike[str] | None = None) -> None:
        """Opens a file, which is made where there is none; without a path replies are kept in memory.

        Raises:
            DataError: The file cannot be opened, or holds something else.
        """
        self._lock = Lock()
        try:
            # Each statement is a transaction of its own.
            self._database = sqlite3.connect(
                ":memory:" if path is None else fspath(path), isolation_level=None, check_same_thread=False
            )
            weakref.finalize(self, self._database.close)
            # A reply is appended, and the disk not waited for.
            self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
            self._database.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")
        except sqlite3.Error as error:
            msg = f"{path} cannot be used to keep replies in ({error}): pass a new file."
            raise DataError(msg) from error

    def get(self, key: str) -> str | None:
        """The reply of a key; None where there is none."""
        with self._lock:
            found = self._database.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    def put(self, key: str, reply: str) -> None:
        """Keeps a reply."""
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, reply))
