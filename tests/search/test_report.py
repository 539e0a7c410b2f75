"""What a search tells of itself, in a line or a small table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from search_files import small


def test_an_outcome_in_a_line():
    outcome = small().run(seed=3)
    for one in (outcome, outcome.report, replace(outcome, out=Path("runs/a"), saved=False)):
        assert len(repr(one)) < 200
        assert "\n" not in repr(one)
    assert repr(outcome).startswith("<Outcome: ended by programs; fitness search 0.")
    assert repr(replace(outcome, goal=0.9)).startswith("<Outcome: not solved; ended by programs; ")
    assert "not saved in runs/a" in repr(replace(outcome, out=Path("runs/a"), saved=False))
    assert "fitness none" in repr(replace(outcome, best=None))


def test_an_outcome_in_a_notebook():
    outcome = replace(small().run(seed=3), out=Path("runs/<a|b>"))
    html, markdown = outcome._repr_html_(), outcome._repr_markdown_()
    assert html.startswith("<table><tr><th>ended by</th><td>programs</td></tr>")
    with_goal = replace(outcome, goal=0.9)._repr_html_()
    assert with_goal.startswith("<table><tr><th>solved</th><td>no</td></tr>")
    assert "<td>runs/&lt;a|b&gt;</td>" in html
    assert "| saved in | runs/<a\\|b> |" in markdown
    assert "def Setup():" in html
    assert markdown.endswith(f"```python\n{outcome.program}\n```")
    assert max(len(html), len(markdown)) < 1500
    assert "<pre>" not in replace(outcome, best=None)._repr_html_()
