"""Search files on disk: found, read, changed and written, with the programs that they name."""

from __future__ import annotations

import tomllib

import pytest
from search_files import ALL, LEARN, LEAST, PROGRAM, changed, refusal, save, tables

from azc.errors import ConfigError
from azc.ops import OPS
from azc.search.settings import Settings

# ---- files -------------------------------------------------------------------------------------


def test_read_from_a_file(tmp_path):
    assert Settings.from_toml(save(tmp_path)) == Settings.from_mapping(tables())
    assert Settings.from_toml(str(save(tmp_path, "\ufeff" + LEAST))) == changed()


def test_the_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, LEAST.replace("stop", "population = 0\nfilter = 2\nstop"))
    with pytest.raises(ConfigError) as caught:
        Settings.from_toml("demo.toml")
    first, second = str(caught.value).splitlines()
    assert first.startswith("demo.toml: search.population: expected greater")
    assert second.startswith("demo.toml: search.filter: expected")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("[search]\npopulation 3\n", ":2:", "expected valid TOML, got"),
        ("[search]\npopulation =\n", ":2:13:", "got the end of the line; invalid value"),
        ("[search\n", ":1:8:", "expected valid TOML"),
        ("a = [1,\n", ":2:1:", "got the end of the file"),
        ("a = 1\na = 2\n", ":2:", "expected valid TOML"),
        ("a = " + "[" * 100_000, "", "brackets too deep"),
        ("a = " + "9" * 10_000, "", "expected valid TOML"),
    ],
)
def test_what_is_not_toml(tmp_path, text, place, message):
    path = save(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        Settings.from_toml(path)
    assert str(caught.value).startswith(f"{path}{place}")
    assert message in str(caught.value)


def test_unreadable_files(tmp_path):
    with pytest.raises(ConfigError, match="expected a search file or the name of a preset, got"):
        Settings.from_toml(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="did you mean 'demo'"):
        Settings.from_toml("dmo")
    with pytest.raises(ConfigError, match="expected a search file, got the folder"):
        Settings.from_toml(tmp_path)
    with pytest.raises(ConfigError, match="expected a search file or the name of a preset"):
        Settings.from_toml("a\0b")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigError, match=r"binary\.toml:2:.*expected UTF-8 text, got byte 0xff"):
        Settings.from_toml(binary)
    save(tmp_path, "#" * (1 << 20) + "\n")
    with pytest.raises(ConfigError, match="at most 1048576 bytes"):
        Settings.from_toml(tmp_path / "demo.toml")


def test_tables_are_asked_for():
    with pytest.raises(ConfigError, match="expected the tables of a search file, got 3"):
        Settings.from_mapping(3)


def test_a_file_goes_before_a_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Settings.from_toml("demo").search.method == "niches"
    (tmp_path / "demo").mkdir()
    assert Settings.from_toml("demo").search.method == "niches"
    (tmp_path / "demo").rmdir()
    save(tmp_path, name="demo")
    assert Settings.from_toml("demo").search.method == "regularized-evolution"


@pytest.mark.parametrize("text", [LEAST, ALL, LEAST.replace("size = 8", "max = 8")])
def test_written_and_read_again(tmp_path, text):
    settings = Settings.from_mapping(tables(text))
    written = settings.to_toml()
    assert Settings.from_toml(save(tmp_path, written)) == settings
    assert Settings.from_toml(tmp_path / "demo.toml").to_toml() == written


def test_what_is_written_is_complete():
    found = tomllib.loads(changed().to_toml())
    assert found["search"]["population"] == 1000
    assert found["search"]["mutations"][0] == "alter-parameter"
    assert found["space"]["learn"] == {"size": 8}
    assert len(found["space"]["ops"]) == len(OPS) - 1
    assert found["tasks"]["search"] == {
        **{"task": "linear", "count": 8, "features": 8, "train": 1000, "valid": 100},
        **{"seed": 0, "metric": "rmse"},
    }
    assert found["fec"]["forget"] == 100
    assert "children" not in found["search"]
    assert tomllib.loads(changed("search.method=mgg").to_toml())["search"]["children"] == 10


