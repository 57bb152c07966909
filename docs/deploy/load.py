"""Sandboxes that send results: one connection each, at a steady rate, in one process.

A result is sent until it is acknowledged: after a refused connection, an interrupted one, or an answer 429, 502, 503
or 504 the same bytes are sent again, and the service stores them once.
"""

from __future__ import annotations

import heapq
import json
import random
import re
import resource
import select
import socket
import ssl
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

#: Answers after which the same request is sent again.
RETRYABLE = (429, 502, 503, 504)

#: How long a connection is tried again before the load fails.
DEADLINE_SECONDS = 120.0


#: How many requests are sent before answers are read again.
BATCH = 32


class LoadError(Exception):
    """A result that was refused, or was not acknowledged in time."""


@dataclass
class Target:
    """The address of the service, or of a proxy before it."""

    host: str
    port: int
    token: str
    tls: ssl.SSLContext | None = None
    server_name: str = "localhost"

    def connect(self) -> socket.socket:
        connection = socket.create_connection((self.host, self.port), timeout=5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_hostname=self.server_name)
        connection.setblocking(False)
        return connection

    def url(self, path: str) -> str:
        return f"{'https' if self.tls else 'http'}://{self.server_name if self.tls else self.host}:{self.port}{path}"

    def start_simulation(self, simulation_id: str) -> None:
        body = json.dumps({"simulation_id": simulation_id, "scenarios": []}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.url("/v1/simulations"), body, headers)
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.tls:
            handlers.append(urllib.request.HTTPSHandler(context=self.tls))
        with urllib.request.build_opener(*handlers).open(request, timeout=30) as answer:
            answer.read()


