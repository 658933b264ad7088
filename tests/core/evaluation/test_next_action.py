"""Cases for a reader by hand: nothing of the run is told by its name, and answers are compared value for value."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from core.evaluation.agent_runs import step, write_runs

from diffumask_core import Compressor

SCRIPT = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "next_action.py"))
SECRET = ("ana_bergson_4821", "Ana", "Bergson", "ana.bergson77@example.com", "BX92QA", "card_5550123", "2031-05-20")


def desk_run() -> list[dict[str, Any]]:
    """A run in which a card is seen early and used late."""
    person = {
        "name": {"first_name": "Ana", "last_name": "Bergson"},
        "email": SECRET[3],
        "cards": {SECRET[5]: {"id": SECRET[5]}},
    }
    berths = {"reservation_id": "BX92QA", "date": "2031-05-20", "price": 2140, "user_id": SECRET[0]}
    quiet = [each for n in range(3) for each in step(n + 5, "", {"row": n}, json.dumps({"free": n}))]
    return [
        {"role": "user", "content": f"I am {SECRET[0]}, and I come on May 20, 2031."},
        *step(0, "", {"user_id": SECRET[0]}, json.dumps(person)),
        *step(1, "", {"reservation_id": "BX92QA"}, json.dumps(berths)),
        *quiet,
        {"role": "user", "content": "Thank you. Ana"},
        *step(9, "", {"payment": SECRET[5], "total": 2140, "user_id": SECRET[0]}, "{}"),
    ]


@pytest.fixture
def cases(tmp_path: Path, compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Compressor, "from_pretrained", lambda: compressor)
    SCRIPT["write"](write_runs(tmp_path / "runs.jsonl", desk_run()), tmp_path / "cases", 1.0, 5, 0)
    return tmp_path / "cases"


def test_a_case_tells_nothing_of_the_run(cases: Path) -> None:
    text = (cases / "case-01.txt").read_text("utf-8")
    assert not [secret for secret in SECRET if secret in text]
    assert "May 20" not in text
    assert "2140" in text
    assert "run(" in text
    [answer] = map(json.loads, (cases / "answers.jsonl").read_text("utf-8").splitlines())
    assert answer["name"] == "run"
    assert answer["arguments"]["total"] == 2140
    # What is the same in the run is the same in the case: in the history, in results and in the answer.
    assert text.count(answer["arguments"]["user_id"]) == 3
    assert text.count(answer["arguments"]["payment"]) == 2
    assert re.search(r"card_\d{7}", answer["arguments"]["payment"])
    assert "Thank you. " + json.loads(text.split("## tool\n")[1].split("\n")[0])["name"]["first_name"] in text


def test_answers_are_compared_value_for_value(cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = cases / "answers.jsonl"
    SCRIPT["grade"](answers, answers)
    assert "1 of 1 calls are right" in capsys.readouterr().out
    wrong = json.loads(answers.read_text("utf-8"))
    wrong["arguments"]["total"] = "2140"
    replies = tmp_path / "replies.jsonl"
    replies.write_text(json.dumps(wrong), "utf-8")
    SCRIPT["grade"](answers, replies)
    told = capsys.readouterr().out
    assert "case-01: arguments is" in told
    assert "0 of 1 calls are right" in told
