"""`azc fmt`."""

from __future__ import annotations

import os

import pytest

from azc.lang import format_text, parse

from .conftest import BAD, LINEAR, UGLY


def test_in_place(azc, files):
    outcome = azc("fmt", "ugly.az")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "formatted ugly.az\n")
    text = (files / "ugly.az").read_text()
    assert text == format_text(UGLY)
    assert "# x" in text
    assert parse(text) == parse(UGLY)
    assert not list(files.glob(".*"))


def test_twice_is_once(azc, files):
    azc("fmt", "ugly.az")
    before = os.stat("ugly.az")
    outcome = azc("fmt", "ugly.az")
    after = os.stat("ugly.az")
    assert (outcome.code, outcome.err) == (0, "")
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_line_ends_are_part_of_the_layout(azc, files):
    good = format_text(LINEAR)
    (files / "dos.az").write_bytes(good.replace("\n", "\r\n").encode())
    assert azc("fmt", "--check", "dos.az").code == 1
    azc("fmt", "dos.az")
    assert (files / "dos.az").read_bytes() == good.encode()


def test_check_changes_nothing(azc, files):
    (files / "good.az").write_text(format_text(LINEAR))
    outcome = azc("fmt", "--check", "ugly.az", "good.az")
    assert (outcome.code, outcome.out, outcome.err) == (1, "ugly.az\n", "")
    assert (files / "ugly.az").read_text() == UGLY
    assert azc("fmt", "--check", "good.az").code == 0


def test_permissions_are_kept(azc, files):
    os.chmod("ugly.az", 0o604)
    azc("fmt", "ugly.az")
    assert os.stat("ugly.az").st_mode & 0o777 == 0o604


def test_links_are_kept(azc, files):
    os.symlink("ugly.az", "link.az")
    azc("fmt", "link.az")
    assert os.path.islink("link.az")
    assert (files / "ugly.az").read_text() == format_text(UGLY)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any file")
def test_a_file_that_may_not_be_written_is_left_alone(azc, files):
    os.chmod("ugly.az", 0o444)
    assert azc("fmt", "ugly.az").code == 2
    assert (files / "ugly.az").read_text() == UGLY


@pytest.mark.parametrize("moment", ["replace", "fsync"])
def test_a_failed_write_leaves_the_file(azc, files, monkeypatch, moment):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, moment, fail)
    outcome = azc("fmt", "ugly.az")
    assert outcome.code == 1
    assert outcome.err == "error: ugly.az: Input/output error\n"
    assert (files / "ugly.az").read_text() == UGLY
    assert not list(files.glob(".*"))


def test_an_interruption_leaves_the_file(azc, files, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    assert azc("fmt", "ugly.az").code == 130
    assert (files / "ugly.az").read_text() == UGLY
    assert not list(files.glob(".*"))


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_what_is_no_program_does_not_stop_the_others(azc, files, options):
    outcome = azc("fmt", "bad.az", "nothing.az", ".", "unbalanced.az", "ugly.az", *options)
    assert outcome.code == 2
    assert (files / "ugly.az").read_text() == (UGLY if options else format_text(UGLY))
    (files / "unbalanced.az").write_text("def Predict(:\n")
    broken = azc("fmt", "unbalanced.az", *options)
    assert broken.code == 2
    assert broken.err.startswith("unbalanced.az:1:13: error: ")
    assert (files / "unbalanced.az").read_text() == "def Predict(:\n"


def test_a_library_name_is_no_file(azc, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert azc("fmt", "linear").code == 2


def test_standard_input(azc, azc_process):
    assert azc("fmt", "-", stdin=UGLY.encode()).out == format_text(UGLY)
    assert azc("fmt", "-", "--check", stdin=UGLY.encode()).code == 1
    assert azc("fmt", "-", "--check", stdin=format_text(UGLY).encode()).code == 0
    assert azc("fmt", "-", stdin=b"def Predict(:").code == 2
    assert azc("fmt", "-", stdin=b"\xff").code == 2


def test_standard_output_is_utf_8_in_any_locale(azc_process):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    text = "def Predict():  # größer\n    s1 = dot(v0, v1)\n"
    outcome = azc_process("fmt", "-", input=text, env=environment, encoding="utf-8")
    assert outcome.out == format_text(text)


def test_an_unknown_name_does_not_matter_to_the_layout(azc, files):
    # What a text means is for `check`; layout needs the grammar only.
    (files / "bad.az").write_text(BAD.replace(" = ", "="))
    assert azc("fmt", "bad.az").code == 0
    assert (files / "bad.az").read_text() == BAD
