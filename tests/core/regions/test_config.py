"""Which lines are found to be configuration, and which of them head others."""

import pytest
from stopwatch import at_most

from diffumask_core.regions.config import find_config
from diffumask_core.regions.region import Lines, Region


def find(text: str) -> list[Region]:
    return list(find_config(Lines.of(text)))


def only(text: str) -> Region:
    (region,) = find(text)
    assert region.kind == "config"
    return region


def headed(text: str, region: Region) -> dict[str, str]:
    found = {}
    for each in region.scaffold:
        if each.after:
            assert not each.alone
            found[text[slice(*each.span)].strip()] = text[slice(*each.after)]
    return found


MANIFEST = """\
apiVersion: v1
kind: Pod
metadata:
  name: quay
spec:
  containers:
  - name: crane
    image: crane:1.2
    command: ["lift", "--high"]
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_keys_head_what_is_below_them(newline: str) -> None:
    text = MANIFEST.replace("\n", newline)
    below = headed(text, only(text))
    assert list(below) == ["metadata:", "- name: crane", "containers:", "spec:"]
    assert below["metadata:"] == "  name: quay"
    assert below["containers:"].endswith('"--high"]')


def test_a_block_of_text_belongs_to_its_key() -> None:
    text = "jobs:\n  build:\n    runs-on: linux\n    run: |\n      make all and see\n      whatever comes: of it\n"
    assert "whatever comes" in headed(text, only(text))["run: |"]


def test_front_matter_is_found_above_prose() -> None:
    text = "---\ntitle: Piers\ndate: 1921-03-02\ntags: [old, new]\n---\n\nThe piers were old, and nobody cared."
    assert only(text).span == (0, text.rindex("---") + 3)


def test_sections_head_their_entries() -> None:
    text = '[crane]\nlift = 3\nhooks = [\n  "a",\n  "b",\n]\n\n[quay]\nlength = 40\n'
    region = only(text)
    below = headed(text, region)
    assert below["[crane]"].startswith("lift")
    assert below["[quay]"] == "length = 40"
    assert [text[slice(*each.span)] for each in region.scaffold if each.before] == ["]"]


@pytest.mark.parametrize(
    "text",
    [
        "QUAY_URL=http://quay.example\nTOKEN=abc\n# off\nDEBUG=1",
        "server.port=8080\nserver.host=quay\nlog.level=debug",
    ],
)
def test_variables_and_properties_are_found(text: str) -> None:
    assert only(text).span == (0, len(text))


def test_an_instruction_of_several_lines_goes_whole() -> None:
    text = "FROM python:3.11\nRUN apt-get update && \\\n    apt-get install -y make\nCOPY . .\n"
    assert [text[slice(*unit)] for unit in only(text).units][1].endswith("make")


@pytest.mark.parametrize(
    "text",
    [
        "Anna: hello there\nBen: how are you today\nAnna: fine, thanks\nBen: good",
        "user: hi\nassistant: hello\nuser: bye\nassistant: bye",
        "Question: Who led the work?\nContext: The work was led by an engineer.\nAnswer:",
        "Note: the pier is old.\nAlso: it is long.",
        "Ingredients:\n- two eggs and some flour\n- milk\nSteps:\n- mix them all well\n- bake for an hour",
        "  try:\n    x\n  else:\n    y",
        "  name: str\n  age: int\n  city: str",
        "x=5\ny=6\nz=7",
        "{\n  'a': 1,\n  'b': 2,\n}",
        "[1]\nThe first note says so.\n[2]\nThe second one too.",
    ],
)
def test_dialogues_prompts_and_code_are_no_configuration(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize("line", ["key: value", "key:", "- a", "[a]", "a = [", "RUN a \\", "A_B=c", "- - - ", "a: |"])
def test_time_is_linear(line: str) -> None:
    with at_most(3):
        find("\n".join([line] * 20_000))
        find(line * (200_000 // len(line)))
        find("\n".join(" " * number + "k:" for number in range(500)))
