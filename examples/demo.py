"""The main job on real data: weekly CO₂ at Mauna Loa, a year ahead, ending in a report to open.

Run it with `make demo`. The data comes with statsmodels (NOAA, 1958 to 2001, with its gaps).
"""

from pathlib import Path

from rich.console import Console
from statsmodels.datasets import co2

from cellstate import Forecaster, TrainConfig
from cellstate.inspector import print_story, write_page

HORIZON = 52  # weeks
HELD_OUT = 3 * HORIZON
REPORT = Path("demo/report.html")


def main() -> None:
    """Fit on all but the last three years, score on them, write the report."""
    frame = co2.load_pandas().data.rename_axis("ds").rename(columns={"co2": "y"}).reset_index()
    frame = frame.assign(unique_id="CO₂ at Mauna Loa, ppm")
    console = Console()
    console.print(f"[bold]{len(frame):,} weeks of CO₂[/bold], {frame.y.isna().sum()} missing")

    forecaster = Forecaster(HORIZON, random_state=0, train=TrainConfig(progress=True))
    forecaster.fit(frame[:-HELD_OUT])
    story = forecaster.story(frame[-HELD_OUT:])  # scored on three years that it has not seen
    print_story(story, console)

    REPORT.parent.mkdir(exist_ok=True)
    write_page(story, REPORT)
    console.print(f"\nOpen the report: [bold]{REPORT.resolve().as_uri()}[/bold]", soft_wrap=True)


if __name__ == "__main__":
    main()
