"""What servers left out, by hashes that no two texts share: bounded, in memory, for as long as there is room."""

import re
from threading import Lock

from cachetools import LRUCache

from diffumask_core.conversation.left_out import hash_mark
from diffumask_core.rendering.marks import HASH_DIGITS

DEFAULT_CHARACTERS = 64_000_000
_NAME = re.compile(rf"(?<![0-9a-f])[0-9a-f]{{{HASH_DIGITS}}}(?![0-9a-f])")


class LeftOutStore:
    """Texts by the first 24 hexadecimal digits of their SHA-256.

    A name is made of the text alone. So no name ever stands for another text, a restarted server writes the same marks,
    and a shortened prompt stays the same. The least recently used texts go first when the store is full.
    """

    def __init__(self, characters: int = DEFAULT_CHARACTERS) -> None:
        """Makes a store.

        Args:
            characters: The most characters of text that it holds.
        """
        self._texts: LRUCache[str, str] = LRUCache(characters, getsizeof=len)
        self._lock = Lock()

    def put(self, text: str) -> str:
        """Keeps a text and gives its name; a text that is longer than the whole store is not kept."""
        name = hash_mark(text).name
        with self._lock:
            if len(text) <= self._texts.maxsize:
                self._texts[name] = text
        return name

    def get(self, written: str) -> str | None:
        """The text of a name; None where there is none, or none any more.

        Args:
            written: The name, or a text that holds names: LLMs quote marks in quotes, without brackets or with all that
                stands before. The last name counts, as a mark is the end of a text.
        """
        names = _NAME.findall(written.lower())
        with self._lock:
            return next((self._texts[name] for name in reversed(names) if name in self._texts), None)
