"""`azc evolve` and its views, with a search that is made up."""

from __future__ import annotations

import fcntl
import json
import math
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from azc import library, parse
from azc.cli.describing import Rate, duration, frame, summary
from azc.cli.evolving import JsonLines, Lines, Live, view_for
from azc.cli.main import main
from azc.errors import ConfigError
from azc.search.report import Best, Counts, HotCounts, NodeCounts, Outcome, Report

LINEAR = library.load("linear")
NAN = math.nan


def _counts(island=0, programs=1000, **other):
    values = {
        "run": 1, "programs": programs, "evaluated": programs // 2, "level1": programs // 4,
        "level2": programs // 8, "filtered": programs // 4, "over_budget": 0,
        "hurdled": programs // 8, "steps": programs * 100, "received": 0, "niches": 0,
        "best": 0.75, "mean": 0.5,
    }  # fmt: skip
    return Counts(island=island, **(values | other))


def _report(seconds=1.0, islands=None, settled=True, **other):
    values = {
        "cpu_seconds": seconds / 2, "experiments": 1, "hot": HotCounts(), "workers": 1,
        "best": Best(LINEAR, island=0, run=1, birth=7, search=0.875),
    }  # fmt: skip
    islands = (_counts(programs=int(1000 * seconds)),) if islands is None else islands
    return Report(seconds=seconds, islands=islands, settled=settled, **(values | other))


def _outcome(reason="solved", out=None, report=None, **other):
    best = Best(LINEAR, island=0, run=1, birth=7, search=0.875, select=0.8125)
    values = {"solved": reason == "solved", "seed": 3, "best": best, "history": ()}
    return Outcome(reason=reason, out=out, report=report or _report(), **(values | other))


class FakeSearch:
    """Stands in for `azc.search.Search`; remembers how it was called."""

    seed = 3
    classes = 0
    calls: ClassVar[list] = []
    reports = tuple(_report(s, settled=s % 1 == 0) for s in (0.5, 1.0, 1.5, 2.0, 6.0))
    reason = "solved"

    @classmethod
    def from_toml(cls, name, overrides):
        cls.calls.append(("from_toml", name, overrides))
        if name == "none":
            raise ConfigError("expected a search file or a preset, got 'none'")
        return cls()

    @classmethod
    def resume(cls, out, overrides):
        cls.calls.append(("resume", out, overrides))
        return cls()

    def run(self, *, report, messages, **options):
        self.calls.append(("run", options))
        for index, each in enumerate(self.reports):
            report(each)
            if index == 1:
                messages("made-up message")
        return _outcome(self.reason, options["out"], report=self.reports[-1])


def on_its_own():
    """The command line with the made-up search, for tests that start a process."""
    import azc.search

    azc.search.Search = FakeSearch
    sys.exit(main())


@pytest.fixture
def search(monkeypatch, tmp_path):
    class Fake(FakeSearch):
        calls: ClassVar[list] = []

    monkeypatch.setattr("azc.search.Search", Fake, raising=False)
    monkeypatch.chdir(tmp_path)
    return Fake


def _documents(text):
    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


# ---- the command --------------------------------------------------------------------------------


def test_options_reach_the_search(azc, search):
    outcome = azc(
        "evolve", "demo", "--seed", "7", "--seconds", "1.5", "--workers", "2", "--data", "sets",
        "--backend", "ray", "--address", "auto", "--set", "a.b=1", "--set", "a.c = x=y",
    )  # fmt: skip
    assert outcome.code == 0
    options = {"seconds": 1.5, "workers": 2, "resume": False, "data": "sets"}
    options |= {"backend": "ray", "address": "auto"}
    assert search.calls == [
        ("from_toml", "demo", ["search.workers=2", "a.b=1", "a.c = x=y"]),
        ("run", options | {"seed": 7, "out": Path("runs/demo-7")}),
    ]


def test_nothing_given_leaves_it_to_the_search(azc, search):
    azc("evolve", "demo")
    options = {"seed": None, "seconds": None, "workers": None, "resume": False, "data": None}
    options |= {"backend": None, "address": None}
    assert search.calls[1] == ("run", options | {"out": Path("runs/demo-3")})


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("demo", "runs/demo-3"), ("v1.2", "runs/v1.2-3"), ("mine.toml", "runs/mine-3"),
        ("sub/mine.toml", "runs/mine-3"), ("/absent/preset", "runs/preset-3"),
    ],
)  # fmt: skip
def test_default_folder(azc, search, tmp_path, name, out):
    (tmp_path / "sub").mkdir()
    for file in ("mine.toml", "sub/mine.toml"):
        (tmp_path / file).touch()
    azc("evolve", name)
    assert search.calls[-1][1]["out"] == Path(out)


