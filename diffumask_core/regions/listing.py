"""Finds listings: of files, of the hits of a search, of the state of a repository or of a machine."""

from collections.abc import Callable, Iterator, Sequence

from diffumask_core.regions.files import Listing, long_listings, path_lists, sizes, trees
from diffumask_core.regions.hits import grep_hits
from diffumask_core.regions.region import Lines, Region, region_of_lines
from diffumask_core.regions.runs import beginnings
from diffumask_core.regions.states import changed_files, command_tables, git_states, histories, short_states

_KINDS: tuple[Callable[[Sequence[str]], Iterator[Listing]], ...] = (
    long_listings,
    trees,
    histories,
    git_states,
    changed_files,
    command_tables,
    grep_hits,
    sizes,
    short_states,
    path_lists,
)
"""The surest kinds first: where two kinds claim a line, the earlier one has it."""


def find_listings(lines: Lines) -> Iterator[Region]:
    """Finds listings in consecutive lines.

    Args:
        lines: Of a text.

    Yields:
        A region for each listing. Lists of one kind that only a blank line parts are one.
    """
    texts = beginnings(lines)
    found: list[tuple[Listing, int]] = []
    taken = bytearray(len(texts))
    for kind, listings in enumerate(_KINDS):
        for each in listings(texts):
            if not any(taken[each.first : each.last]):
                taken[each.first : each.last] = b"\x01" * (each.last - each.first)
                found.append((each, kind))
    for each in _joined(sorted(found, key=lambda pair: pair[0].first)):
        yield region_of_lines("listing", lines, each.first, each.last, each.heads)


def _joined(found: Sequence[tuple[Listing, int]]) -> Iterator[Listing]:
    """The listings, where those of one kind with at most one line between them are one."""
    current: Listing | None = None
    current_kind = -1
    for each, kind in found:
        if current and kind == current_kind and each.first - current.last <= 1:
            current = Listing(current.first, each.last, current.heads + each.heads)
            continue
        if current:
            yield current
        current, current_kind = each, kind
    if current:
        yield current
