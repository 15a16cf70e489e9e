"""An examination for a person at a terminal: the worst subject first, why, how to mend; what many share, told once.

bad-capability                                                              1 critical
  critical  No capabilities (all_capabilities_dropped)                        DRIFT
            a process has capabilities: httpd (811)
            mend: [Container] DropCapability=all
  passed 14, shared with most 1 (below)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from exporter.assess.examination import worst_first
from exporter.assess.priority import gravest_first
from exporter.present.findings.text import (
    BOLD,
    COLOURS,
    DIM,
    GREEN,
    MAGENTA,
    RED,
    YELLOW,
    Paper,
    count,
    waiver_in_words,
)
from exporter.report.examination import STARTING, Examination, Examined, SubjectKind
from exporter.report.findings import CheckInfo, Finding, Severity, Verdict, WaiverReport, WaiverState, last_day

_INDENT = 12
_FEWEST_SHARING = 3
_TELLING = (Verdict.FAIL, Verdict.UNKNOWN)
_NOUNS = {SubjectKind.CONTAINER: "container", SubjectKind.FILE: "file"}
_THE_HOST = "the host itself"
_Answer = tuple[str, Verdict, str]  # check, verdict, reason


def table(examination: Examination, paper: Paper) -> str:
    """The whole of it, with a line's end."""
    return "\n".join((*_Table(examination, paper).lines(), ""))


@dataclass(frozen=True, slots=True)
class _Shared:
    """One answer that most subjects have in common."""

    finding: Finding  # of the first of them
    details: tuple[tuple[str, str], ...]  # subject, detail


