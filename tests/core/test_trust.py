"""What the page on security says of the source: no pickles, no code from texts, no code from models."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import diffumask_core

ROOT = Path(diffumask_core.__file__).parent.parent
SOURCES = [path for package in ("diffumask_core", "diffumask_integrations") for path in (ROOT / package).rglob("*.py")]
RUNS_TEXTS = {"eval", "exec", "compile", "__import__"}
OPENS_PICKLES = {
    f"{module}.{name}"
    for module in ("pickle", "marshal", "dill", "joblib", "shelve")
    for name in ("load", "loads", "open")
}


def risks(source: str) -> Iterator[str]:
    """Calls that open pickles, or run code that came from outside."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func)
        options = {each.arg: ast.unparse(each.value) for each in call.keywords}
        if name in RUNS_TEXTS | OPENS_PICKLES:
            yield name
        if name == "torch.load" and options.get("weights_only") != "True":
            yield "torch.load of pickles"
        for option in ("trust_remote_code", "allow_pickle"):
            if options.get(option, "False") != "False":
                yield option


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "pickle.loads(data)",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=given)",
    ],
)
def test_a_risk_is_seen(source: str) -> None:
    assert [*risks(source)]


def test_nothing_opens_pickles_or_runs_texts() -> None:
    found = {path.name: [*risks(path.read_text("utf-8"))] for path in SOURCES}
    assert len(found) > 50
    assert {name: risk for name, risk in found.items() if risk} == {}


def test_tests_that_the_page_names_exist() -> None:
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    written = "\n".join(file.read_text("utf-8") for file in ROOT.glob("tests/**/*.py"))
    named = [word for word in page.split("`") if word.startswith("test")]
    assert [name for name in named if name.startswith("test_") and f"def {name}(" not in written] == []
    assert [name for name in named if name.startswith("tests/") and not (ROOT / name).exists()] == []
