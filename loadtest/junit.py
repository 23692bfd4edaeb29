"""junit.xml: a test case per SLO, and one for the validity of the run."""

import xml.etree.ElementTree as ET

from loadtest.summary import Summary


def junit_xml(summary: Summary) -> str:
    """Suite "hollowfleet"; FAIL is a failure, NO DATA and INFO are skipped, an invalid or partial
    run is an error."""
    mark = " (simulated)" if summary.state.simulated else ""
    suite = ET.Element("testsuite", name=f"hollowfleet{mark}")
    cases = len(summary.verdicts) + 1
    failures = sum(v.result == "FAIL" for v in summary.verdicts)
    skipped = sum(v.result in ("NO DATA", "INFO") for v in summary.verdicts)
    errors = int(summary.stamp != "VALID")
    for key, number in (
        ("tests", cases),
        ("failures", failures),
        ("errors", errors),
        ("skipped", skipped),
    ):
        suite.set(key, str(number))
    suite.set("time", f"{summary.state.load_s:.3f}")
    suite.set("timestamp", summary.state.started)
    name = summary.campaign["campaign"]["name"]
    validity = ET.SubElement(suite, "testcase", classname=name, name=f"The run is valid{mark}")
    if errors:
        error = ET.SubElement(validity, "error", message=summary.stamp)
        error.text = "\n".join(summary.reasons)
    for verdict in summary.verdicts:
        case = ET.SubElement(suite, "testcase", classname=name, name=f"{verdict.sli}{mark}")
        text = verdict_text(verdict.measured, verdict.unit)
        limit = verdict_text(verdict.threshold, verdict.unit)
        if verdict.result == "FAIL":
            failure = ET.SubElement(case, "failure", message=f"{text} above {limit}")
            failure.text = verdict.worst
        elif verdict.result in ("NO DATA", "INFO"):
            ET.SubElement(case, "skipped", message=f"{verdict.result}: {text}")
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def verdict_text(value: float | None, unit: str) -> str:
    """A measured value for people: "12.3 ms", "1.2 s", "0.5 %"."""
    if value is None:
        return "–"
    if unit == "share":
        return f"{value * 100:.3g} %"
    if value >= 1:
        return f"{value:.3g} s"
    return f"{value * 1e3:.3g} ms"
