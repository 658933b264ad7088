"""What the site has beside the pages of docs/: pages of the root, the reference, notebooks, llms.txt.

MkDocs calls the functions whose names begin with ``on_``. The pages read well on a plain Git host too, so nothing here
needs a syntax of its own in them: links to files that become pages are rewritten.
"""

import html
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click

ROOT = Path(__file__).parents[2]
THEME = Path(__file__).parent / "theme"

# Pages of the root, by the pages of the site that they become.
ROOT_PAGES = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "notice.md": "NOTICE",
}
_AS_PAGES = {f"../{source}": page for page, source in ROOT_PAGES.items()}

# A page of the reference for each public package: its title and what it is about.
PACKAGES = {
    "diffumask_core": ("Compressor and results", "What `diffumask_core` exports, but for its errors."),
    "diffumask_core.readers": ("Readers", "What judges a compressed prompt."),
    "diffumask_core.corpus": ("Corpora", "Files of rows, on many processes."),
    "diffumask_core.labeling": ("Labels", "Labels by search."),
    "diffumask_integrations.langchain": ("LangChain", 'Needs `pip install ".[langchain]"`.'),
    "diffumask_integrations.llama_index": ("LlamaIndex", 'Needs `pip install ".[llama-index]"`.'),
    "diffumask_integrations.ray": ("Ray", 'Needs `pip install ".[ray]"`.'),
}

# What a reader looks for first; all else is in the order of the alphabet.
_FIRST = ("Compressor", "CompressionResult", "Prompt", "Shot", "ShotResult", "Mark", "Conversation", "View")

