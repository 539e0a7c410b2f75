"""Makes the pages of the site that are not files of docs/: those of the project's other files, the
tutorial, which is a notebook, what `--help` says, and the reference of the Python interface."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

#: Files outside docs/, and what page of the site each becomes.
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/engine.md": "measured-engine.md",
    "benchmarks/searching.md": "measured-searches.md",
    "benchmarks/images.md": "measured-images.md",
    "benchmarks/use.md": "measured-use.md",
    "benchmarks/cluster.md": "measured-cluster.md",
    "benchmarks/paper/README.md": "measured-paper.md",
    "docs/tutorial.ipynb": "tutorial.md",
}
#: Modules whose public names are documented beside those of `azc` itself.
MODULES = ("azc.tasks", "azc.library", "azc.search", "azc.sklearn")

_LINK = re.compile(r"\[([^][]*)\]\((?!\w+:|#)([^)#\s]*)(#[^)]*)?\)")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages."""
    made: dict[str, Callable[[], str]] = {"help.md": help_page, "api.md": interface_page}
    for source, page in ELSEWHERE.items():
        read = notebook_page if source.endswith(".ipynb") else _text
        made[page] = lambda read=read, source=source: read(ROOT / source)
    for page, make in made.items():
        files.append(File.generated(config, page, content=make()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links lead to pages of the site, and programs have the colours of their language."""
    if page.file.src_uri == "index.md":
        page.meta["hide"] = ["navigation"]  # it would hold this page alone
    own = page.file.src_uri
    source = next((old for old, new in ELSEWHERE.items() if new == own), f"docs/{own}")
    markdown = _LINK.sub(lambda match: _relinked(match, source, files), markdown)
    parts = _CODE.split(markdown)
    # An entry, m[i][j], is no link by reference.
    parts[::2] = [part.replace("][", "]\\[") for part in parts[::2]]
    return _FENCE.sub(_in_its_language, "".join(parts))


def _relinked(match: re.Match[str], source: str, files: Files) -> str:
    text, target, anchor = match[1], match[2], match[3] or ""
    path = os.path.normpath(os.path.join(os.path.dirname(source), target))
    page = ELSEWHERE.get(path, path.removeprefix("docs/"))
    if files.get_file_from_path(page) is None and (ROOT / path).exists():
        return text  # a file of the project that is no page
    return f"[{text}]({page}{anchor})"


def _in_its_language(match: re.Match[str]) -> str:
    text = match[1]
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    return f"```az\n{text}```" if _is_az(text) or _is_az(f"def Learn():\n{lines}") else match[0]


def _is_az(text: str) -> bool:
    from azc import AzcError, parse

    try:
        parse(text)
    except AzcError:
        return False
    return True


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def notebook_page(path: Path) -> str:
    """A notebook as Markdown, with its outputs."""
    cells = json.loads(_text(path))["cells"]
    return "\n\n".join(part for cell in cells for part in _cell(cell))


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield text
        return
    yield f"```python\n{text}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "text/html" in data:
            yield f'<div class="output">\n{"".join(data["text/html"])}\n</div>'
        else:
            shown = "".join(output.get("text") or data["text/plain"]).rstrip()
            language = "az" if _is_az(shown) else "text"
            yield f"``` {{ .{language} .output .no-copy }}\n{shown}\n```"


def help_page() -> str:
    """What every command says of itself."""
    import click

    from azc.cli.main import cli

    parts = [
        "# Every option\n\nWhat `azc --help` and `azc COMMAND --help` print. "
        "[Commands](commands.md) explains it, with examples of what comes out."
    ]
    context = click.Context(cli, info_name="azc", max_content_width=100, terminal_width=100)
    parts.append(f"```text\n{cli.get_help(context)}\n```")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        inner = click.Context(command, context, name, max_content_width=100, terminal_width=100)
        parts.append(f"## azc {name}\n\n```text\n{command.get_help(inner)}\n```")
    return "\n\n".join(parts)


def interface_page() -> str:
    """The public names, whose docstrings are filled in when the page is rendered."""
    parts = ["# Python\n\nThe public names of `azc`, and of its modules that are meant to be used."]
    for name in ("azc", *MODULES):
        module = importlib.import_module(name)
        parts.append(f"## {name}")
        for public in module.__all__:
            thing = getattr(module, public)
            if callable(thing) and (name == "azc" or not _known_above(public, thing)):
                parts.append(f"::: {name}.{public}")
    return "\n\n".join(parts)


def _known_above(name: str, thing: object) -> bool:
    import azc

    return getattr(azc, name, None) is thing
