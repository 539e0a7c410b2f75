"""Following a search: for this machine alone, and to read alone."""

from __future__ import annotations

import http.client
import threading

import pytest
from search_files import small

from azc.report.serving import ADDRESS, Served, server


@pytest.fixture
def ask(tmp_path):
    """Asks a server that shows the run in `tmp_path`, where there is none at first."""
    with server(Served([tmp_path / "run"]), 0) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        port = listening.server_address[1]

        def request(method="GET", path="/", host=None):
            connection = http.client.HTTPConnection(ADDRESS, port, timeout=20)
            try:
                connection.request(method, path, headers={"Host": host or f"{ADDRESS}:{port}"})
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            finally:
                connection.close()

        assert listening.server_address[0] == ADDRESS
        yield request
        listening.shutdown()
        thread.join()


def test_it_follows(ask, tmp_path):
    status, text = ask()
    assert status == 200
    assert "No report yet" in text
    folder = tmp_path / "run"
    small("search.stop.programs=800").run(seed=1, out=folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    status, text = ask()
    assert "Search on linear" in text
    assert 'http-equiv="refresh"' in text
    assert ">800<" in text
    small().run(out=folder, resume=True)
    # It looked, and changed nothing.
    assert (folder / "search.toml").read_bytes() == before[folder / "search.toml"]


def test_the_page_is_made_once_for_each_save(tmp_path, monkeypatch):
    small("search.stop.programs=800").run(seed=1, out=tmp_path / "run")
    served = Served([tmp_path / "run"])
    assert served() is served()


def test_it_takes_nothing(ask):
    assert ask("HEAD") == (200, "")
    assert ask("POST")[0] == ask("PUT")[0] == ask("DELETE")[0] == 501
    assert ask(path="/run.sqlite")[0] == 404
    assert ask(path="/../run.sqlite")[0] == 404


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org:80", ""])
def test_other_names_are_refused(ask, host):
    if host:
        assert ask(host=host)[0] == 421
