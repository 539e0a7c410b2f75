"""The page in a browser, where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from azc.report.page import page
from azc.report.scores import measured

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]

#: Shows the page on a phone and on a desktop, and writes what there is to know into itself.
FRAMES = """<!DOCTYPE html><title>frames</title><body>
<iframe src="page.html" style="width:390px;height:800px"></iframe>
<iframe src="page.html" style="width:1280px;height:800px"></iframe>
<script>
addEventListener("load", () => {
  document.title = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument.documentElement;
    const pictures = [...frame.contentDocument.querySelectorAll("svg")];
    const seen = pictures.filter(picture => picture.getBoundingClientRect().width > 0);
    return [page.scrollWidth <= frame.clientWidth, seen.length, pictures.length,
            frame.contentWindow.getComputedStyle(page.querySelector("body")).backgroundColor];
  }).join(";");
});
</script>"""


def look(folder, scheme):
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
         f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr",
         f"--blink-settings=preferredColorScheme={scheme}", "--dump-dom",
         (folder / "frames.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    return [entry.split(",", 3) for entry in title[1].split(";")]


def test_it_fits_phones_and_desktops_by_day_and_by_night(run, tmp_path):
    (tmp_path / "page.html").write_text(page([run], measured(run, tasks=2)), encoding="utf-8")
    (tmp_path / "frames.html").write_text(FRAMES, encoding="utf-8")
    grounds = []
    for scheme in (1, 0):
        for fits, seen, pictures, ground in look(tmp_path, scheme):
            assert fits == "true"
            # Of the two sizes of each figure, one.
            assert 2 * int(seen) == int(pictures)
            grounds.append(ground)
    assert len(set(grounds)) == 2
