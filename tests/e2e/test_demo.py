"""`make demo` shows what it says."""

from __future__ import annotations

from tests.support.programs import REPOSITORY, run


def test_the_demo_runs_to_its_end_and_shows_the_main_road() -> None:
    shown = run(["sh", REPOSITORY / "demo/demo.sh"], check=True).stdout

    for expected in (
        "git add data/raw/",
        "301 files pushed",
        "301 files fetched and 300 files added",
        "Data and pipelines are up to date.",
        "1 file pushed",
        "train@32> python train.py 32 models/32",
        "because parameter 'train' of 'params.yaml' changed: {'rate': 0.8} -> {'rate': 0.2}",
        "metrics.json  accuracy.32",
    ):
        assert expected in shown, shown
    assert shown.rstrip().endswith("README.md goes on from here.\x1b[0m")