# ---- changes -----------------------------------------------------------------------------------


def test_overrides(tmp_path):
    path = save(tmp_path)
    settings = Settings.from_toml(
        path,
        [
            "search.population=50",
            " search.method = mgg ",
            "search.stop.fitness=0.5",
            "search.stop.seconds=",
            "tasks.search.task=digits:3,8",
            'tasks.search.metric="rmse"',
            "tasks.search.features=[4, 8]",
            "restart.patience=9",
            "search.population=60",
        ],
    )
    assert (settings.search.population, settings.search.method) == (60, "mgg")
    assert (settings.search.stop.fitness, settings.search.stop.seconds) == (0.5, None)
    assert settings.tasks.search.task == "digits:3,8"
    assert settings.tasks.search.features == (4, 8)
    assert settings.restart.patience == 9


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.population", "expected KEY=VALUE, such as search.seed=3, got 'search.population'"),
        ("=3", "expected KEY=VALUE"),
        ("search..seed=3", "expected KEY=VALUE"),
        ("search.seed.x=3", "search.seed: expected a table, got 4"),
        (
            "search.population=3\nfilter = true",
            "search.population: expected a valid integer, got '3",
        ),
        ("search.population=[1, 2", "search.population: expected a valid integer, got '[1, 2'"),
        ("search.nothing=", "none"),
    ],
)
def test_wrong_overrides(tmp_path, override, message):
    path = save(tmp_path, LEAST.replace("stop", "seed = 4\nstop"))
    if message == "none":
        Settings.from_toml(path, [override])
        return
    with pytest.raises(ConfigError) as caught:
        Settings.from_toml(path, [override])
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


# ---- programs to start from --------------------------------------------------------------------


def test_start_is_relative_to_the_file(tmp_path, monkeypatch):
    folder = tmp_path / "experiments"
    (folder / "seeds").mkdir(parents=True)
    (folder / "mine.az").write_text(PROGRAM + LEARN)
    (folder / "seeds" / "other.az").write_text(PROGRAM + LEARN)
    path = save(folder)
    monkeypatch.chdir(tmp_path)
    text = path.read_text()
    path.write_text(text.replace("[space]", '[space]\nstart = "mine.az"'))
    settings = Settings.from_toml("experiments/demo.toml")
    assert settings.space.start == str(folder / "mine.az")
    assert [len(program.learn) for program in settings.space.start_programs()] == [8]
    path.write_text(text.replace("[space]", '[space]\nstart = ["mine.az", "seeds/other.az"]'))
    settings = Settings.from_toml(path)
    assert settings.space.start == (str(folder / "mine.az"), str(folder / "seeds" / "other.az"))
    assert Settings.from_mapping(tomllib.loads(settings.to_toml())) == settings


def test_paths_of_overrides_are_relative_to_the_current_folder(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    (here / "mine.az").write_text(PROGRAM + LEARN)
    path = save(tmp_path)
    monkeypatch.chdir(here)
    settings = Settings.from_toml(path, ["space.start=mine.az"])
    assert settings.space.start == str(here / "mine.az")


def test_a_start_must_fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = tmp_path / "mine.az"
    start.write_text(PROGRAM + LEARN.replace("NoOp()", "s9 = s0 + s1", 1))
    message = refusal("space.start=mine.az")
    assert f"space.start: {start}:" in message
    assert "s9" in message
    start.write_text(PROGRAM + LEARN + "    NoOp()\n")
    assert f"expected 8 instructions in learn of {start}, got 9; allow more" in refusal(
        "space.start=mine.az"
    )
    start.write_text("def Setup(:\n")
    assert f"space.start: {start}:1:" in refusal("space.start=mine.az")


def test_ops_beyond_the_lists_may_stand_in_a_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.az").write_text(PROGRAM + LEARN)
    assert changed("space.ops=['scalar_add']", "space.start=mine.az").space.start_programs()


def test_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.az").write_text(PROGRAM + LEARN)
    settings = changed("space.start=~/mine.az")
    assert settings.space.start == str(tmp_path / "mine.az")