class _Table:
    def __init__(self, examination: Examination, paper: Paper) -> None:
        self._examination = examination
        self._paper = paper
        self._catalogue: Mapping[str, CheckInfo] = {check.id: check for check in examination.checks}
        self._judged = [subject for subject in worst_first(examination.subjects) if subject.findings]
        self._peers = [subject for subject in self._judged if subject.kind is not SubjectKind.HOST]
        self._shared = _shared_by_most(self._peers)

    def lines(self) -> Iterator[str]:
        ink = self._paper.ink
        what = self._examination.title
        yield from self._paper.lines(f"Bulkhead looked at {what}: {self._subjects_in_words()}." if what else "")
        flawless, only_shared, only_waived = [], [], []
        for subject in self._judged:
            told = [finding for verdict in _TELLING for finding in gravest_first(subject.findings, verdict)]
            own = [finding for finding in told if _answer(finding) not in self._shared]
            if own:
                yield ""
                yield from self._subject(subject, own, len(told) - len(own))
            elif told:
                only_shared.append(_name(subject))
            elif gravest_first(subject.findings, Verdict.WAIVED):
                only_waived.append(_name(subject))
            else:
                flawless.append(_name(subject))
        if self._shared:
            yield ""
            yield ink("Shared by most", BOLD)
            for shared in self._shared.values():
                yield from self._shared_finding(shared)
        yield from self._waived()
        yield from self._names("Nothing but what most share", only_shared, DIM)
        yield from self._names("Nothing but what is waived", only_waived, DIM)
        yield from self._names("Nothing found", flawless, GREEN)
        unjudged = self._unjudged()
        starting = [_name(one) for one in unjudged if one.state == STARTING]
        yield from self._names("Not judged yet, as it is starting", starting, DIM)
        idle = [f"{_name(one)} ({one.state})" if one.state else _name(one) for one in unjudged if one.state != STARTING]
        yield from self._names("Not judged, as nothing of it runs", idle, DIM)
        yield from self._sentences("Waivers to look at", _told_of(self._examination.waivers), YELLOW)
        problems = self._examination.problems
        yield from self._sentences("Could not be read, so that no verdict here is whole", problems, RED)
        yield ""
        yield from self._summary()

    def _subjects_in_words(self) -> str:
        kinds = Counter(subject.kind for subject in self._examination.subjects)
        words = [count(kinds[kind], noun) for kind, noun in _NOUNS.items() if kinds[kind]] or ["no container"]
        return " and ".join((*words, _THE_HOST) if kinds[SubjectKind.HOST] else words)

    def _unjudged(self) -> list[Examined]:
        return [subject for subject in self._examination.subjects if not subject.findings]

    def _subject(self, subject: Examined, own: list[Finding], shared: int) -> Iterator[str]:
        failures = Counter(finding.severity for finding in gravest_first(subject.findings, Verdict.FAIL))
        counted = [
            self._paper.ink(f"{failures[severity]} {severity}", COLOURS[severity])
            for severity in Severity
            if failures[severity]
        ]
        unknown = gravest_first(subject.findings, Verdict.UNKNOWN)
        if hidden := sum(finding.severity is Severity.CRITICAL for finding in unknown):
            counted.append(self._paper.ink(f"{hidden} critical unknown", MAGENTA))
        words = ", ".join(counted)
        name = next(self._paper.lines(_name(subject)))
        yield f"{self._paper.ink(name, BOLD)}  {words}".rstrip()
        places = dict(subject.places)
        for finding in own:
            if finding.outcome.verdict is Verdict.FAIL:
                place = places.get(finding.check)
                yield from self._finding(finding, f"{place.file}:{place.line}" if place else "")
        yield from self._unknown([finding for finding in own if finding.outcome.verdict is Verdict.UNKNOWN])
        yield from self._rest(subject, shared)

    def _finding(self, finding: Finding, place: str = "") -> Iterator[str]:
        check = self._catalogue.get(finding.check)
        yield self._heading(finding, check)
        outcome = finding.outcome
        because = f"{outcome.reason}: {outcome.detail}" if outcome.detail else outcome.reason
        yield from self._paper.lines(f"{because} ({place})" if place else because, _INDENT)
        if check is not None and outcome.verdict is Verdict.FAIL:
            yield from self._paper.lines(f"mend: {check.fix}", _INDENT)

    def _heading(self, finding: Finding, check: CheckInfo | None) -> str:
        ink = self._paper.ink
        failed = finding.outcome.verdict is not Verdict.UNKNOWN
        word = f"{finding.severity if failed else finding.outcome.verdict:<{_INDENT - 2}}"
        colour = COLOURS[finding.severity] if failed else MAGENTA
        title = f"{ink(check.title, BOLD)} ({finding.check})" if check else ink(finding.check, BOLD)
        drift = f"  {ink('DRIFT', MAGENTA)}" if finding.outcome.drift else ""
        return f"  {ink(word, colour)}{title}{drift}"

    def _unknown(self, findings: list[Finding]) -> Iterator[str]:
        """What could not be judged, by the reason: one source's silence is one line."""
        checks = defaultdict(list)
        for finding in findings:
            outcome = finding.outcome
            checks[f"{outcome.reason}: {outcome.detail}" if outcome.detail else outcome.reason].append(finding.check)
        for reason, ids in checks.items():
            yield from self._paper.lines(f"{reason} [{', '.join(ids)}]", _INDENT, "  unknown", MAGENTA)

    def _rest(self, subject: Examined, shared: int) -> Iterator[str]:
        verdicts = Counter(finding.outcome.verdict for finding in subject.findings)
        drifted = [
            finding.check
            for finding in subject.findings
            if finding.outcome.drift and finding.outcome.verdict not in _TELLING
        ]
        idle = [
            f"{finding.check} ({finding.outcome.reason})"
            for finding in subject.findings
            if finding.outcome.verdict is Verdict.NOT_APPLICABLE
        ]
        words = [f"{verdicts[Verdict.PASS]} pass"]
        if drifted:
            words.append(f"of which with DRIFT: {', '.join(drifted)}")
        if idle:
            words.append(f"not applicable: {', '.join(idle)}")
        waived = [finding.check for finding in gravest_first(subject.findings, Verdict.WAIVED)]
        if waived:
            words.append(f"waived, below: {', '.join(waived)}")
        if shared:
            words.append(f"{shared} shared by most, below")
        for line in self._paper.lines("; ".join(words), 2):
            yield self._paper.ink(line, DIM)

    def _shared_finding(self, shared: _Shared) -> Iterator[str]:
        finding = shared.finding
        check = self._catalogue.get(finding.check)
        yield f"{self._heading(finding, check)}  {self._paper.ink(f'on {len(shared.details)}', BOLD)}"
        details = {detail for _, detail in shared.details}
        if len(details) == 1:
            detail = f": {finding.outcome.detail}" if finding.outcome.detail else ""
            yield from self._paper.lines(finding.outcome.reason + detail, _INDENT)
            names = ", ".join(name for name, _ in shared.details)
            if len(shared.details) < len(self._peers):
                yield from self._paper.lines(names, _INDENT)
        else:
            yield from self._paper.lines(finding.outcome.reason, _INDENT)
            for name, detail in shared.details:
                yield from self._paper.lines(f"{name}: {detail}" if detail else name, _INDENT)
        if check is not None and finding.outcome.verdict is Verdict.FAIL:
            yield from self._paper.lines(f"mend: {check.fix}", _INDENT)

    def _waived(self) -> Iterator[str]:
        """What is accepted, by the waiver: one for many containers is told once."""
        accepted: dict[tuple[str, str, str], list[tuple[str, Finding]]] = defaultdict(list)
        for subject in self._judged:
            for finding in gravest_first(subject.findings, Verdict.WAIVED):
                told = (finding.check, finding.outcome.reason, waiver_in_words(finding))
                accepted[told].append((_name(subject), finding))
        if accepted:
            yield ""
            yield self._paper.ink("Waived", BOLD)
        for (check, reason, waiver), ones in accepted.items():
            yield self._heading(ones[0][1], self._catalogue.get(check))
            yield from self._paper.lines(reason, _INDENT)
            yield from self._paper.lines(f"waived {waiver}", _INDENT)
            yield from self._paper.lines(", ".join(name for name, _ in ones), _INDENT)

    def _names(self, heading: str, names: list[str], colour: str) -> Iterator[str]:
        if names:
            yield ""
            yield self._paper.ink(heading, BOLD, colour)
            yield from self._paper.lines(", ".join(names), 2)

    def _sentences(self, heading: str, sentences: tuple[str, ...], colour: str) -> Iterator[str]:
        if sentences:
            yield ""
            yield self._paper.ink(heading, BOLD, colour)
        for sentence in sentences:
            yield from self._paper.lines(sentence, 4, "  - ")

    def _summary(self) -> Iterator[str]:
        findings = [finding for subject in self._examination.subjects for finding in subject.findings]
        verdicts = Counter(finding.outcome.verdict for finding in findings)
        failures = Counter(finding.severity for finding in findings if finding.outcome.verdict is Verdict.FAIL)
        by_severity = ", ".join(f"{failures[severity]} {severity}" for severity in Severity)
        ink = self._paper.ink
        failed = ink(f"{verdicts[Verdict.FAIL]} fail", RED if verdicts[Verdict.FAIL] else GREEN)
        yield f"{self._subjects_in_words()}, {count(len(self._examination.checks), 'check')}: {failed} ({by_severity}),"
        others = (f"{verdicts[one]} {one.replace('_', ' ')}" for one in Verdict if one is not Verdict.FAIL)
        drift = sum(finding.outcome.drift for finding in findings)
        yield f"{', '.join(others)}; {drift} with DRIFT (declared and in force differ)"
        if verdicts[Verdict.FAIL] or verdicts[Verdict.UNKNOWN]:
            yield ink("bulkhead explain CHECK tells what, why and how to mend", DIM)


