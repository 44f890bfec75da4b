"""Shared studies on servers of their own, where Debian's packages are here: PostgreSQL and MariaDB."""

import gc
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import IntDistribution
from small_search import COMBINATIONS, tried_by_processes

from hwcost.errors import BadStudy
from hwcost.search import Objective, Outcome, Share, StudySpec, Suggestion, join_study, lead_study, open_study
from hwcost.search.storage.database import connect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Heartbeat of storage"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),  # refused
]

PASSWORD = "not-to-be-published"
MEANT = StudySpec(
    fingerprint={"code": "same"},
    objectives=(Objective("loss", "minimize"),),
    seed=3,
    sampler="random",
    space={"x": IntDistribution(0, 1000)},
    anchors=({"x": 7},),
)


@dataclass
class Server:
    """A server on loopback, started by the account that its package made where this process is root.

    Attributes:
        kind: "postgresql" or "mysql". place: its folder. port: on loopback.
    """

    kind: str
    place: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def url(self, name: str, password: str = PASSWORD) -> str:
        return f"{self.kind}://hwcost:{password}@127.0.0.1:{self.port}/{name}"

    def words(self, *words: str | Path) -> list[str]:
        account = "postgres" if self.kind == "postgresql" else "mysql"
        return [*(["runuser", "-u", account, "--"] if os.geteuid() == 0 else []), *map(str, words)]

    def start(self) -> None:
        for _ in range(600):
            if self.process is None or self.process.poll() is not None:  # at first, or what was killed still lingers
                with (self.place / "log").open("ab") as log:
                    self.process = subprocess.Popen(self._command(), stdout=log, stderr=log, cwd="/", process_group=0)
            if self._answers():
                return
            time.sleep(0.1)
        raise AssertionError((self.place / "log").read_text())

    def _command(self) -> list[str]:
        data = self.place / "data"
        if self.kind == "postgresql":
            given = ["-D", data, "-p", self.port, "-c", "listen_addresses=127.0.0.1", "-k", self.place, "-F"]
            return self.words(_newest("postgres"), *map(str, given))
        own = {"datadir": data, "socket": self.place / "socket", "pid-file": self.place / "pid", "port": self.port}
        given = [f"--{name}={value}" for name, value in (*own.items(), ("init-file", self.place / "first.sql"))]
        return self.words(_newest("mariadbd"), "--no-defaults", "--bind-address=127.0.0.1", *given)

    def _answers(self) -> bool:
        try:
            self.run_sql("SELECT 1")
            return True
        except Exception:  # of either driver
            return False

    def run_sql(self, command: str) -> None:
        if self.kind == "postgresql":
            import psycopg

            with closing(psycopg.connect(self.url("postgres"), autocommit=True)) as connection:
                connection.execute(command)
        else:
            import pymysql

            given: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "user": "hwcost", "password": PASSWORD}
            with closing(pymysql.connect(**given)) as connection, connection.cursor() as cursor:
                cursor.execute(command)

    def database(self, name: str) -> str:
        """Make a fresh database; its URL."""
        self.run_sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def kill(self) -> None:
        """End it with -9, and with it the processes that it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait()


def _newest(name: str) -> Path | None:
    """A program of a server, outside the search path too."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: float(place.parent.name))
    found = [shutil.which(name, path=str(place)) for place in (*places, "/usr/sbin", os.environ.get("PATH", ""))]
    return next((Path(one) for one in reversed(found) if one), None)


NEEDED = {
    "postgresql": ("psycopg", "initdb", "postgres", "postgresql", "postgres"),
    "mysql": ("pymysql", "mariadb-install-db", "mysql", "mariadb-server", "mysql"),
}
"""Kind of a server -> driver, program that founds it, account, package of Debian, extra of ours."""

FIRST = f"""
CREATE USER IF NOT EXISTS 'hwcost'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO 'hwcost'@'%';
"""


