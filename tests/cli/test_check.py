"""`azc check`."""

from __future__ import annotations

import pytest

from .conftest import BAD, LINEAR

CLEAN = LINEAR.encode()


def test_a_good_program(azc, files):
    outcome = azc("check", "linear.az")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "1 program: 0 errors, 0 warnings\n")


def test_an_error_has_its_place(azc, files):
    outcome = azc("check", "bad.az")
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err == (
        "bad.az:2:10: error: expected a function, got 'dto'; did you mean 'dot'?\n"
        "        s1 = dto(v0, v1)\n"
        "             ^\n"
        "1 program: 1 error, 0 warnings\n"
    )


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--strict"], 1)])
def test_warnings(azc, files, options, code):
    outcome = azc("check", "ugly.az", *options)
    assert outcome.code == code
    assert "ugly.az:3:3: warning: " in outcome.err


def test_several_programs(azc, files):
    outcome = azc("check", "linear.az", "bad.az", "ugly.az", "softmax")
    assert outcome.code == 1
    assert outcome.err.endswith("4 programs: 1 error, 1 warning\n")


def test_json(azc, files):
    outcome = azc("check", "bad.az", "ugly.az", "linear.az", "--json")
    assert outcome.code == 1
    assert outcome.err == ""
    error, warning = outcome.json
    assert error == {
        "file": "bad.az",
        "line": 2,
        "column": 10,
        "severity": "error",
        "message": "expected a function, got 'dto'; did you mean 'dot'?",
        "source": BAD.splitlines()[1],
    }
    assert (warning["file"], warning["severity"]) == ("ugly.az", "warning")
    assert azc("check", "linear.az", "--json").json == []


def test_unreadable_files_do_not_hide_the_others(azc, files):
    outcome = azc("check", "none.az", "bad.az", ".", "--json")
    assert outcome.code == 2
    assert len(outcome.json) == 1
    assert outcome.err.count("error: ") == 2


def test_a_file_that_is_not_text(azc, files):
    (files / "binary.az").write_bytes(b"def Predict():\n\xff\x00")
    outcome = azc("check", "binary.az", "--json")
    assert outcome.code == 1
    assert (outcome.json[0]["line"], outcome.json[0]["column"]) == (2, 1)


def test_standard_input(azc):
    assert azc("check", "-", stdin=CLEAN).code == 0
    assert azc("check", "-", "--json", stdin=BAD.encode()).json[0]["file"] == "<stdin>"
    assert azc("check", "-", stdin=b"\xff").code == 1