_LINK = re.compile(r"(\]\()(?!https?:|#|mailto:)([^)\s#]+)((?:#[^)\s]*)?\))")
_FENCE = re.compile(r"^(`{3,}).*?^\1$", re.M | re.S)
_NOT_FENCED = re.compile(r"(^(`{3,}).*?^\2$)|(.+?)(?=^`{3,}|\Z)", re.M | re.S)
_NO_PARAGRAPH = re.compile(r"[#<!|>]|- |`{3}|:::|    ")
_RESULT = re.compile(r'<div data-result="([^"]*)"></div>')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made from something else than a page of docs/."""
    pages = {page: _root_page(source) for page, source in ROOT_PAGES.items()} | _reference()
    for notebook in ROOT.glob("docs/tutorials/*.ipynb"):
        files.remove(files.get_file_from_path(f"tutorials/{notebook.name}"))  # type: ignore[arg-type]
        pages[f"tutorials/{notebook.stem}.md"] = _notebook_page(json.loads(notebook.read_text("utf-8")))
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Rewrites links to files of the root and to notebooks, which are pages here."""
    folder = posixpath.dirname(page.file.src_uri)

    def rewrite(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        target = _AS_PAGES.get(target, target)
        if target.startswith("tutorials/"):
            target = re.sub(r"\.ipynb$", ".md", target)
        return f"{link[1]}{posixpath.relpath(target, folder or '.')}{link[3]}"

    return _NOT_FENCED.sub(lambda part: part[0] if part[1] else _LINK.sub(rewrite, part[0]), markdown)


def on_page_content(content: str, page: Page, **_: Any) -> str:
    """Puts the HTML of results where a notebook shows one: neither Markdown nor the style of the page may touch it."""
    shadow = '<div class="compression"><template shadowrootmode="open">{}</template></div>'
    return _RESULT.sub(lambda place: shadow.format(html.unescape(place[1])), content)


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Remembers the navigation for llms.txt."""
    config.extra["navigation"] = nav
    return nav


def on_post_build(config: MkDocsConfig) -> None:
    """Writes llms.txt, and the pages as Markdown beside the HTML for it to link to."""
    site = Path(config.site_dir)
    lines = [f"# {config.site_name}", "", f"> {config.site_description}", ""]
    for entry in config.extra["navigation"].items:
        lines += [] if entry.is_page and entry.is_homepage else [f"## {entry.title}", ""]
        for page in _pages_of(entry):
            markdown = _RESULT.sub("", page.markdown or "")
            path = page.file.dest_uri
            # The reference is made of docstrings, which the Markdown only names.
            if ":::" not in markdown:
                path = page.file.src_uri
                (site / path).write_text(markdown, "utf-8")
            lines.append(f"- [{page.title}]({path}){_described(markdown)}")
        lines.append("")
    (site / "llms.txt").write_text("\n".join(lines), "utf-8")


def _pages_of(entry: Any) -> Iterator[Page]:
    if entry.is_page:
        yield entry
    for child in entry.children or ():
        yield from _pages_of(child)


def _described(markdown: str) -> str:
    """The first sentence of a page, as a description."""
    paragraphs = re.split(r"\n\s*\n", _FENCE.sub("", markdown))
    text = next((" ".join(each.split()) for each in paragraphs if each and not _NO_PARAGRAPH.match(each)), "")
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    sentence = re.match(r".+?\.(?=\s|$)", text)
    return f": {(sentence[0] if sentence else text).rstrip(':')}" if text else ""


# Pages of the root.


def _root_page(source: str) -> str:
    text = (ROOT / source).read_text("utf-8")
    if not source.endswith(".md"):
        return f"# {source.capitalize()}\n\n```text\n{text}```\n"

    # Links of the root lead into docs/, whose pages are at the top here.
    def rewrite(link: re.Match[str]) -> str:
        path = link[2].removeprefix("docs/")
        return f"{link[1]}{path if path != link[2] else f'../{link[2]}'}{link[3]}"

    return _NOT_FENCED.sub(lambda part: part[0] if part[1] else _LINK.sub(rewrite, part[0]), text)


# Reference.


def _reference() -> dict[str, str]:
    """The pages of the reference, by their paths."""
    pages = {
        "reference/options.md": _options_page(),
        "reference/errors.md": "# Errors\n\n::: diffumask_core.errors\n    options: {show_root_heading: false}\n",
        "reference/command-line.md": _command_line_page(),
    }
    for package, (title, about) in PACKAGES.items():
        pages[f"reference/{_page_of(package)}"] = _package_page(package, title, about)
    rows = "\n".join(
        f"| [{title}]({_page_of(package)}) | `{package}` | {about} |" for package, (title, about) in PACKAGES.items()
    )
    pages["reference/index.md"] = (
        "# Reference\n\nWhat the packages export, from their docstrings. Names that begin with an underscore, and "
        "modules that are not named here, may change in any release.\n\n"
        f"| page | package | |\n|---|---|---|\n{rows}\n"
        "| [Options](options.md) | | All options of a compression. |\n"
        "| [Errors](errors.md) | `diffumask_core.errors` | What is raised, and when. |\n"
        "| [Command line](command-line.md) | | `diffumask` in a shell. |\n"
    )
    return pages


def _page_of(package: str) -> str:
    return f"{package.rpartition('.')[2]}.md"


def _package_page(package: str, title: str, about: str) -> str:
    # The text is read and not imported: extras need not be installed.
    module = griffe.load(package, search_paths=[ROOT])
    names = sorted((name for name in map(str, module.exports or ()) if not name.endswith("Error")), key=_rank)
    directives = "\n\n".join(f"::: {_defined(module[name])}" for name in names)
    return f"# {title}\n\n{about} They are imported from `{package}`.\n\n{directives}\n"


def _rank(name: str) -> tuple[int, str]:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST), name


def _defined(member: griffe.Object | griffe.Alias) -> str:
    """Where a name is defined."""
    return member.target_path if isinstance(member, griffe.Alias) else member.path


def _options_page() -> str:
    readme = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"^## Options\n(.*?)(?=^## )", readme, re.M | re.S)
    assert found, "README.md has no table of options."
    table = re.sub(r"\]\(docs/", "](../", found[1])
    return f"# Options\n{table}\n::: diffumask_core.options.Options\n    options:\n      merge_init_into_class: false\n"


def _command_line_page() -> str:
    from diffumask_core.cli import app

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="diffumask")
    return f"# Command line\n{re.sub('^#', '##', text, flags=re.M)}"


# Notebooks.


def _notebook_page(notebook: dict[str, Any]) -> str:
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts += [f"```python\n{source}\n```", *map(_output, cell["outputs"])]
    return "\n\n".join(parts) + "\n"


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "text/html" in data:
        # One line, so that Markdown sees one element.
        shown = html.escape("".join(data["text/html"])).replace("\n", "&#10;")
        return f'<div data-result="{shown}"></div>'
    text = "".join(output.get("text") or data["text/plain"]).rstrip("\n")
    return f"```text {{ .output }}\n{text}\n```"