def test_default_folder_is_a_new_one(azc, search, tmp_path):
    for expected in ("demo-3", "demo-3-2", "demo-3-3"):
        azc("evolve", "demo")
        assert search.calls[-1][1]["out"] == Path("runs", expected)
        (tmp_path / "runs" / expected).mkdir(parents=True)


def test_resume_from_a_folder_alone(azc, search):
    outcome = azc("evolve", "--resume", "--out", "here", "--set", "a=1")
    assert outcome.code == 0
    assert search.calls[0] == ("resume", Path("here"), ["a=1"])
    assert search.calls[1][1]["resume"] is True
    assert "settings" not in outcome.err


def test_resume_with_a_file_says_that_it_is_not_read(azc, search):
    outcome = azc("evolve", "demo", "--resume", "--out", "here")
    assert [call[0] for call in search.calls] == ["resume", "run"]
    assert "those saved in 'here', not those of 'demo'" in outcome.err


def test_resume_finds_the_default_folder(azc, search, tmp_path):
    (tmp_path / "runs" / "demo-3").mkdir(parents=True)
    assert azc("evolve", "demo", "--resume", "--set", "a=1").code == 0
    assert search.calls[1] == ("resume", Path("runs/demo-3"), ["a=1"])
    assert search.calls[2][1]["out"] == Path("runs/demo-3")
    (tmp_path / "runs" / "demo-3-2").mkdir()
    outcome = azc("evolve", "demo", "--resume")
    assert outcome.code == 2
    assert "got 2 of them, runs/demo-3 to runs/demo-3-2; say which with --out" in outcome.err


