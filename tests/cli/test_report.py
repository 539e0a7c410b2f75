"""`azc report` and `azc plot`."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from search_files import small


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        small("search.stop.programs=2400").run(seed=seed, out=base / f"seed-{seed}")
    return sorted(base.iterdir())


def test_a_page(azc, folders, tmp_path):
    target = tmp_path / "out.html"
    outcome = azc("report", folders[0], "-o", target, "--tasks", "2")
    assert outcome.code == 0
    assert outcome.out.startswith(f"{target}: ")
    text = target.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "Against programs by hand" in text


def test_where_none_is_named(azc, folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert azc("report", *folders, "--tasks", "0").code == 0
    text = (tmp_path / "report.html").read_text()
    assert "2 searches on linear" in text
    assert "Against programs by hand" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "expected the folder of a search"),
        (["run", "-o", "no/such/page.html"], "-o: expected a file in a folder that exists"),
        (["run", "--serve", "-o", "x.html"], "expected at most one of -o and --serve"),
        (["run", "--port", "80"], "expected --serve where there is --port"),
        ([], "expected DIR…, got none"),
    ],
)
def test_refused(azc, folders, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    arguments = [folders[0] if argument == "run" else argument for argument in arguments]
    outcome = azc("report", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_following_ends_with_ctrl_c(folders):
    command = [sys.executable, "-m", "azc", "report", folders[0], "--serve", "--port", "0"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as child:
        try:
            address = child.stdout.readline().split()[0]
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert "Search on linear" in answer.read().decode()
            child.send_signal(signal.SIGINT)
            assert child.wait(30) == 0
            assert child.stderr.read() == "ended\n"
        finally:
            child.kill()


def test_a_port_that_is_taken(azc, folders):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = azc("report", folders[0], "--serve", "--port", str(port))
    assert outcome.code == 2
    assert f"--port: expected a port that is free, got {port} (" in outcome.err


@pytest.mark.parametrize("figure", ["progress", "decisions"])
def test_a_plot(azc, folders, tmp_path, figure):
    pytest.importorskip("matplotlib")
    for form, beginning in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        target = tmp_path / f"{figure}.{form}"
        assert azc("plot", folders[0], "-o", target, "--figure", figure).code == 0
        assert target.read_bytes().startswith(beginning)


def test_a_plot_of_several(azc, folders, tmp_path):
    pytest.importorskip("matplotlib")
    target = tmp_path / "both.svg"
    assert azc("plot", *folders, "-o", target).code == 0
    assert b"middle half" in target.read_bytes()


def test_plots_refused(azc, folders, tmp_path):
    target = tmp_path / "figure.svg"
    for arguments, message in (
        (["-o", tmp_path / "figure.gif"], "-o: expected a name that ends with .svg, .png, .pdf"),
        (["-o", target, "--figure", "success"], "--figure: expected a figure of one run: one of"),
        (["-o", target, "--figure", "sucess"], "did you mean 'success'?"),
    ):
        outcome = azc("plot", folders[0], *arguments)
        assert outcome.code == 2
        assert message in outcome.err
    outcome = azc("plot", *folders, "-o", target, "--figure", "success")
    assert "expected enough on record for success, got too little; it takes two runs" in outcome.err
    assert not target.exists()


def test_plots_need_matplotlib(azc, folders, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    outcome = azc("plot", folders[0], "-o", tmp_path / "figure.svg")
    assert outcome.code == 2
    assert "expected matplotlib, got none; pip install 'azc[plot]'" in outcome.err
