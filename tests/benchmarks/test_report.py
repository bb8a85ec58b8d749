"""docs/performance.md is what the renderer makes of what was measured, and leaves nothing out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.results import Bar, Found, write

from benchmarks import report

SECTION = {"title": "The full scan", "measured": "2026-01-02", "took_s": 1.5, "machine": "one"}
WHERE = {"volume": "ext4", "load_before": "0.1", "load_after": "0.2", "sizes": {}}


@pytest.fixture
def measured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(report.MEASURED.read_text(encoding="utf-8"))
    return found


def test_the_document_is_made_from_what_is_checked_in(measured: dict[str, Any]) -> None:
    assert report.DOCUMENT.read_text(encoding="utf-8") == report.render(measured)


def test_each_bar_has_a_row_and_each_section_is_there(measured: dict[str, Any]) -> None:
    text = report.render(measured)
    for bar in report.BARS:
        assert f"\n| {bar} |" in text
    assert set(measured) == set(report.ORDER), "measure what is missing with ./dev bench --resume"


def test_what_was_not_measured_says_so() -> None:
    text = report.render({})
    assert text.count("not measured |") == len(report.BARS)
    assert text.count("Not measured.") == len(report.ORDER)


def test_results_become_a_document_without_measuring_again(tmp_path: Path) -> None:
    found = Found(bars=[Bar(3, "one / other", 1.5, False, 1.25, 1.1, 1.4)])
    found.samples["one"] = {"ms": [1.0, 2.0, 3.0]}
    found.show("Figures (ms)", ["one", "nobody"])
    write(tmp_path / "scan.json", {"section": "scan", **SECTION, **WHERE}, found)
    for _ in range(2):
        report.write(tmp_path, tmp_path / "page.md", tmp_path / "measured.json")
        text = (tmp_path / "page.md").read_text(encoding="utf-8")
        assert "| 3 | one / other | ≤ 1.50 | 1.25 (1.10 … 1.40) | yes |" in text
        assert "| one | 2.00 | 1.50 … 2.50 | 1.00 | 3 |" in text
        assert "| nobody | not measured |" in text
        assert "Load before: 0.1; after: 0.2" in text
    assert "samples" not in (tmp_path / "measured.json").read_text(encoding="utf-8")