@pytest.mark.parametrize(
    ("reason", "code"), [("solved", 0), ("programs", 1), ("seconds", 1), ("interrupted", 1)]
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_exit_codes(azc, search, reason, code, options):
    search.reason = reason
    assert azc("evolve", "demo", *options).code == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected S.toml"), (["--resume"], "give S.toml or --out DIR"),
        (["--out", "x"], "expected S.toml"), (["none"], "got 'none'"),
        (["demo", "--resume"], "got no folder runs/demo-3; name its folder with --out DIR"),
        (["demo", "--out", ""], "--out: expected a folder"),
        (["demo", "--out", "a\0b"], "--out: expected a folder"),
        (["demo", "--set", "a"], "--set: expected KEY=VALUE, got 'a'"),
        (["demo", "--set", "=1"], "--set: expected KEY=VALUE"),
        (["demo", "--seed", "-1"], "--seed"), (["demo", "--seed", str(2**64)], "--seed"),
        (["demo", "--seconds", "0"], "--seconds"), (["demo", "--seconds", "nan"], "--seconds"),
        (["demo", "--workers", "0"], "--workers"), (["demo", "more"], "more"),
        (["demo", "--secnods", "1"], "did you mean --seconds"),
    ],
)  # fmt: skip
def test_wrong_options(azc, search, arguments, message):
    outcome = azc("evolve", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert "run" not in [call[0] for call in search.calls]


# ---- JSON ---------------------------------------------------------------------------------------


def test_json_lines(azc, search):
    outcome = azc("evolve", "demo", "--json", "--seed", "3")
    first, *_, last = documents = _documents(outcome.out)
    assert outcome.err == "made-up message\n"
    # The reports that are settled, and the outcome.
    assert [document["seconds"] for document in documents] == [1.0, 2.0, 6.0, 6.0]
    assert first == {
        "repeatable": True, "nodes": [],
        "done": False, "seed": 3, "experiments": 1, "programs": 1000, "seconds": 1.0,
        "cpu_seconds": 0.5, "programs_per_second": 2000.0, "evaluated": 500, "level1": 250,
        "level2": 125, "filtered": 250, "over_budget": 0, "hurdled": 125, "steps": 100000,
        "best": 0.875, "mean": 0.5, "islands": first["islands"],
        "hot": {"built": 0, "seconds": 0.0, "building": 0, "share": 0.0},
    }  # fmt: skip
    assert first["islands"] == [
        {
            "island": 0, "run": 1, "programs": 1000, "evaluated": 500, "level1": 250, "level2": 125,
            "filtered": 250, "over_budget": 0, "hurdled": 125, "steps": 100000, "received": 0,
            "niches": 0, "best": 0.75, "mean": 0.5,
        }
    ]  # fmt: skip
    assert last == {
        "done": True, "solved": True, "reason": "solved", "seed": 3, "experiments": 1,
        "programs": 6000, "seconds": 6.0, "cpu_seconds": 3.0, "programs_per_second": 2000.0,
        "fitness": {"search": 0.875, "select": 0.8125, "final": None},
        "program": last["program"], "out": "runs/demo-3", "saved": True, "unsaved_reports": 0,
        "repeatable": True, "nodes": [],
        "hot": {"built": 0, "seconds": 0.0, "building": 0, "share": 0.0},
    }  # fmt: skip
    assert parse(last["program"]) == LINEAR


def test_json_has_null_for_what_is_not_a_number(capsys):
    view = JsonLines(1)
    report = _report(0.0, (_counts(best=NAN, mean=NAN, programs=0),), best=None, cpu_seconds=0.0)
    view(report)
    view.finish(_outcome("seconds", best=None, report=report))
    view.finish(_outcome("seconds", best=Best(LINEAR, 0, 1, 0, search=NAN), report=report))
    first, second, third = _documents(capsys.readouterr().out)
    assert (first["best"], first["mean"]) == (None, None)
    assert (first["islands"][0]["best"], first["programs_per_second"]) == (None, 0.0)
    assert (second["program"], second["out"]) == (None, None)
    assert third["fitness"] == {"search": None, "select": None, "final": None}


# ---- plain lines --------------------------------------------------------------------------------


def test_lines(azc, search):
    outcome = azc("evolve", "demo")
    lines = outcome.out.splitlines()
    assert outcome.err == "made-up message\n"
    assert lines[0] == (
        "1.0 s  1,000 programs  1,000/s  level 1 25.0%  level 2 12.5%  filtered 20.0%  "
        "best 0.875000  mean 0.500000"
    )
    # Not what came within two seconds.
    assert [line.split("  ")[0] for line in lines if "level" in line] == ["1.0 s", "6.0 s"]
    assert lines[2].startswith("solved")


def test_the_last_line_is_not_lost(capsys):
    view = Lines()
    for seconds in (1.0, 1.5, 2.5):
        view(_report(seconds))
    view.finish(_outcome())
    shown = [line for line in capsys.readouterr().out.splitlines() if "level" in line]
    assert [line.split("  ")[0] for line in shown] == ["1.0 s", "2.5 s"]


def test_summary():
    lines = summary(_outcome(out=Path("runs/demo-3"))).splitlines()
    assert lines[:4] == [
        "solved: the fitness asked for is reached",
        "best fitness: search 0.875000, select 0.812500",
        "1,000 programs in 1.0 s, 2,000 per CPU second (0.5 s)",
        "",
    ]
    assert parse("\n".join(lines[4:-2])) == LINEAR
    assert lines[4] == "def Setup():"
    assert lines[-2:] == [
        "saved in runs/demo-3",
        "score it on other tasks: azc run runs/demo-3/best.az --task …",
    ]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "this result is not saved"), (1, "the last report and this result are not saved"),
        (7, "the last 7 reports and this result are not saved"),
    ],
)  # fmt: skip
def test_what_is_not_saved_is_not_recommended(capsys, count, said):
    """best.az may hold an older program."""
    outcome = _outcome(out=Path("my runs/a"), saved=False, unsaved=count)
    said = f"{said} in 'my runs/a': keep what is printed here"
    *lines, last = summary(outcome).splitlines()
    assert last == said
    assert parse("\n".join(lines[4:])) == LINEAR
    JsonLines(seed=3).finish(outcome)
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert (document["saved"], document["unsaved_reports"]) == (False, count)
    assert parse(document["program"]) == LINEAR
    assert shown.err.strip() == said


@pytest.mark.parametrize(
    ("reason", "said"),
    [("programs", "budget of programs"), ("seconds", "time is up"), ("interrupted", "interrupted")],
)
def test_summary_says_why_it_ended(reason, said):
    text = summary(_outcome(reason, out=Path("my runs/a")))
    assert said in text.splitlines()[0]
    assert "azc run 'my runs/a/best.az'" in text
    assert ("azc evolve --resume --out 'my runs/a'" in text) == (reason == "interrupted")


def test_summary_of_nothing():
    text = summary(_outcome("seconds", best=None))
    assert len(text.splitlines()) == 2
    assert "best.az" not in text


def test_durations():
    shown = [duration(seconds) for seconds in (0.0, 4.14, 99.94, 99.95, 3599.7, 360000, math.inf)]
    assert shown == ["0.0 s", "4.1 s", "99.9 s", "0:01:40", "1:00:00", "100:00:00", "inf s"]


