# SPDX-License-Identifier: Apache-2.0
"""Everything is killed, over and over, while a small country goes through: broker, agents, receivers, PostgreSQL's
postmaster and its backends, each with SIGKILL at a moment that the seed draws. Then every promise is checked anew:
no event is lost, none is there twice, positions have no gaps, verdicts are those of the truth, every receipt is at its
agent, and each committee holds exactly what it may, once, in order.

    DONGBO_SEED=N   the same victims, moments and files again (the seed of a failed run is printed)
    DONGBO_KILLS=N  so many kills (24)
"""
import collections
import contextlib
import csv
import ctypes
import math
import os
import pathlib
import random
import select
import signal
import time

import psycopg2
import pytest

import conftest
import logbook
import people
import wire
from test_country import OPEN, assert_holds
from trial import note

pytestmark = pytest.mark.fault
KILLS = int(os.environ.get("DONGBO_KILLS", "24"))
SEED = int(os.environ.get("DONGBO_SEED", str(random.SystemRandom().randrange(10 ** 6))))
MOMENT_MAX = 0.6  # seconds from one kill to the next, at most, beside what restarting takes
LATE_SHARE = 5    # the last fifth of the kills falls while deferred events are decided
AGENCIES = {"NPC": {"population": "population_later"}, "MOH": {"vaccinations": "vaccinations"},
            "MOET": {"education": "education"}, "VSS": {"social-security": "social_security"},
            "MPS": {"e-id": "e_id", "stay": "residence_stay", "temporary-residence": "residence_temporary"},
            "EVN": {"electricity": "electricity"}}
DOMAINS = {"NPC": "population", "MOH": "health", "MOET": "education", "VSS": "social_security",
           "MPS": "residence,e_id", "EVN": "electricity"}
VICTIMS = ["broker", "broker", "agent", "broker", "postmaster", "agent", "backend", "receiver"]


@pytest.fixture(scope="module", autouse=True)
def adopt_orphans():
    """A killed postmaster must be waited for by its parent before another may start: where nobody else does it, we do
    (PR_SET_CHILD_SUBREAPER)."""
    assert ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) == 0
    yield
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)


def adopted_servers():
    """Processes of PostgreSQL's whose parent is gone: ours since then."""
    for children in pathlib.Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "postgres":
                    yield int(pid)


# When the server's own processes were last started, all at once.
STARTED = "SELECT min(backend_start) FROM pg_stat_activity WHERE backend_type = 'checkpointer'"


def wait_gone(pids):
    """Until all these processes have ended."""
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        assert poll.poll(30000), "a server process outlives its postmaster"
        os.close(handle)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


class Rows:
    """A country's tables, cut into as many files as there are kills, in the order of their rows."""

    def __init__(self, data, pieces):
        self.files = collections.defaultdict(list)
        self.truth = {row["row_id"]: row for row in csv.DictReader((data / "truth.csv").open(encoding="utf-8"))}
        self.n = 0
        for agency, tables in AGENCIES.items():
            for mapping, table in tables.items():
                with (data / f"{table}.csv").open(newline="", encoding="utf-8") as file:
                    rows = list(csv.DictReader(file))
                self.n += len(rows)
                size = math.ceil(len(rows) / pieces)
                self.files[agency, mapping] = [rows[at:at + size] for at in range(0, len(rows), size)]

    def drop(self, agents, agency, piece):
        for (code, mapping), files in self.files.items():
            if code == agency and piece < len(files):
                agents[agency].drop(mapping, f"{mapping}-{piece:04}.csv", files[piece])


