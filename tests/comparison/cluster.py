"""A private PostgreSQL for the comparison: as `initdb` makes it, durable, on a unix socket only."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

#: The timeout for the start of the server, in seconds.
DEADLINE = 60.0


class Cluster:
    """A running server.

    Attributes:
        pid: the id of its first process, the ancestor of the others.
        sockets: the folder of its socket.
    """

    def __init__(self, pid: int, sockets: Path, owner: str) -> None:
        self.pid = pid
        self.sockets = sockets
        self._owner = owner

    def url(self, database: str) -> str:
        """Returns the URL of a database."""
        return f"postgresql://{self._owner}@/{database}?host={self.sockets}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Runs a statement and returns its rows as psql prints them."""
        command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", statement]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"PostgreSQL refuses {statement!r}: {done.stderr.strip()}")
        return done.stdout.strip()

    @contextlib.contextmanager
    def database(self, name: str) -> Iterator[str]:
        """Yields the name of an empty database, which is dropped at the end."""
        self.sql(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def contents(self, database: str) -> dict[str, int]:
        """Returns the row count of each non-empty table, and as `bytes` the size of the database with indexes."""
        tables = self.sql(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'",
            database,
        ).splitlines()
        counted = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in tables)
        rows = self.sql(counted, database).splitlines() if tables else []
        pairs = (line.split("|") for line in rows)
        size = int(self.sql(f"SELECT pg_database_size('{database}')"))
        return {"bytes": size, **{table: int(count) for table, count in pairs if count != "0"}}


def programs(named: Path | None) -> Path:
    """Returns the folder of PostgreSQL's programs: the named one, Debian's newest, or that of the PATH.

    Raises:
        FileNotFoundError: if it is not found.
    """
    if named is not None:
        return named
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise FileNotFoundError("PostgreSQL is not installed; install it (apt install postgresql), or name --postgres-bin")
    return Path(on_path).resolve().parent


@contextlib.contextmanager
def running(bin_folder: Path | None) -> Iterator[Cluster]:
    """Yields a temporary cluster."""
    programs_folder = programs(bin_folder)
    # PostgreSQL refuses to run as root.
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    rights: dict[str, object] = {}
    if os.geteuid() == 0:
        rights = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="arc-comparison-"))
    try:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = folder / "data"
        made = subprocess.run(
            [programs_folder / "initdb", "-D", data, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-U", owner.pw_name],
            capture_output=True, text=True, cwd=folder, **rights,
        )  # fmt: skip
        if made.returncode != 0:
            raise RuntimeError(f"initdb: {made.stderr.strip()}")
        log = folder / "log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [programs_folder / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="],
                stdout=written, stderr=written, cwd=folder, **rights,
            )  # fmt: skip
        try:
            cluster = Cluster(process.pid, folder, owner.pw_name)
            ready = [programs_folder / "pg_isready", "-q", "-h", folder, "-U", owner.pw_name]
            deadline = time.monotonic() + DEADLINE
            while subprocess.run(ready).returncode != 0:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}")
                time.sleep(0.05)
            yield cluster
        finally:
            # Fast shutdown.
            process.send_signal(signal.SIGINT)
            process.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
