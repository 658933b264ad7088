import io

import pytest
from rich.console import Console

from diffumask_core import CompressionResult, Compressor
from diffumask_core.demo import KEEP_RATE, demo_prompt, main
from diffumask_core.prompt.parse import parse_layout


class Recorder(Compressor):
    """Counts words, whatever vocabularies the machine has, and remembers its result."""

    result: CompressionResult

    def compress(self, prompt, **options):
        self.result = super().compress(prompt, tokenizer=_words, **options)
        return self.result


def _words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def recorder(pruner):
    return Recorder(pruner)


def printed(compressor: Compressor, **terminal) -> str:
    output = io.StringIO()
    main(compressor, Console(file=output, width=100, highlight=False, **terminal))
    return output.getvalue()


def test_the_prompt_has_eight_answered_shots_and_a_query():
    prompt = demo_prompt()
    layout = parse_layout(prompt)
    answers = [prompt[slice(*shot.answer)] for shot in layout.shots]
    assert answers == ["36", "5", "45", "40.50", "36", "10", "810", "10"]
    assert prompt[slice(*layout.query)].startswith("Q: Priya")


def test_prints_the_text_and_the_figures_of_the_result(recorder):
    shown = printed(recorder)
    result = recorder.result
    assert result.compressed_tokens <= result.budget < result.original_tokens
    assert shown.startswith(result.text)
    assert "\x1b" not in shown
    saved = f"{result.saved_tokens / result.original_tokens:.0%} saved"
    assert f"{result.original_tokens} -> {result.compressed_tokens}, {saved}" in shown
    assert f"{result.budget} tokens ({KEEP_RATE:.0%}" in shown
    assert result.counter in shown
    assert f"{sum(result.timings.values()):.2f}" in shown


def test_prints_a_line_for_each_shot(recorder):
    lines = printed(recorder).splitlines()
    shots = recorder.result.shots
    dropped = [shot for shot in shots if shot.fate == "dropped"]
    first = lines.index(f"Shots: {len(dropped)} of 8 dropped") + 1
    for number, (line, shot) in enumerate(zip(lines[first : first + 8], shots, strict=True), 1):
        assert line.split()[0] == str(number)
        assert shot.fate in line
        assert f"score {shot.score:.2f}" in line
        assert f"{shot.original_tokens} -> {shot.compressed_tokens} tokens" in line


def test_strikes_out_what_was_dropped_where_the_terminal_can(recorder):
    shown = printed(recorder, force_terminal=True, color_system="standard", no_color=False)
    struck = "".join(part.removeprefix("2;9m") for part in shown.split("\x1b[") if part.startswith("2;9m"))
    dropped = list(recorder.result.source)
    for start, end in recorder.result.spans:
        dropped[start:end] = [" "] * (end - start)
    # Lines are wrapped, so white space differs.
    assert "".join(struck.split()) == "".join("".join(dropped).split())


def test_takes_the_bundled_model_by_default(monkeypatch, capsys, recorder):
    monkeypatch.setattr(Compressor, "from_pretrained", lambda: recorder)
    main()
    assert recorder.result.text in capsys.readouterr().out