@dataclass
class Report:
    """The outcome of a load."""

    #: The name of the load, with which its scenarios begin.
    name: str
    acknowledged: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    #: Requests that were sent again, by the reason.
    sent_again: Counter[str] = field(default_factory=Counter)
    #: The acknowledged scenarios.
    scenarios: list[str] = field(default_factory=list)
    seconds: float = 0.0
    #: From the first try to the acknowledgement, in seconds.
    latencies: list[float] = field(default_factory=list)
    #: How late a request was sent, because this process was busy, in seconds.
    latest_start: float = 0.0
    processor_seconds: float = 0.0

    def latency(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

    def __str__(self) -> str:
        rate = self.acknowledged / self.seconds if self.seconds else 0
        again = ", ".join(f"{count} × {reason}" for reason, count in sorted(self.sent_again.items())) or "none"
        return (
            f"{self.acknowledged} acknowledged in {self.seconds:.1f} s ({rate:.0f}/s), {dict(self.verdicts)}, "
            f"latency p50 {self.latency(0.5) * 1000:.0f} ms, p99 {self.latency(0.99) * 1000:.0f} ms, "
            f"max {self.latency(1) * 1000:.0f} ms, sent again: {again}"
        )


class Sandbox:
    """One connection, and the result that it is sending."""

    def __init__(self, number: int, simulation_id: str) -> None:
        self.number = number
        self.simulation_id = simulation_id
        self.socket: socket.socket | None = None
        self.received = bytearray()
        self.request: bytes | None = None
        self.unsent: memoryview | None = None
        self.scenario = ""
        self.results = 0
        #: How often the current result was sent without an acknowledgement.
        self.tries = 0
        self.due = 0.0
        #: Whether the time of its next request is known. It has no request in progress then.
        self.scheduled = False
        self.first_sent = 0.0


class Load:
    """Sends results from many sandboxes until it is stopped, then until all of them are acknowledged."""

    def __init__(
        self,
        target: Target,
        simulations: list[str],
        connections: int,
        seconds_between: float,
        name: str = "run",
        result_bytes: int = 1024,
    ) -> None:
        self.target = target
        self.seconds_between = seconds_between
        self.name = name
        # Random, so that the database cannot compress it.
        self.filler = random.randbytes(max(0, result_bytes - 200) // 2).hex()
        self.report = Report(name)
        self.sandboxes = [Sandbox(number, simulations[number % len(simulations)]) for number in range(connections)]
        self.by_file: dict[int, Sandbox] = {}
        self.poll = select.epoll()
        self.due: list[tuple[float, int]] = []
        self.stopping = threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Load:
        for sandbox in self.sandboxes:
            self._connect(sandbox)
        now = time.monotonic()
        for sandbox in self.sandboxes:
            # Spread over the first interval, as sandboxes that start at different moments are.
            sandbox.due = now + random.random() * max(self.seconds_between, 1.0)
            self._schedule(sandbox, sandbox.due)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> Report:
        """Sends no further results, waits for the acknowledgements, and returns the report."""
        self.stopping.set()
        self.thread.join()
        if self.error:
            raise self.error
        return self.report

    def wait(self, until: Callable[[Report], bool], seconds: float) -> None:
        """Waits until the report satisfies a condition."""
        deadline = time.monotonic() + seconds
        while not until(self.report):
            if self.error:
                raise self.error
            if time.monotonic() > deadline:
                raise LoadError(f"not reached within {seconds} s: {self.report}")
            time.sleep(0.05)

    def _run(self) -> None:
        started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_THREAD)
        try:
            while self._step():
                pass
        except BaseException as error:
            # Raised in the thread that stops the load.
            self.error = error
        after = resource.getrusage(resource.RUSAGE_THREAD)
        self.report.processor_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.report.seconds = time.monotonic() - started
        for sandbox in self.sandboxes:
            if sandbox.socket:
                sandbox.socket.close()
        self.poll.close()

    def _step(self) -> bool:
        now = time.monotonic()
        stopping = self.stopping.is_set()
        if stopping and not any(sandbox.request for sandbox in self.sandboxes):
            return False
        for _ in range(BATCH):
            if not self.due or self.due[0][0] > now:
                break
            due, number = heapq.heappop(self.due)
            sandbox = self.sandboxes[number]
            sandbox.scheduled = False
            if sandbox.request is None:
                if stopping:
                    continue
                self._next_result(sandbox, now)
                self.report.latest_start = max(self.report.latest_start, now - due)
            self._send(sandbox)
        wait = min(0.05, max(0.0, self.due[0][0] - time.monotonic())) if self.due else 0.05
        for file, _ in self.poll.poll(wait):
            if found := self.by_file.get(file):
                self._progress(found)
        return True

    def _next_result(self, sandbox: Sandbox, now: float) -> None:
        sandbox.results += 1
        sandbox.scenario = f"{self.name}-{sandbox.number}-{sandbox.results}"
        sandbox.first_sent = now
        sandbox.tries = 0
        body = json.dumps(
            {
                "scenario": {"id": sandbox.scenario, "task_prompt": self.filler},
                "trajectory": {"status": "success", "execution_time_seconds": 1.5},
                "reliability_score": 1,
            }
        )
        sandbox.request = (
            f"POST /v1/simulations/{sandbox.simulation_id}/outcomes HTTP/1.1\r\nHost: {self.target.server_name}\r\n"
            f"Authorization: Bearer {self.target.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _send(self, sandbox: Sandbox) -> None:
        assert sandbox.request
        try:
            self._connect(sandbox)
        except OSError as error:
            self._again(sandbox, type(error).__name__)
            return
        sandbox.unsent = memoryview(sandbox.request)
        self._write(sandbox)

    def _connect(self, sandbox: Sandbox) -> None:
        if sandbox.socket is None:
            sandbox.socket = self.target.connect()
            self.by_file[sandbox.socket.fileno()] = sandbox
            self.poll.register(sandbox.socket, select.EPOLLIN)

    def _write(self, sandbox: Sandbox) -> None:
        assert sandbox.socket
        try:
            while sandbox.unsent:
                sandbox.unsent = sandbox.unsent[sandbox.socket.send(sandbox.unsent) :]
            self.poll.modify(sandbox.socket, select.EPOLLIN)
        except (BlockingIOError, ssl.SSLWantWriteError):
            self.poll.modify(sandbox.socket, select.EPOLLIN | select.EPOLLOUT)
        except OSError as error:
            self._disconnected(sandbox, type(error).__name__)

    def _progress(self, sandbox: Sandbox) -> None:
        assert sandbox.socket
        if sandbox.unsent:
            self._write(sandbox)
        try:
            while sandbox.socket:
                part = sandbox.socket.recv(65536)
                if not part:
                    self._disconnected(sandbox, "closed")
                    return
                sandbox.received += part
                if not isinstance(sandbox.socket, ssl.SSLSocket):
                    break
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            self._disconnected(sandbox, type(error).__name__)
            return
        self._answered(sandbox)

    def _answered(self, sandbox: Sandbox) -> None:
        end = sandbox.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(sandbox.received[:end]).decode("latin-1").lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        if "content-length" in headers:
            body_end = end + 4 + int(headers["content-length"])
            if len(sandbox.received) < body_end:
                return
            body = bytes(sandbox.received[end + 4 : body_end])
        elif headers.get("transfer-encoding") == "chunked":
            # The answer to one result is short; the last chunk ends it.
            if not sandbox.received.endswith(b"0\r\n\r\n"):
                return
            body_end = len(sandbox.received)
            body = b"".join(bytes(sandbox.received[end + 4 :]).split(b"\r\n")[1::2])
        else:
            raise LoadError(f"an answer without a length: {head}")
        del sandbox.received[:body_end]
        status = int(head.split(" ", 2)[1])
        closing = headers.get("connection") == "close"
        if sandbox.request is None:
            # An answer that no request has asked for, such as 408 before the service closes an idle connection.
            self._disconnected(sandbox, "idle")
            return
        if status in RETRYABLE:
            code = re.search(rb'"detail":"([^"]*)"', body)
            reason = f"{status} {code[1].decode()}" if code else str(status)
            self._again(sandbox, reason, float(headers.get("retry-after", 0)))
        elif status in (200, 202):
            verdict = json.loads(body)["verdict"]
            if verdict not in ("stored", "duplicate", "spooled"):
                raise LoadError(f"{sandbox.scenario}: {body.decode()}")
            now = time.monotonic()
            self.report.acknowledged += 1
            self.report.verdicts[verdict] += 1
            self.report.scenarios.append(sandbox.scenario)
            self.report.latencies.append(now - sandbox.first_sent)
            sandbox.request = None
            # A steady rate: a late answer does not move the results after the next.
            sandbox.due = max(sandbox.due + self.seconds_between, now)
            self._schedule(sandbox, sandbox.due)
        else:
            raise LoadError(f"{sandbox.scenario}: {status} {body.decode()}")
        if closing:
            self._close(sandbox)

    def _again(self, sandbox: Sandbox, reason: str, least_wait: float = 0.0) -> None:
        now = time.monotonic()
        sandbox.tries += 1
        if now - sandbox.first_sent > DEADLINE_SECONDS:
            raise LoadError(f"{sandbox.scenario} was not acknowledged within {DEADLINE_SECONDS} s: {reason}")
        # A connection can end while its sandbox waits after a refusal: the request is sent once more, not twice.
        if not sandbox.scheduled:
            self.report.sent_again[reason] += 1
            wait = max(least_wait, min(5.0, 0.1 * 2**sandbox.tries))
            self._schedule(sandbox, now + wait * (0.5 + random.random()))

    def _schedule(self, sandbox: Sandbox, due: float) -> None:
        sandbox.scheduled = True
        heapq.heappush(self.due, (due, sandbox.number))

    def _close(self, sandbox: Sandbox) -> None:
        if sandbox.socket:
            self.by_file.pop(sandbox.socket.fileno(), None)
            self.poll.unregister(sandbox.socket)
            sandbox.socket.close()
        sandbox.socket, sandbox.unsent = None, None
        sandbox.received.clear()

    def _disconnected(self, sandbox: Sandbox, reason: str) -> None:
        self._close(sandbox)
        # An idle connection that ends is opened again with the next result.
        if sandbox.request is not None:
            self._again(sandbox, reason)
