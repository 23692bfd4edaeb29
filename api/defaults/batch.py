"""Defaults of Jobs and CronJobs.

Source: pkg/apis/batch/v1/defaults.go of Kubernetes 1.36.
"""

from api.core import JsonObject
from api.defaults.podtemplate import set_pod_spec_defaults

BACKOFF_LIMIT = 6
UNLIMITED = 2**31 - 1


def set_job_defaults(job: JsonObject) -> None:
    """In place. A Job without any count runs one pod once."""
    spec = job["spec"]
    put = spec.setdefault
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = spec["parallelism"] = 1
    put("parallelism", 1)
    put("backoffLimit", UNLIMITED if "backoffLimitPerIndex" in spec else BACKOFF_LIMIT)
    labels = spec["template"]["metadata"].get("labels")
    if labels:
        job["metadata"].setdefault("labels", dict(labels))
    put("completionMode", "NonIndexed")
    put("suspend", False)
    put("manualSelector", False)
    put("podReplacementPolicy", _replacement(spec))
    policy = spec.get("podFailurePolicy")
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern["status"] = pattern.get("status") or "True"
    set_pod_spec_defaults(spec["template"]["spec"])


def _replacement(spec: JsonObject) -> str:
    return "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"


def set_cron_job_defaults(cron_job: JsonObject) -> None:
    """In place. The template of its Jobs gets only the defaults of pods."""
    spec = cron_job["spec"]
    put = spec.setdefault
    spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
    put("suspend", False)
    put("successfulJobsHistoryLimit", 3)
    put("failedJobsHistoryLimit", 1)
    set_pod_spec_defaults(spec["jobTemplate"]["spec"]["template"]["spec"])
