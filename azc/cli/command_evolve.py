"""`azc evolve`: search for programs."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import click

from azc.cli.base import Command, Positive, Whole, quoted
from azc.cli.evaluating import data_option
from azc.cli.failures import FAILED
from azc.errors import ConfigError, expected

_EXAMPLES = """
azc evolve search.toml
azc evolve search.toml --seed 7 --seconds 60 --workers 2
azc evolve search.toml --set search.population=100 --set tasks.search.features=8
azc evolve search.toml --out runs/first --json
azc evolve --resume --out runs/first
azc evolve search.toml --backend ray --address auto --workers 32
"""
_MOST = 2**31 - 1
_MOST_SEEDS = 2**64 - 1
_RUNS = Path("runs")


@click.command("evolve", cls=Command, examples=_EXAMPLES)
@click.argument("name", metavar="[S.toml]", required=False)
@click.option(
    "--out",
    metavar="DIR",
    help="Where all of the search is saved, while it runs.  [default: runs/NAME-SEED]",
)
@click.option(
    "--seed",
    type=Whole(0, _MOST_SEEDS),
    metavar="N",
    help="Of all that is drawn.  [default: as in S.toml]",
)
@click.option(
    "--seconds",
    type=Positive(),
    metavar="X",
    help="End after this time.  [default: as in S.toml]",
)
@click.option(
    "--workers",
    type=Whole(1, _MOST),
    metavar="N",
    help="Processes that the islands are shared out to; changes nothing but the time.  "
    "[default: as in S.toml]",
)
@click.option(
    "--backend",
    metavar="processes|ray",
    help="What the workers are: processes on this machine, or actors on a Ray cluster; changes "
    "nothing but the time.  [default: as in S.toml]",
)
@click.option(
    "--address",
    metavar="A",
    help="Of the Ray cluster, such as 10.0.0.1:6379, or auto.  [default: $RAY_ADDRESS, else one is "
    "started here]",
)
@click.option(
    "--plan",
    "planned",
    is_flag=True,
    help="Do not search: measure for a few seconds, and tell what the search would take.",
)
@click.option("--resume", is_flag=True, help="Go on with the search that is saved in DIR.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting, such as search.population=100; may be given several times.",
)
@data_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print a JSON document per line on standard output: one for each report, then the result.",
)
@click.pass_context
def command(
    context: click.Context,
    name: str | None,
    out: str | None,
    seed: int | None,
    seconds: float | None,
    workers: int | None,
    backend: str | None,
    address: str | None,
    planned: bool,
    resume: bool,
    overrides: tuple[str, ...],
    data: str | None,
    as_json: bool,
) -> None:
    """Search for programs that solve the tasks of a search file.

    S.toml is a file, or a name from 'azc presets'. The exit code is 0 if a program reached the
    fitness asked for, and 1 if the budget ended first or Ctrl-C did, with all saved even then, or
    if something could not be saved. With --resume and --out, S.toml may be left out: the settings
    are those saved in DIR.
    """
    if name is None and not (resume and out is not None):
        do = "with --resume, give S.toml or --out DIR" if resume else "'azc presets' lists presets"
        what = "S.toml, a search file or the name of a preset"
        raise click.UsageError(expected(what, "none", do), context)
    _check(out, overrides)
    if planned:
        if name is None:
            raise click.UsageError(expected("S.toml with --plan", "none"), context)
        from azc.cli.planning import tell_plan

        tell_plan(name, list(overrides), as_json)
        return

    from azc.cli.evolving import view_for
    from azc.search import Search

    settings = list(overrides)
    if workers is not None:  # with as many as the file has, the other changes may not fit
        settings.insert(0, f"search.workers={workers}")
    ours = False
    if name is None or (resume and out is not None):
        assert out is not None
        folder = Path(out)
        if name is not None:
            message = f"the settings are those saved in {quoted(out)}, not those of {quoted(name)}"
            click.echo(f"{message}; change them with --set", err=True)
        search = Search.resume(folder, settings)
    else:
        search = Search.from_toml(name, settings)
        if out is not None:
            folder = Path(out)
        else:
            # The file's name without its ending; a preset's may well have a point in it.
            stem = Path(name).stem if os.path.exists(name) else Path(name).name
            series = f"{stem}-{search.seed if seed is None else seed}"
            folder, ours = (_saved(series), False) if resume else _taken(series)
        if resume:
            search = Search.resume(folder, settings)

    used = search.seed if seed is None else seed
    try:
        with view_for(as_json, str(folder), used, search.classes) as view:
            outcome = search.run(
                seed=seed,
                out=folder,
                seconds=seconds,
                workers=workers,
                resume=resume,
                data=data,
                report=view,
                messages=view.message,
                backend=backend,
                address=address,
            )
            view.finish(outcome)
    finally:
        if ours:
            _leave_nothing(folder)
    context.exit(0 if outcome.solved and outcome.saved else FAILED)


def _check(out: str | None, overrides: tuple[str, ...]) -> None:
    if out is not None and (not out or "\0" in out):
        what = expected("a folder, or the name of a new one", quoted(out))
        raise ConfigError(f"--out: {what}")
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not key.strip() or not equals:
            do = "write it as in --set search.population=100"
            raise ConfigError(f"--set: {expected('KEY=VALUE', quoted(override), do)}")


def _series(name: str) -> tuple[list[Path], Path]:
    """The folders there are of runs/NAME, runs/NAME-2, …, and the first that there is not."""
    folders: list[Path] = []
    folder = _RUNS / name
    while os.path.lexists(folder):
        folders.append(folder)
        folder = _RUNS / f"{name}-{len(folders) + 1}"
    return folders, folder


def _taken(name: str) -> tuple[Path, bool]:
    """The first of runs/NAME, runs/NAME-2, … that there is not, made here so that no other search
    that begins now takes it; and whether it could be made, for why not is said when it is used."""
    while True:
        folder = _series(name)[1]
        try:
            _RUNS.mkdir(exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            # Unless it is runs that is no folder.
            if not _RUNS.is_dir():
                return folder, False
        except FileNotFoundError:
            continue  # another search that came to nothing has just removed runs
        except OSError:
            return folder, False
        else:
            return folder, True


def _leave_nothing(folder: Path) -> None:
    """Remove the folder of a search that came to nothing before it was used."""
    for path in (folder, _RUNS):
        with suppress(OSError):
            path.rmdir()


def _saved(name: str) -> Path:
    """The one folder that `--resume` can mean; raises `ConfigError` if there is none or several."""
    folders, free = _series(name)
    if len(folders) == 1:
        return folders[0]
    got = (
        f"{len(folders)} of them, {folders[0]} to {folders[-1]}" if folders else f"no folder {free}"
    )
    do = "say which with --out DIR" if folders else "name its folder with --out DIR"
    raise ConfigError(f"--resume: {expected('one saved search', got, do)}")