def test_rate_is_that_of_the_last_seconds():
    rate = Rate()
    assert str(rate) == "-"
    for seconds in range(20):
        # A thousand a second, then two.
        rate.add(_report(seconds, (_counts(programs=1000 * (seconds + max(0, seconds - 10))),)))
        assert str(rate) == "-" if seconds == 0 else rate.value >= 1000.0
    assert rate.value == 2000.0


# ---- the picture --------------------------------------------------------------------------------

LONG = [f"    s{n} = s1 + s2" for n in range(60)]
BUSY = replace(
    _report(125.0, tuple(_counts(island, programs=10**8) for island in range(12))),
    hot=HotCounts(built=12, seconds=3.25, building=2, share=0.455),
    workers=4,
    programs_limit=2 * 10**9,
    seconds_limit=300.0,
)


def _rate(report):
    rate = Rate()
    rate.add(replace(report, seconds=report.seconds - 1.0, islands=()))
    rate.add(report)
    return rate


@pytest.mark.parametrize("report", [_report(), BUSY, _report(0.0, (), best=None)])
@pytest.mark.parametrize("program", [[], LONG[:3], LONG])
def test_picture_fits_everywhere(report, program):
    for width in range(-3, 130, 7):
        for height in range(-2, 60):
            lines = frame(report, _rate(report), program, width, height)
            assert len(lines) <= max(height, 1)
            assert all(len(line) <= max(width, 1) for line in lines)


def test_picture_has_everything():
    lines = frame(BUSY, _rate(BUSY), LONG[:8], 100, 40)
    text = "\n".join(lines)
    for part in (
        "programs      1,200,000,000", "per second    1,200,000,000", "best fitness  0.875000",
        "mean fitness  0.500000", "per core      19,200,000/s, 4 workers", "experiments   1",
        "level 1 hits  25.0%", "level 2 hits  12.5%", "filtered      20.0%", "hurdled       12.5%",
        "over budget   0.0%", "time          0:02:05",
        "left          0:02:55 or 800,000,000 programs (about 0.7 s)",
        "native code   12 built in 3.2 s, building 2; 45.5% of steps",
    ):  # fmt: skip
        assert part in text
    assert sum(bool(re.match(r" +\d+  100,000,000  0.75", line)) for line in lines) == 12
    assert lines[-8:] == LONG[:8]


def test_picture_of_one_island_has_no_table():
    assert "island" not in "\n".join(frame(_report(), Rate(), LONG, 76, 21))


def test_picture_without_budget_says_nothing_of_it():
    assert "left" not in "\n".join(frame(_report(), Rate(), [], 76, 21))
    endless = replace(_report(), seconds_limit=math.inf)
    assert "left" not in "\n".join(frame(endless, Rate(), [], 76, 21))


def test_a_long_program_is_cut():
    lines = frame(_report(), Rate(), LONG, 76, 21)
    shown = [line for line in lines if line in LONG]
    assert len(lines) == 21
    assert lines[-1] == f"… {60 - len(shown)} more lines"
    assert shown == LONG[: len(shown)]


def test_islands_and_program_share_the_room():
    text = "\n".join(frame(BUSY, _rate(BUSY), LONG, 76, 21))
    assert re.search(r"… \d+ more islands", text)
    assert re.search(r"… \d+ more lines", text)


# ---- terminals ----------------------------------------------------------------------------------


class Screen:
    """As much of a terminal as the picture needs; what leaves its bounds is an error."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.lines, self.row, self.column = [""], 0, 0

    def feed(self, text):
        for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[^\x1b]|\x1b", text):
            if part == "\r":
                self.column = 0
            elif part == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif part.startswith("\x1b"):
                self._control(part[2:-1], part[-1])
            else:
                assert self.column < self.width
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + part + line[self.column + 1 :]
                self.column += 1

    def _control(self, argument, kind):
        if kind == "A":
            self.row -= int(argument or 1)
            # Higher up than that is no longer on the screen.
            assert self.row >= max(0, len(self.lines) - self.height)
        elif kind == "K":
            self.lines[self.row] = ""
        else:
            assert kind in "mhl"


def _on_a_terminal(arguments, width, height, cwd, stderr=None, **environment):
    """The exit code and what was written to a terminal of that size."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", height, width, 0, 0))
    names = {"TERM": "xterm", "PYTHONPATH": str(Path(__file__).parent), **environment}
    kept = {n: v for n, v in os.environ.items() if n not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", "import test_evolving; test_evolving.on_its_own()", *arguments],
        stdin=theirs, stdout=theirs, stderr=stderr or theirs, cwd=cwd, env=kept | names,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(60), shown.decode()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (20, 5), (200, 60)])