@pytest.fixture(scope="module", params=sorted(NEEDED))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    kind: str = request.param
    driver, founding, account, package, extra = NEEDED[kind]
    pytest.importorskip(driver, reason=f"NOT TESTED: no {driver} here; pip install 'hwcost[{extra}]'")
    install = _newest(founding)
    if install is None:
        pytest.skip(f"NOT TESTED: no {founding} here; apt-get install {package}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            found = Server(kind, Path(folder), free.getsockname()[1])
        if os.geteuid() == 0:
            owner = pwd.getpwnam(account)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        (found.place / "password").write_text(PASSWORD)
        (found.place / "first.sql").write_text(FIRST)
        given = {
            "postgresql": [
                "-U",
                "hwcost",
                "-A",
                "scram-sha-256",
                f"--pwfile={folder}/password",
                "-D",
                f"{folder}/data",
            ],
            "mysql": ["--no-defaults", "--skip-test-db", f"--datadir={folder}/data"],
        }
        made = subprocess.run(found.words(install, *given[kind]), capture_output=True, text=True, check=False, cwd="/")
        assert made.returncode == 0, made.stdout + made.stderr
        try:
            found.start()
            yield found
        finally:
            found.kill()


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Connections of openings that failed are collected here, where their warnings are ignored."""
    yield
    gc.collect()


def judged(suggestion: Suggestion) -> Outcome:
    return Outcome((float(suggestion.params["x"]),), {"epochs": ["epoch"] * 12_500})  # 100 kB, as of a long training


def figures(study: Any) -> list[tuple[int, int, float]]:
    rows = study.frame()
    complete = rows[rows["state"] == "COMPLETE"].to_dict("records")
    return sorted((row["seed"], row["params"]["x"], row["loss"]) for row in complete)


@contextmanager
def led(folder: Path, url: str) -> Iterator[Any]:
    files = lambda number: folder / "study" / "checkpoints" / f"{number}.pt"  # noqa: E731
    with lead_study(Share(url, str(folder / "weights"), 1), folder / "study", MEANT, files=files, settings={}) as study:
        files(None).parent.mkdir(exist_ok=True)
        files(None).write_text("float")
        yield study


def test_a_leader_and_workers_train_what_one_process_does(server: Server, tmp_path: Path) -> None:
    url = server.database("together")

    def work(name: str) -> int:
        files = lambda number: tmp_path / name / f"{number}.pt"  # noqa: E731
        for _ in range(200):
            try:
                with join_study(url, "study", tmp_path / name) as found:
                    return found.agree(MEANT, artifacts=str(tmp_path / "weights"), files=files).work(judged).done
            except BadStudy:  # too early
                time.sleep(0.05)
        return 0

    with ThreadPoolExecutor() as pool, led(tmp_path, url) as study:
        workers = [pool.submit(work, name) for name in ("a", "b")]
        study.run(judged, trials=8)
        assert sum(worker.result() for worker in workers) >= 0
        found = figures(study)
        kept = study.frame()["epochs"]
    with open_study(tmp_path / "alone", MEANT) as alone:
        alone.run(judged, trials=8)
        assert figures(alone) == found and len(found) == 8
    assert all(len(epochs) == 12_500 for epochs in kept.dropna())


def test_processes_propose_no_combination_twice(server: Server, tmp_path: Path) -> None:
    tried = tried_by_processes(server.database("turns"), tmp_path)
    assert len(set(tried)) == len(tried) == COMBINATIONS


def test_all_that_open_a_fresh_database_at_once_get_it(server: Server) -> None:
    url, gate = server.database("fresh"), threading.Barrier(6)

    def opened(_: int) -> str:
        gate.wait()
        storage = connect(url, 15)
        storage.engine.dispose()
        return "opened"

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(opened, range(6))) == ["opened"] * 6


def test_a_wrong_password_and_a_missing_database_are_one_line_without_it(server: Server) -> None:
    for url in (server.url(server.kind.replace("postgresql", "postgres"), "another-secret"), server.url("nowhere")):
        with pytest.raises(BadStudy, match="cannot be opened") as told:
            connect(url, 15)
        assert "secret" not in str(told.value) and PASSWORD not in str(told.value)


def test_a_server_that_is_killed_in_mid_run_loses_no_finished_trial(server: Server, tmp_path: Path) -> None:
    url = server.database("killed")

    def killing(suggestion: Suggestion) -> Outcome:
        if suggestion.number == 3:
            server.kill()
        return judged(suggestion)

    with pytest.raises(BadStudy, match="lost") as told, led(tmp_path, url) as study:
        study.run(killing, trials=6)
    assert PASSWORD not in str(told.value)
    server.start()
    with led(tmp_path, url) as study:
        assert len(figures(study)) == 3
        study._storage.grace_period = 1
        study.run(judged, trials=3)
        found = figures(study)
    with open_study(tmp_path / "alone", replace(MEANT)) as alone:
        alone.run(judged, trials=6)
        assert figures(alone) == found
