"""What an import brings along, and what it says when a framework is missing. Each program is a process of its own."""

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

PRELUDE = """
import importlib, json, sys
import diffumask_core, diffumask_core.cli, diffumask_integrations.settings

def loaded():
    frameworks = ("langchain", "langchain_core", "langchain_classic", "llama_index")
    return [name for name in frameworks if sys.modules.get(name)]

def message_without(framework, module, name):
    sys.modules[framework] = None
    try:
        getattr(importlib.import_module(module), name)
    except ImportError as error:
        return str(error)
    finally:
        del sys.modules[framework]

seen = [loaded()]
"""


def run(program: str) -> list[object]:
    """Runs a program that collects what it has `seen`."""
    finished = subprocess.run(
        [sys.executable, "-c", f"{PRELUDE}{program}\nprint(json.dumps(seen))"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    seen: list[object] = json.loads(finished.stdout)
    return seen


def install(extra: str) -> str:
    return f'is not installed, which this adapter needs: pip install "diffumask[{extra}]".'


def test_langchain() -> None:
    seen = run(
        """
adapter = "diffumask_integrations.langchain"
seen.append(message_without("langchain_core", adapter, "DiffuMaskCompressor"))
importlib.import_module(adapter)
seen.append(loaded())
seen.append(message_without("langchain", adapter, "DiffuMaskMiddleware"))
importlib.import_module(adapter).DiffuMaskMiddleware
seen.append(loaded())
"""
    )
    assert seen[0] == []
    assert seen[2] == ["langchain_core"]
    assert seen[4] == ["langchain", "langchain_core"]
    assert str(seen[1]).endswith(install("langchain"))
    assert str(seen[3]).endswith(install("langchain-agents"))


def test_llama_index() -> None:
    seen = run(
        """
adapter = "diffumask_integrations.llama_index"
seen.append(message_without("llama_index", adapter, "DiffuMaskNodePostprocessor"))
importlib.import_module(adapter)
seen.append(loaded())
"""
    )
    assert seen[0] == []
    assert seen[2] == ["llama_index"]
    assert str(seen[1]).endswith(install("llama-index"))


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports in functions and for type checkers count too."""
    root = Path(__file__).parents[2]
    paths = [
        path for package in ("diffumask_core", "diffumask_integrations") for path in (root / package).rglob("*.py")
    ]
    modules = {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    graph = {}
    for module, path in modules.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= inner & modules.keys() or {str(node.module)}
        graph[module] = found & modules.keys() - {module}
    list(TopologicalSorter(graph).static_order())
