"""Where a lineage improved, and what changed."""

from __future__ import annotations

from azc.report.lineage import callouts, marked, stages, steps_of

START = "def Setup():\n    pass\n\ndef Predict():\n    pass\n\ndef Learn():\n    pass\n"
BETTER = START.replace("def Predict():\n    pass", "def Predict():\n    s1 = dot(v0, v1)")
LEARNS = BETTER.replace("def Learn():\n    pass", "def Learn():\n    v1 = v0 + v1")
LINEAGE = [
    {"programs": 1, "fitness": 0.1, "mutation": "start", "program": START},
    {"programs": 50, "fitness": 0.3, "mutation": "insert", "program": BETTER},
    {"programs": 90, "fitness": 0.2, "mutation": "remove", "program": START},
    {"programs": 200, "fitness": 0.55, "mutation": "insert", "program": LEARNS},
]


def test_callouts():
    steps = callouts(LINEAGE)
    assert [(step["programs"], step["before"], step["fitness"]) for step in steps] == [
        (1, 0.0, 0.1), (50, 0.1, 0.3), (200, 0.3, 0.55),
    ]  # fmt: skip
    assert steps[1]["change"] == ["+ s1 = dot(v0, v1)"]
    assert steps[2]["change"] == ["+ v1 = v0 + v1"]


def test_stages():
    first, middle = stages(LINEAGE, 0.5)
    assert first["fitness"] == 0.1
    assert (middle["fitness"], middle["program"]) == (0.3, BETTER)
    assert stages([], 0.5) == []


def test_steps_count_the_programs_of_all_islands(run):
    steps = steps_of(run.lineage, 2)
    assert [step["programs"] for step in steps] == [2 * (one.birth + 1) for one in run.lineage]
    assert steps[-1]["program"] == str(run.lineage[-1].program)


def test_marks():
    assert marked(["a\nb", "b\nc", "c\nd"]) == [
        [("-", "a"), (" ", "b")],
        [("-", "b"), ("+", "c")],
        [(" ", "c"), ("+", "d")],
    ]
    assert marked(["a", "b", "c"])[1] == [("±", "b")]
