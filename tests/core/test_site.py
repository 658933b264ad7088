"""What checks the built site sees what is wrong with one."""

import runpy
from pathlib import Path

import pytest

FAULTS = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "site" / "check_site.py"))["faults"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="gone.html">', "index.html links to gone.html, which is not there"),
        ('<a href="other.html#two">', "index.html links to other.html#two, and other.html has no such anchor"),
        ('<a href="#here">', "index.html links to #here, and index.html has no such anchor"),
        ('<img src="gone.png">', "index.html links to gone.png, which is not there"),
        ('<script src="https://cdn.example/x.js"></script>', "index.html loads https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', "index.html loads //cdn.example/x.css"),
        ('<a href="other.html#one">, <a href="https://a.example">, <a href="folder/">', None),
    ],
)
def test_faults_of_a_site(tmp_path: Path, body: str, fault: str | None) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text("<p>")
    (tmp_path / "other.html").write_text('<h1 id="one">')
    (tmp_path / "index.html").write_text(body)
    assert FAULTS(tmp_path) == ([fault] if fault else [])


def test_styles_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "site.css").write_text("@font-face { src: url(https://fonts.example/a.woff) }")
    assert FAULTS(tmp_path) == ["site.css loads from another host"]
