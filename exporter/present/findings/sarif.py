"""An examination as SARIF 2.1.0 (OASIS), for code scanning: what fails, and what could not be judged.

A failure has kind "fail" and a level; what is unknown has kind "open", whose level must be "none" (3.27.9).
A waived failure is one with a suppression; then every result says whether it has any (3.27.23).
What passes or does not apply is left out: readers that know no kinds show every result as an alert.
A container and the host are logical locations; what lint finds is a physical one, of a file and a line.
"""

from __future__ import annotations

import hashlib
import json
from string import ascii_letters, digits

from exporter.assess.examination import worst_first
from exporter.present.findings.text import waiver_in_words
from exporter.present.untrusted import bounded
from exporter.report.examination import Examination, Examined
from exporter.report.findings import CheckInfo, Finding, Severity, Verdict

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_HOME = "https://github.com/bulkhead-exporter/bulkhead"
_LEVELS = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
# What GitHub sorts security alerts by: over 9.0 is critical, over 4.0 medium, else low.
_SCORES = {Severity.CRITICAL: "9.5", Severity.WARNING: "5.0", Severity.INFO: "2.0"}
_KINDS = {Verdict.FAIL: "fail", Verdict.UNKNOWN: "open", Verdict.WAIVED: "fail"}
_PLAIN_IN_URI = frozenset(ascii_letters + digits + "-._~/")


def sarif(examination: Examination, product_version: str) -> str:
    """One log with one run, with a line's end."""
    index_of_rule = {check.id: index for index, check in enumerate(examination.checks)}
    results = [
        (_result(subject, finding, index_of_rule.get(finding.check, -1)), _suppressions(finding))
        for subject in worst_first(examination.subjects)
        for finding in subject.findings
        if finding.outcome.verdict in _KINDS
    ]
    if any(suppressions for _, suppressions in results):
        for result, suppressions in results:
            result["suppressions"] = suppressions
    run = {
        "tool": {
            "driver": {
                "name": "Bulkhead",
                "version": product_version,
                "informationUri": _HOME,
                "rules": [_rule(check) for check in examination.checks],
            }
        },
        "automationDetails": {"id": f"bulkhead/{bounded(examination.title)}/"},
        "invocations": [_invocation(examination)],
        "columnKind": "unicodeCodePoints",
        "results": [result for result, _ in results],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(check: CheckInfo) -> dict[str, object]:
    references = "; ".join(check.references)
    if check.is_of_host:
        mend, marked, of = f"Host: {check.fix_host}", f"- Host: {check.fix_host}", "host"
    else:
        mend = f"Quadlet: {check.fix_quadlet}\npodman: {check.fix_podman}"
        marked, of = f"- Quadlet: `{check.fix_quadlet}`\n- podman: `{check.fix_podman}`", "containers"
    return {
        "id": check.id,
        "name": "".join(word.capitalize() for word in check.id.split("_")),
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": check.why},
        "help": {
            "text": f"{check.why}\n\n{mend}\n\nReferences: {references}",
            "markdown": f"{check.why}\n\n{marked}\n\nReferences: {references}",
        },
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {"tags": ["security", of], "security-severity": _SCORES[check.severity]},
    }


def _invocation(examination: Examination) -> dict[str, object]:
    return {
        "executionSuccessful": not examination.problems,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": bounded(problem)}} for problem in examination.problems
        ],
    }


def _result(subject: Examined, finding: Finding, rule_index: int) -> dict[str, object]:
    outcome = finding.outcome
    words = [f"{subject.name}: {outcome.reason}", outcome.detail]
    if outcome.drift:
        words.append("declared and in force differ")
    return {
        "ruleId": finding.check,
        "ruleIndex": rule_index,
        "kind": _KINDS[outcome.verdict],
        "level": "none" if outcome.verdict is Verdict.UNKNOWN else _LEVELS[finding.severity],
        "message": {"text": "; ".join(bounded(word) for word in words if word)},
        "locations": [_location(subject, finding)],
        "partialFingerprints": {"subjectAndCheck/v1": _fingerprint(subject, finding)},
        "properties": {"severity": finding.severity.value, "drift": outcome.drift},
    }


def _suppressions(finding: Finding) -> list[dict[str, str]]:
    if finding.outcome.verdict is not Verdict.WAIVED:
        return []
    return [{"kind": "external", "justification": bounded(waiver_in_words(finding))}]


def _location(subject: Examined, finding: Finding) -> dict[str, object]:
    place = dict(subject.places).get(finding.check)
    if place is not None:
        where = {"artifactLocation": {"uri": _uri(place.file)}, "region": {"startLine": place.line}}
        return {"physicalLocation": where}
    if subject.file:
        return {"physicalLocation": {"artifactLocation": {"uri": _uri(subject.file)}}}
    name = bounded(subject.name)
    kind = subject.kind.value
    return {"logicalLocations": [{"name": name, "fullyQualifiedName": f"{kind}/{name}", "kind": kind}]}


def _uri(path: str) -> str:
    """The path as a URI reference (RFC 3986): absolute ones with their scheme."""
    raw = path.encode("utf-8", "surrogateescape")
    quoted = "".join(chr(byte) if chr(byte) in _PLAIN_IN_URI else f"%{byte:02X}" for byte in raw)
    return f"file://{quoted}" if path.startswith("/") else quoted


def _fingerprint(subject: Examined, finding: Finding) -> str:
    """The same for the same check on the same subject, whatever the reason, the line or the order."""
    parts = (subject.kind.value, subject.file or subject.name, finding.check)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
