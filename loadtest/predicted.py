"""The part of a report that puts a prediction beside what was measured."""

from html import escape
from pathlib import Path

from api.core import JsonObject
from loadtest.bundle import read_json
from loadtest.page import table

FILE = "prediction.json"


def prediction_section(directory: Path) -> str:
    """HTML; empty for a run that nobody predicted. Errors: BundleError."""
    if not (directory / FILE).exists():
        return ""
    found: JsonObject = read_json(directory, FILE)
    rows = [
        [
            escape(figure["name"]),
            f"{figure['measured']:.4g}",
            f"{figure['predicted']:.4g}",
            f"{figure['error_share']:.0%}",
        ]
        for figure in found["figures"]
    ]
    return (
        f"<p>{escape(prediction_text(found))}</p>"
        + table(["Figure", "Measured", "Predicted (simulated)", "Error"], rows)
        + (
            "<p class=note>The same campaign and seed in virtual time, with the service times of a "
            f"profile calibrated by {escape(str(found['calibrated_by']))}. CPU counts what the "
            "profile says of idle programs, latencies what real time added to virtual ones when it "
            f"was made{_phases(found)}.</p>"
        )
    )


def _phases(found: JsonObject) -> str:
    """What the machine was busy with beside the two."""
    load = found.get("load_average", {})
    if load.get("calibrated") is None:
        return ""
    return f"; load average {load['calibrated']:.1f} then, {load['measured']:.1f} now"


def prediction_text(found: JsonObject) -> str:
    """One sentence."""
    medians = found["median_error_share"]
    parts = [
        f"{medians[key]:.0%} {text}"
        for key, text in (("all", "over all figures"), ("cpu", "of CPU"), ("other", "of the rest"))
        if medians[key] is not None
    ]
    if not parts:
        return "Nothing that was predicted was measured."
    doubt = "" if found["valid"] else " The real run is not valid, so this says little."
    return "Median error of the prediction: " + ", ".join(parts) + "." + doubt
