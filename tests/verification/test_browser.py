"""The report in a real browser: a headless Chromium lays it out, and tells what it sees."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (360, 820, 1280)  # a phone, a tablet, a screen
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=30000"),
    *("--disable-quic", "--disable-sync", "--disable-background-networking"),
    *("--no-first-run", "--disable-component-update"),
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

# The report shall need no script; this one stands in a page around it, and measures.
MEASURE = """<!doctype html><body>
<iframe src="report.html" style="border:0;width:WIDTHpx;height:900px"></iframe>
<script>
function luminance(colour) {
  const [r, g, b] = colour.map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
const numbers = text => text.match(/[\\d.]+/g).map(Number);
addEventListener('load', () => {
  const frame = document.querySelector('iframe'), page = frame.contentDocument;
  const view = frame.contentWindow, style = e => view.getComputedStyle(e);
  const closed = [...page.querySelectorAll('details')].filter(e => !e.open).length;
  page.querySelectorAll('details').forEach(e => e.open = true);
  const background = e => {
    for (; e; e = e.parentElement) {
      const colour = numbers(style(e).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const texts = [...page.querySelectorAll('body *')].filter(e => !e.closest('svg') &&
      [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
  const pale = texts.filter(
      e => contrast(numbers(style(e).color).slice(0, 3), background(e)) < 4.5);
  const width = page.documentElement.clientWidth;
  const scrolls = e => {
    for (; e; e = e.parentElement) if (/auto|scroll/.test(style(e).overflowX)) return true;
    return false;
  };
  const wide = texts.filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e));
  const shape = e => e.getBoundingClientRect();
  const found = {
    dark: view.matchMedia('(prefers-color-scheme: dark)').matches,
    scroll: page.documentElement.scrollWidth - width,
    closed, texts: texts.length,
    pale: pale.slice(0, 5).map(e => e.outerHTML.slice(0, 200)),
    wide: wide.slice(0, 5).map(e => e.outerHTML.slice(0, 200)),
    smallest: Math.min(...texts.filter(e => !e.closest('math')).map(
        e => parseFloat(style(e).fontSize))),
    formulas: page.querySelectorAll('math').length,
    flat: [...page.querySelectorAll('math')].filter(e => shape(e).height < 5).length,
    drawings: [...page.querySelectorAll('svg')].map(e => [shape(e).width, shape(e).height]),
    scripts: page.querySelectorAll('script').length,
    fetched: view.performance.getEntriesByType('resource').map(e => e.name),
    broken: [...page.querySelectorAll('a[href^="#"]')].map(
        a => decodeURIComponent(a.getAttribute('href').slice(1))).filter(
        id => !page.getElementById(id)),
    contents: page.querySelectorAll('nav a[href^="#"]').length,
  };
  document.body.innerHTML = '<pre></pre>';
  document.querySelector('pre').textContent = JSON.stringify(found);
});
</script>"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serves the committed report and the page around it, on this machine alone."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "derivations" / "report.html", folder / "report.html")
    for width in WIDTHS:
        (folder / f"{width}.html").write_text(MEASURE.replace("WIDTH", str(width)))
    handler = partial(_Silent, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """No line for each request."""


def seen(address: str, width: int, dark: bool, folder: Path) -> dict[str, Any]:
    assert CHROMIUM is not None
    mode = ["--force-dark-mode"] if dark else []
    result = subprocess.run(
        [CHROMIUM, *QUIET, *mode, f"--user-data-dir={folder}", "--dump-dom",
         f"{address}/{width}.html"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    (text,) = re.findall(r"<pre>(.*)</pre>", result.stdout, re.DOTALL)
    found: dict[str, Any] = json.loads(html.unescape(text))
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_can_be_read(address: str, width: int, dark: bool, tmp_path: Path) -> None:
    found = seen(address, width, dark, tmp_path)
    assert found["dark"] is dark
    assert found["scroll"] == 0  # the page itself never scrolls sideways
    assert found["wide"] == []  # what is too wide stands in a box that scrolls
    assert found["texts"] > 1000
    assert found["pale"] == []  # WCAG AA: 4.5 between text and ground
    assert found["smallest"] >= 12
    assert found["formulas"] > 400
    assert found["flat"] == 0
    assert found["drawings"]
    assert all(w > 200 and h > 100 for w, h in found["drawings"])


def test_the_report_stands_alone(address: str, tmp_path: Path) -> None:
    found = seen(address, WIDTHS[0], False, tmp_path)
    assert found["scripts"] == 0
    assert found["fetched"] == []
    assert found["broken"] == []
    assert found["contents"] > 7  # a line for each source at least
    assert found["closed"] > 50  # derivations are folded until they are asked for