class Run:
    def __init__(self, exchange, dice):
        self.exchange = exchange
        self.cluster = exchange.cluster
        self.dice = dice
        self.kills = collections.Counter()
        self.agents = {code: exchange.agency(code, DOMAINS[code], list(tables)) for code, tables in AGENCIES.items()}
        exchange.committee("hn-health", "health", "citizen_number,health.vaccine_group,health.dose_number,"
                           "health.product_code,health.occurrence_date", "--province", "01")
        exchange.committee("statistics", "e_id,electricity,residence,education",
                           "e_id.province_code,e_id.status,electricity.status,residence.kind,residence.start_date,"
                           "residence.province_code,education.isced_level,education.status")
        self.running = {}

    def start(self, name):
        """The broker, an agency's agent or a committee's receiver. Nobody waits for it: the others must cope."""
        if name == "broker":
            words = [conftest.BUILD / "broker/dongbo-broker", "--config", self.exchange.directory / "broker.yaml"]
            log = self.exchange.directory / "broker.log"
            self.exchange.broker = self.running[name] = self.exchange.start(words, log)
        else:
            self.running[name] = (self.agents.get(name) or self.exchange.receivers[name]).start()

    def start_all(self):
        for name in ["broker", *self.agents, *self.exchange.receivers]:
            self.start(name)

    def check_running(self):
        for name, process in self.running.items():
            assert process.running(), f"{name} ended by itself with {process.popen.returncode}\n{process.text()}"

    # ---- killing ----

    def kill(self, kind):
        self.kills[kind] += 1
        if kind == "postmaster":
            self.kill_postmaster()
        elif kind == "backend":
            self.kill_backend()
        else:
            names = {"broker": ["broker"], "agent": list(self.agents), "receiver": list(self.exchange.receivers)}[kind]
            name = self.dice.choice(names)
            self.running[name].kill()
            if kind == "receiver":
                self.tear(self.exchange.receivers[name])
            self.start(name)

    def tear(self, receiver):
        """What a crash in the middle of writing leaves, more often than it would: whole and torn lines too many."""
        paths = sorted(receiver.directory.glob("*.jsonl"))
        last = b"".join(paths[-1].read_bytes().splitlines(keepends=True)[-2:]) if paths else b""
        if last:
            with paths[-1].open("ab") as file:
                file.write(last[:self.dice.randrange(1, len(last) + 1)])

    def kill_postmaster(self):
        postmaster = int((self.cluster.directory / "data/postmaster.pid").read_text().split()[0])
        others = set(adopted_servers())  # such as the server that other tests share
        os.kill(postmaster, signal.SIGKILL)
        wait_gone([postmaster])
        wait_gone(set(adopted_servers()) - others)
        self.cluster.start()

    def kill_backend(self):
        """Any process of the server: a session's, or one of its own. The postmaster then restarts all of them."""
        pids = [pid for pid, in self.until_connected("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                                                     "AND backend_type <> 'walsender' ORDER BY backend_type, pid")]
        before = self.until_connected(STARTED)
        try:
            os.kill(self.dice.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return  # it has ended meanwhile
        # Until the postmaster has restarted them: before it knows, it lets sessions in that it ends soon after.
        deadline = time.monotonic() + 60
        while self.until_connected(STARTED) == before:
            assert time.monotonic() < deadline, "PostgreSQL does not restart its processes"
            select.select([], [], [], 0.05)

    def until_connected(self, sql):
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.cluster.rows(sql)
            except psycopg2.Error:
                assert time.monotonic() < deadline, "PostgreSQL does not come back"
                select.select([], [], [], 0.1)

    # ---- the end ----

    def wait_value(self, sql, value, seconds=90):
        """Until the log says so; no program may end meanwhile."""
        deadline = time.monotonic() + seconds
        connection = self.cluster.connect()
        with connection.cursor() as cursor:
            cursor.execute("LISTEN dongbo_commit")
            while True:
                cursor.execute(sql)
                found = cursor.fetchone()[0]
                if found == value:
                    break
                self.check_running()
                left = deadline - time.monotonic()
                assert left > 0, f"{sql}: {found} instead of {value} after {seconds} s\n{self.exchange.broker.text()}"
                select.select([connection], [], [], min(1, left))
                connection.poll()
                connection.notifies.clear()
        connection.close()

    def finish(self):
        """In order and without a kill: later verdicts to their agents, records to their committees."""
        for name in [*self.agents, *self.exchange.receivers]:
            assert self.running.pop(name).stop() == 0
        for receiver in self.exchange.receivers.values():
            self.tear(receiver)
        for agent in self.agents.values():
            assert agent.once() in (0, 1)
        for receiver in self.exchange.receivers.values():
            receiver.until_head()


def check_agent(run, code, rows, log):
    """Its receipts, and what it handed back."""
    signing_key = wire.keys_of(run.exchange, "broker").sign_public
    agent = run.agents[code]
    acknowledged = log.check_spool(run.exchange.directory / f"{agent.name}.spool", signing_key)
    ours = {row["row_id"] for (agency, _), files in rows.files.items() if agency == code for file in files
            for row in file}
    told = collections.Counter(row["row_id"] for mapping in AGENCIES[code] for row in agent.refused(mapping))
    assert told == collections.Counter(row_id for row_id in ours
                                       if rows.truth[row_id]["verdict"] in ("MISMATCH", "REJECTED"))
    left = [path for mapping in AGENCIES[code] for path in (agent.directory / mapping).glob("*.csv")]
    assert not left, f"{code} has not let go of {left}"
    # Nothing that was acknowledged was ever missing at the exchange, nor anything there that the agent did not know.
    said = agent.log.read_text(errors="replace")
    assert "has forgotten" not in said and "new stream" not in said, said
    return acknowledged


def check_truth(log, rows):
    """Each row of each table once in the log, with the first and the present verdict that the truth gives."""
    said = collections.Counter()
    for key, entries in log.events.items():
        row_id = wire.ChangeEvent.FromString(log.said[key]).source_key
        said[row_id] += 1
        names = [wire.Verdict.Name(entry.verdict) for _, entry in entries]
        truth = rows.truth[row_id]
        assert (names[0], names[-1]) == (truth["first_verdict"], truth["verdict"]), f"{row_id}: {names}, {truth}"
    assert said == collections.Counter(dict.fromkeys(rows.truth, 1))
    return {"lost": len(rows.truth.keys() - said.keys()), "doubled": sum(n - 1 for n in said.values())}


@pytest.mark.postgres("fsync=on", "wal_level=replica", "log_checkpoints=off")
def test_nothing_is_lost_or_doubled(exchange):
    print(f"DONGBO_SEED={SEED} DONGBO_KILLS={KILLS}")
    dice = random.Random(SEED)
    data = exchange.country("--scale", str(dice.randrange(20, 30)), "--seed", str(SEED))
    late = max(1, KILLS // LATE_SHARE)
    victims = (VICTIMS * math.ceil(KILLS / len(VICTIMS)))[:KILLS]
    dice.shuffle(victims)
    rows = Rows(data, KILLS - late)
    run = Run(exchange, dice)
    exchange.load_population(data / "population.csv")
    run.start_all()

    early_files = range(KILLS - late)
    for piece in early_files:
        for code in AGENCIES:
            if code != "NPC":
                rows.drop(run.agents, code, piece)
        time.sleep(dice.uniform(0, MOMENT_MAX))  # the random moment itself
        run.check_running()
        run.kill(victims[piece])
    events = rows.n - sum(map(len, rows.files["NPC", "population"]))
    run.wait_value("SELECT coalesce(sum(last_sequence), 0)::bigint FROM exchange.stream", events)
    assert exchange.cluster.value(OPEN) == sum(row["first_verdict"] == "DEFERRED" for row in rows.truth.values())

    for n, victim in enumerate(victims[KILLS - late:]):
        for piece in early_files:
            if piece * late // len(early_files) == n:
                rows.drop(run.agents, "NPC", piece)
        time.sleep(dice.uniform(0, MOMENT_MAX))
        run.check_running()
        run.kill(victim)
    run.wait_value("SELECT coalesce(sum(last_sequence), 0)::bigint FROM exchange.stream", rows.n)
    run.wait_value(OPEN, 0)
    run.finish()
    assert sum(run.kills.values()) == KILLS, run.kills

    assert exchange.cluster.value("SELECT count(*) FROM exchange.stream") == len(AGENCIES)
    log = logbook.Logbook(exchange.cluster).check()
    counted = check_truth(log, rows)
    counted["acknowledged"] = sum(check_agent(run, code, rows, log) for code in AGENCIES)
    for name, receiver in exchange.receivers.items():
        assert log.check_received(name, receiver.records()) > 0
    assert_holds(exchange.score(data))
    note(fault="kills of programs and of the database", injected=KILLS, survived=KILLS, **counted)


ROUNDS = max(4, KILLS // 6)
BURST = 12  # batches sent at once
TRIES = 3


def receipts(moh, n):
    """As they come, until all have come or the session ends."""
    for _ in range(n):
        received = moh.receive()
        if received is None or received.type == wire.ERROR:
            return
        assert received.type == wire.RECEIPT, f"what came before was acknowledged: {received!r}"
        yield wire.Stored(received, moh.welcome.signing_key).body


def wait_for_commit(cursor):
    """Until the broker's writer waits for the end of a COMMIT; its backend. None where it was not seen, for on a busy
    machine all may be over before it is looked at."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'dongbo writer' "
                       "AND state = 'active' AND query = 'COMMIT'")
        if found := cursor.fetchone():
            return found[0]
    return None


def send_until_commit(exchange, moh, sent):
    """Batches of one event each behind those, until one of them is being committed: by which backend, and how many."""
    with contextlib.closing(exchange.cluster.connect()) as connection, connection.cursor() as cursor:
        for _ in range(TRIES):
            for serial in range(sent, sent + BURST):
                moh.send_batch([people.dose(serial)], first=serial + 1)
            sent += BURST
            if backend := wait_for_commit(cursor):
                return backend, sent
    raise AssertionError(f"the broker's writer commits nothing\n{exchange.broker.text()}")


@pytest.mark.postgres("fsync=on", "commit_delay=100000", "commit_siblings=0")
def test_what_is_acknowledged_is_durable(exchange):
    """A receipt is a promise: the database is killed in the middle of a COMMIT, which waits before it is durable
    (commit_delay), and afterwards holds everything that a receipt came for, before the kill or after it."""
    run = Run(exchange, random.Random(SEED))
    exchange.load_population(people.citizens(ROUNDS * BURST * TRIES))
    run.start("broker")
    promised = []
    stream = None
    for n in range(ROUNDS):
        with wire.publisher(exchange, "MOH", stream=stream) as moh:
            assert moh.hello().last_sequence == len(promised)
            stream = moh.stream
            backend, sent = send_until_commit(exchange, moh, len(promised))
            if n % 2:
                run.kill_postmaster()
            else:
                os.kill(backend, signal.SIGKILL)
            promised += receipts(moh, sent - len(promised))
            assert len(promised) == sent, f"receipts are missing\n{exchange.broker.text()}"
    log = logbook.Logbook(exchange.cluster).check()
    lost = [body for body in promised if log.batch_of[stream, body.first_sequence].hash != body.segment_hash]
    note(fault="kills of the database in a COMMIT", injected=ROUNDS, survived=ROUNDS, acknowledged=len(promised),
         lost=len(lost), doubled=len(log.events) - len(promised))
    assert not lost
