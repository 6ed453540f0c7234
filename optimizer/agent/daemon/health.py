"""`/healthz`, `/readyz` and `/metrics` on a loopback port: what an operator's tools ask, and no secret in any of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from optimizer.agent.daemon.seen import Seen
from optimizer.plan.office import Outcome

STALE: Final = timedelta(minutes=5)
"""A desk that has not looked for so long, and is not in the midst of a look, is taken to hang."""


class Watched(Protocol):
    """What is asked of a desk."""

    name: str
    seen: Seen

    def at_work(self, now: datetime) -> bool:
        """Whether it is in the midst of a look that does not last too long."""
        ...


def alive(desks: Sequence[Watched], now: datetime) -> dict[str, str]:
    """Return what is wrong with the loop itself, by portfolio; empty if all desks looked lately or are at work."""
    return {
        desk.name: "it has not looked yet"
        if desk.seen.at is None
        else f"its last look was at {desk.seen.at:%H:%M:%S} UTC"
        for desk in desks
        if (desk.seen.at is None or now - desk.seen.at > STALE) and not desk.at_work(now)
    }


def at_a_stand(desks: Sequence[Watched], now: datetime) -> dict[str, str]:
    """Return what is wrong with the loop as a whole: something if no desk looks any more, nothing while one does.

    A platform that hangs stops the portfolio that waits for it; to begin the process anew would stop all others, too.
    """
    wrong = alive(desks, now)
    return wrong if len(wrong) == len(desks) else {}


def ready(desks: Sequence[Watched], now: datetime) -> dict[str, str]:
    """Return what keeps portfolios from being served, by portfolio; empty if nothing does."""
    trouble = {desk.name: desk.seen.trouble for desk in desks if desk.seen.trouble}
    failed = {
        desk.name: f"{run.job} failed: {run.words}"
        for desk in desks
        for run in desk.seen.runs.values()
        if run.outcome is Outcome.FAILED and desk.seen.leading
    }
    return failed | trouble | alive(desks, now)


class Figures(Collector):
    """The desks' figures in Prometheus' terms, made anew at each scrape."""

    def __init__(self, desks: Sequence[Watched], now: Callable[[], datetime]) -> None:
        """Args: the desks, and what tells the time."""
        self._desks, self._now = desks, now

    def collect(self) -> Iterator[Metric]:
        """Yield one family after the other."""
        by_desk: tuple[tuple[str, str, Callable[[Seen], float]], ...] = (
            ("outlay_leading", "1 if this process leads", lambda seen: seen.leading),
            ("outlay_epoch", "Epoch of the newest lease", lambda seen: seen.leader.epoch if seen.leader else 0),
            ("outlay_paused", "1 if the kill switch is on", lambda seen: bool(seen.brake and seen.brake.on)),
            (
                "outlay_trouble",
                "1 if the last look failed or new settings were refused",
                lambda seen: bool(seen.trouble),
            ),
            ("outlay_open_writes", "Writes that are planned or being sent", lambda seen: seen.open_writes),
            ("outlay_unknown_writes", "Writes whose outcome is not known yet", lambda seen: seen.unknown_writes),
            (
                "outlay_unwritten_plans",
                "Plans that are approved and not written to their end",
                lambda seen: seen.unwritten,
            ),
            ("outlay_plan_failed", "1 if the newest plan that was approved ended in failure", lambda seen: seen.failed),
            ("outlay_waiting_approvals", "Proposals that wait for a person", lambda seen: len(seen.waiting)),
            ("outlay_oldest_approval_seconds", "Age of the oldest proposal that waits", self._oldest),
            ("outlay_look_age_seconds", "Seconds since the last look", self._age),
        )
        for name, words, figure in by_desk:
            family = GaugeMetricFamily(name, words, labels=["portfolio"])
            for desk in self._desks:
                family.add_metric([desk.name], float(figure(desk.seen)))
            yield family
        yield self._circuits()
        yield from self._jobs()
        yield self._findings()
        yield self._doubts()

    def _jobs(self) -> Iterator[Metric]:
        ended = GaugeMetricFamily(
            "outlay_job_ended_seconds", "When a job's last run ended", labels=["portfolio", "job"]
        )
        failed = GaugeMetricFamily("outlay_job_failed", "1 if a job's last run failed", labels=["portfolio", "job"])
        for desk in self._desks:
            for job, run in desk.seen.runs.items():
                failed.add_metric([desk.name, job], float(run.outcome is Outcome.FAILED))
                if run.ended_at is not None:
                    ended.add_metric([desk.name, job], run.ended_at.timestamp())
        yield ended
        yield failed

    def _circuits(self) -> Metric:
        words = "1 while the breaker of an account that fails is open"
        family = GaugeMetricFamily("outlay_circuit_open", words, labels=["portfolio", "account"])
        for desk in self._desks:
            for circuit in desk.seen.circuits:
                family.add_metric([desk.name, circuit.subject], 1.0)
        return family

    def _findings(self) -> Metric:
        words = "Findings of guards and checks on the proposals that wait"
        family = GaugeMetricFamily("outlay_findings", words, labels=["portfolio", "code", "severity"])
        for desk in self._desks:
            found = [f for record in desk.seen.waiting for f in record.recommendation.decision.findings]
            for code, severity in sorted({(f.code, f.severity.value) for f in found}):
                count = sum((f.code, f.severity.value) == (code, severity) for f in found)
                family.add_metric([desk.name, code, severity], count)
        return family

    def _doubts(self) -> Metric:
        words = "Accounts and clocks that are not believed"
        family = GaugeMetricFamily("outlay_doubts", words, labels=["portfolio", "code"])
        for desk in self._desks:
            for code in sorted({doubt.code for doubt in desk.seen.doubts}):
                family.add_metric([desk.name, code], sum(doubt.code == code for doubt in desk.seen.doubts))
        return family

    def _oldest(self, seen: Seen) -> float:
        made = [record.recommendation.created_at for record in seen.waiting]
        return (self._now() - min(made)).total_seconds() if made else 0.0

    def _age(self, seen: Seen) -> float:
        return float("inf") if seen.at is None else (self._now() - seen.at).total_seconds()


class Door:
    """A small HTTP server in a thread of its own.

    Attributes:
        port: The one that it listens on, also where 0 was asked for.
    """

    def __init__(self, address: str, desks: Sequence[Watched], now: Callable[[], datetime]) -> None:
        """Listen at once.

        Args:
            address: host:port.
            desks: What is told of.
            now: Tells the time.

        Raises:
            OSError: The port is taken, or the host is not this machine's.
        """
        host, _, port = address.rpartition(":")
        registry = CollectorRegistry()
        registry.register(Figures(desks, now))
        answers: dict[str, Callable[[], tuple[int, str, bytes]]] = {
            "/healthz": lambda: _plainly(at_a_stand(desks, now())),
            "/readyz": lambda: _plainly(ready(desks, now())),
            "/metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest(registry)),
        }
        self._server = ThreadingHTTPServer((host, int(port)), _handler(answers))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _plainly(wrong: dict[str, str]) -> tuple[int, str, bytes]:
    body = json.dumps({"well": not wrong, "wrong": wrong}, ensure_ascii=False).encode()
    return (503 if wrong else 200), "application/json", body


def _handler(answers: dict[str, Callable[[], tuple[int, str, bytes]]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers a GET of one of three paths."""

        def do_GET(self) -> None:
            """Answer."""
            answer = answers.get(self.path.partition("?")[0])
            code, kind, body = answer() if answer is not None else (404, "text/plain", b"not found\n")
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Say nothing: probes come every few seconds."""

    return Handler