def test_live_on_a_terminal(tmp_path, width, height):
    arguments = ["evolve", "demo", "--seed", "3", "--out", "o"]
    code, shown = _on_a_terminal(arguments, width, height, tmp_path)
    assert code == 0
    picture, _, rest = shown.partition("solved: the fitness asked for is reached")
    screen = Screen(width, height)
    screen.feed(picture)
    assert "programs" in picture
    if width >= 80:
        assert "Ctrl-C ends and saves" in picture
        assert "s1 = dot(v1, v0)" in picture
    # Only the message is left of it, and then the summary is there.
    assert [line for line in screen.lines if line.strip()] == ["made-up message"]
    assert "saved in o" in rest
    assert "\x1b" not in rest


def test_messages_to_a_file_are_not_drawn(tmp_path):
    with open(tmp_path / "err", "wb") as file:
        _, shown = _on_a_terminal(["evolve", "demo"], 80, 24, tmp_path, stderr=file)
    assert "made-up" not in shown
    assert (tmp_path / "err").read_text() == "made-up message\n"


def test_terminals_that_cannot_draw_get_lines(tmp_path):
    _, shown = _on_a_terminal(["evolve", "demo"], 80, 24, tmp_path, TERM="dumb")
    assert "\x1b" not in shown
    assert "level 1 25.0%" in shown


def test_ascii_terminal(tmp_path):
    options = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    code, shown = _on_a_terminal(["evolve", "demo"], 40, 9, tmp_path, **options)
    assert code == 0
    picture = shown.partition("solved")[0]
    assert picture.isascii()
    assert "\\u" not in picture
    Screen(40, 9).feed(picture)


def test_json_on_a_terminal_is_json(tmp_path):
    _, shown = _on_a_terminal(["evolve", "demo", "--json"], 80, 24, tmp_path)
    lines = [line for line in shown.splitlines() if line != "made-up message"]
    assert _documents("\n".join(lines))[-1]["done"] is True


def test_the_terminal_is_restored_whatever_happens(monkeypatch, capsys):
    shown, hidden = "\x1b[?25h", "\x1b[?25l"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    view = Live("a [b]\x1b[31m", 0)

    def interrupted():
        with view:
            view(_report())
            view(_report(best=None))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    out = capsys.readouterr().out
    assert out.rindex(shown) > out.rindex(hidden)
    assert "a [b]\ufffd[31m" in out


def test_programs_are_sliced_as_the_tasks_need(monkeypatch):
    # Writes both predictions: only the task tells which of them counts.
    program = parse("def Predict():\n    s1 = dot(v0, v0)\n    v2 = s1 * v0\n    s5 = s1 + s1\n")
    report = _report(best=Best(program, 0, 1, 0, search=0.5))
    for classes, kept, dropped in ((0, "dot", "v2"), (10, "v2", "s5")):
        text = Live("x", classes)._picture(report).renderable.plain
        assert kept in text
        assert dropped not in text


def test_the_view_that_fits(monkeypatch):
    assert isinstance(view_for(True, "x", 1, 0), JsonLines)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert isinstance(view_for(False, "x", 1, 0), Lines)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(view_for(False, "x", 1, 0), Live)


# ---- pipes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_closed_pipe_ends_it_quietly(tmp_path, options):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", "import test_evolving; test_evolving.on_its_own()",
         "evolve", "demo", *options],
        stdout=writing, stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=60,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == ""


def test_nodes_have_lines():
    """Rates are those of the last seconds."""
    rate = Rate()
    for seconds in (1.0, 3.0):
        nodes = tuple(
            NodeCounts(name, 1, 2, int(programs * seconds), restarts, 70)
            for name, programs, restarts in (("here", 500, 0), ("there", 1500, 3))
        )
        report = _report(seconds, nodes=nodes, repeatable=False)
        rate.add(report)
    lines = frame(report, rate, [], 76, 40)
    titles, here, there = (line.split() for line in lines[-3:])
    assert titles == ["node", "islands", "per", "second", "lost", "workers", "behind", "workers"]
    assert here == ["here", "2", "500", "0", "70", "1"]
    assert there == ["there", "2", "1,500", "3", "70", "1"]
    assert any("not repeatable" in line for line in lines)