def _name(subject: Examined) -> str:
    return _THE_HOST if subject.kind is SubjectKind.HOST else subject.name


def _told_of(waivers: tuple[WaiverReport, ...]) -> tuple[str, ...]:
    """Those that accept nothing any more, or never did: over, misspelt, or for a container that is gone."""
    told = []
    for waiver in waivers:
        words = f"{waiver.check} of {waiver.container or _THE_HOST} ({waiver.reason})"
        if waiver.state is WaiverState.EXPIRED and waiver.ends_at_seconds is not None:
            told.append(f"expired, its last day was {last_day(waiver.ends_at_seconds)}: {words}")
        elif waiver.state is WaiverState.UNMATCHED:
            told.append(f"no container has such a name: {words}")
    return tuple(told)


def _answer(finding: Finding) -> _Answer:
    return finding.check, finding.outcome.verdict, finding.outcome.reason


def _shared_by_most(judged: list[Examined]) -> dict[_Answer, _Shared]:
    """Failures and unknowns that at least half of the subjects have, by their reason; gravest, then commonest first."""
    found: dict[_Answer, list[tuple[str, Finding]]] = defaultdict(list)
    for subject in judged:
        for verdict in _TELLING:
            for finding in gravest_first(subject.findings, verdict):
                found[_answer(finding)].append((subject.name, finding))
    most = max(_FEWEST_SHARING, len(judged) / 2)
    ordered = sorted(
        ((answer, ones) for answer, ones in found.items() if len(ones) >= most),
        key=lambda pair: (_TELLING.index(pair[0][1]), pair[1][0][1].severity.rank, -len(pair[1])),
    )
    return {
        answer: _Shared(ones[0][1], tuple((name, finding.outcome.detail) for name, finding in ones))
        for answer, ones in ordered
    }
