"""``report.html`` in a real browser, where there is one: it fits the window, and nothing in it runs."""

from __future__ import annotations

import html
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_puretalk.sandbox import make_fleet
from tests.browser import BROWSER
from tests.snapshots.report.reading import Page
from tests.snapshots.report.test_hostile_values import HOSTILE, everywhere

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")

#: A page that shows the report in frames of several widths, and writes down how wide the report is in each.
MEASURING = """<!DOCTYPE html><meta charset="utf-8"><title>nothing ran</title>
{frames}
<pre id="measured"></pre>
<script>
  window.alert = () => {{ document.title = "a script ran" }};
  window.onload = () => {{
    for (const frame of document.querySelectorAll("iframe")) {{
      const page = frame.contentDocument;
      const rows = [frame.width, page.documentElement.scrollWidth, page.title, page.querySelectorAll("h3").length];
      document.getElementById("measured").append(rows.join("|") + "\\n");
    }}
  }};
</script>
"""


@pytest.mark.long
def test_report_fits_every_window_and_runs_nothing(report: Callable[..., Page], tmp_path: Path) -> None:
    """No window from 320 to 1,280 pixels has to be scrolled sideways, and no hostile value is executed."""
    fleet = make_fleet(24, seed=5)
    baseline = [*fleet[:16], *(everywhere(value, one) for value, one in zip(HOSTILE, fleet[16:], strict=False))]
    current = [*(everywhere(value, one) for value, one in zip(HOSTILE, fleet[:8], strict=False)), *fleet[8:16]]
    current[9]["prompt"] = "longword" * 500
    current[10]["name"] = "x" * 300
    current[11]["phone_number"] = current[12]["phone_number"] = "+1 415 555 0100"
    page = report(baseline, current)
    rows = measured(page, tmp_path)
    headings = str(len(list(page.top.all("h3"))))
    for width, needed, title, count in rows:
        assert int(needed) <= int(width)
        assert title.startswith("puretalk_default: what changed")
        assert count == headings  # The browser takes the page apart as we do.


def measured(page: Page, folder: Path) -> list[list[str]]:
    """Show a page in windows of four widths; return of each its width, that of the page, its title, and its headings."""
    source = html.escape(page.data.decode())
    frames = "\n".join(
        f'<iframe width="{width}" height="600" srcdoc="{source}"></iframe>' for width in (320, 360, 800, 1280)
    )
    (folder / "measuring.html").write_text(MEASURING.format(frames=frames), encoding="utf-8")
    dom = browse(folder / "measuring.html", folder / "profile")
    assert "<title>nothing ran</title>" in dom
    found = re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)
    assert found
    rows = [row.split("|") for row in found[1].strip().splitlines()]
    assert [int(row[0]) for row in rows] == [320, 360, 800, 1280]
    return rows


def browse(page: Path, profile: Path) -> str:
    """Return what a browser made of a page, after it was loaded."""
    command = [
        str(BROWSER),
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
        *("--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"),
        *("--dump-dom", page.as_uri()),
    ]
    return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout.decode()
