"""Checks a built site: every link and anchor leads somewhere, and nothing is loaded from another host.

python scripts/site/check_site.py build/site
"""

import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser loads without being asked to, by the tag and the attribute that says from where.
_LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
_LINKS = {("a", "href"), *_LOADED}


@dataclass
class Document(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    links: list[tuple[str, bool]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the links and the id of a tag."""
        for name, value in attrs:
            if (tag, name) in _LINKS and value is not None:
                self.links.append((value, (tag, name) in _LOADED))
            if name in ("id", "name") and value:
                self.anchors.add(value)

    __hash__ = object.__hash__


def faults(site: Path) -> list[str]:
    """Finds what is wrong with a site.

    Args:
        site: Its folder.

    Returns:
        A line for each fault.
    """
    documents = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    found = [fault for path, document in documents.items() for fault in _faults_of(path, document, documents, site)]
    for path in sorted(site.rglob("*.css")):
        text = path.read_text("utf-8")
        found += [
            f"{path.relative_to(site)} loads from another host" for part in ("url(http", "url(//") if part in text
        ]
    return found


def _read(path: Path) -> Document:
    document = Document()
    document.feed(path.read_text("utf-8"))
    return document


def _faults_of(path: Path, document: Document, documents: dict[Path, Document], site: Path) -> list[str]:
    found = []
    page = path.relative_to(site)
    for link, is_loaded in document.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            if is_loaded and parts.scheme != "data":
                found.append(f"{page} loads {link}")
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        # The page for what is not found is shown under any address.
        if not target.exists() and page.name != "404.html":
            found.append(f"{page} links to {link}, which is not there")
        elif parts.fragment and target in documents and unquote(parts.fragment) not in documents[target].anchors:
            found.append(f"{page} links to {link}, and {target.relative_to(site)} has no such anchor")
    return found


def main() -> None:
    """Checks the site that the command line names."""
    site = Path(sys.argv[1]).resolve()
    found = faults(site)
    pages = len(list(site.rglob("*.html")))
    print("\n".join(found) or f"{pages} pages: every link leads somewhere, nothing comes from another host.")
    sys.exit(bool(found) or not pages)


if __name__ == "__main__":
    main()
