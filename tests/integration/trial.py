# SPDX-License-Identifier: Apache-2.0
"""A small exchange at work, to which something is done: one agent that publishes, one committee that receives, all of
them the real programs, none of which is touched when the fault is over. Then the truth is looked at anew, and counted.

Each row of the Ministry's is sent once, and what becomes of it is known beforehand, so that lost and doubled are
numbers that come from comparing, not from hoping. With DONGBO_TALLY, a file, one line of JSON is added for each fault:
what was injected, whether the exchange survived it, and what was counted. DONGBO_FULL=1 asks for the long forms."""
import collections
import contextlib
import json
import os
import pathlib
import select
import shutil
import sqlite3
import time

import conftest
import logbook
import people
import wire

FULL = os.environ.get("DONGBO_FULL") == "1"
MAPPING = "vaccinations"
CITIZENS = 200
FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.product_code,health.occurrence_date"
WRONG_EVERY = 9   # every so many rows the name is another person's
EVENTS = "SELECT coalesce(sum(last_sequence), 0)::int FROM exchange.stream"
TRUTH = collections.Counter


def note(**said):
    """A line of the tally, with the test that is running: test_outages::test_restart[fast]."""
    if path := os.environ.get("DONGBO_TALLY"):
        file, _, test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0].partition("::")
        said["test"] = f"{pathlib.Path(file).stem}::{test}"
        with open(path, "a", encoding="utf-8") as tally:
            tally.write(json.dumps(said) + "\n")


def wait(done, what, seconds=60):
    """For what no program of ours can be asked: something outside of it comes to pass."""
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        select.select([], [], [], 0.02)
    return found


UNITS = {"broker": "dongbo-broker", "agent": "dongbo-publish@", "receiver": "dongbo-receive@"}


def restarts(name, code):
    """Whether a service manager starts it again after this exit code, by its unit in deploy/systemd."""
    unit = (conftest.ROOT / f"deploy/systemd/{UNITS[name]}.service").read_text(encoding="utf-8").splitlines()
    never = [line.partition("=")[2].split() for line in unit if line.startswith("RestartPreventExitStatus=")]
    return "Restart=always" in unit and "StartLimitIntervalSec=0" in unit and str(code) not in sum(never, [])


class Trial:
    def __init__(self, exchange, publish=None, subscribe=None):
        """The agents speak to these endpoints, if they are others than the broker's own."""
        self.exchange = exchange
        self.cluster = exchange.cluster
        self.rows = {}        # row_id: the verdict that it has to get
        self.files = 0
        self.n_others = 0     # of the rows, those that another publisher of the Ministry's sent
        self.counted = collections.Counter()  # in faults before this one
        self.marks = {}
        self.said = ""      # by all logs of the last fault
        exchange.load_population(people.citizens(CITIZENS))
        self.agent = exchange.agency("MOH", "health", [MAPPING])
        self.receiver = exchange.committee("hn", "health", FIELDS)
        for config, own, other in ((self.agent.config, exchange.publish, publish),
                                   (self.receiver.config, exchange.subscribe, subscribe)):
            if other:
                config.write_text(config.read_text().replace(f'"{own}"', other))
        self.spool = exchange.directory / "moh.spool"
        self.restored = False  # receipts from before may name positions that were given out again
        self.running = {}  # broker, agent, receiver
        self.may_end = ()  # which of them a fault may end, for the service manager starts them again

    def move_spool(self, path):
        """The agent's spool is elsewhere; before start()."""
        config = self.agent.config.read_text()
        self.agent.config.write_text(config.replace(f"path: {self.spool.name}", f"path: {path}"))
        self.spool = path

    def start(self):
        self.running = {"broker": self.exchange.start_broker(), "agent": self.agent.start(),
                        "receiver": self.receiver.start()}
        return self

    def tend(self):
        """What ended by itself is started again where its unit says so; otherwise somebody would have to."""
        for name, process in self.running.items():
            if process.running():
                continue
            code = process.popen.returncode
            said = f"{name} ended with {code}\n{process.text()}"
            assert name in self.may_end and restarts(name, code), said
            self.running[name] = self.begin(name)

    def begin(self, name):
        if name == "broker":
            self.exchange.broker = self.exchange.start(
                [conftest.BUILD / "broker/dongbo-broker", "--config", self.exchange.directory / "broker.yaml"],
                self.exchange.directory / "broker.log")
            return self.exchange.broker
        return (self.agent if name == "agent" else self.receiver).start()

    # ---- load ----

    def send(self, n=40):
        """Drops a file with so many rows that no file had before."""
        rows = []
        for serial in range(len(self.rows), len(self.rows) + n):
            wrong = serial % WRONG_EVERY == WRONG_EVERY - 1
            row = people.dose_row(serial % CITIZENS, 1 + serial // CITIZENS)
            if wrong:
                row["ho_ten"] = "Người Khác Hẳn"
            rows.append(row)
            self.rows[row["row_id"]] = "MISMATCH" if wrong else "ACCEPTED"
        self.files += 1
        self.agent.drop(MAPPING, f"{self.files:04}.csv", rows)

    def drop_again(self):
        """The same rows in files that the agent knows nothing of."""
        for path in sorted((self.agent.directory / MAPPING / "done").glob("????.csv")):
            shutil.copy(path, self.agent.directory / ".again")
            (self.agent.directory / ".again").rename(self.agent.directory / MAPPING / f"again-{path.name}")

    def forget_spool(self):
        for path in self.spool.parent.glob(f"{self.spool.name}*"):
            path.unlink()

    # ---- a fault ----

    @contextlib.contextmanager
    def fault(self, name, may_end=()):
        """Within the block something is done to the exchange, and undone; rows come before, during and after it. When
        the block ends, everything has to come right by itself."""
        self.marks = {log: len(log.read_bytes()) for log in self.logs()}
        self.may_end = may_end
        self.send()
        said = {"fault": name, "injected": 1, "survived": 0}
        try:
            yield
            self.send()
            self.settle()
            said.update(self.count_new())
            said["survived"] = int(said["lost"] == said["doubled"] == 0)
            assert said["survived"], said
        finally:
            note(**said)
            self.said = "".join(self.said_by(log) for log in self.logs())

    def said_by(self, log):
        """What a log says since the fault began."""
        return log.read_bytes()[self.marks.get(log, 0):].decode(errors="replace")

    def logs(self):
        return [path for path in (self.exchange.directory / name for name in
                                  ("broker.log", "second.log", "publish-moh.log", "receive-hn.log")) if path.exists()]

    def told(self, text, log="broker.log", seconds=30):
        """Waits until a log says so, of this fault."""
        path = self.exchange.directory / log
        self.wait((f"{log}: {text}", lambda: text in self.said_by(path)), seconds=seconds)

    # ---- the end of it ----

    def until_connected(self, sql, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.cluster.value(sql)
            except Exception as error:  # whatever psycopg2 makes of a server that comes and goes
                assert time.monotonic() < deadline, f"PostgreSQL does not come back: {error}"
                select.select([], [], [], 0.05)

    def acknowledged(self):
        """Events for which the agent has a receipt."""
        with contextlib.closing(sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True, timeout=10)) as spool:
            return spool.execute("SELECT coalesce(sum(last_sequence - first_sequence + 1), 0) FROM batch "
                                 "WHERE acked_at IS NOT NULL").fetchone()[0]

    def is_idle(self):
        """A spool that is new, or was set back, and in which nothing waits."""
        with contextlib.closing(sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True, timeout=10)) as spool:
            waiting = spool.execute("SELECT count(*) FROM batch WHERE acked_at IS NULL").fetchone()[0]
        return waiting == 0 and not list((self.agent.directory / MAPPING).glob("*.csv"))

    def received(self):
        """The last position that the committee has stored."""
        files = sorted(self.receiver.directory.glob("*.jsonl"))
        lines = [path.read_bytes().rpartition(b"\n")[0].splitlines()[-1:] for path in files]  # whole ones
        last = [line for found in lines for line in found]
        return json.loads(last[-1])["position"] if last else 0

    def expected_last(self):
        return self.until_connected("SELECT coalesce(max(position), 0) FROM exchange.record_version")

    def settle(self):
        """Until every row is stored, answered and passed on. Nobody does anything for it."""
        self.settle_publishing()
        self.wait(("passed on", lambda: self.received() == self.expected_last()))

    def settle_publishing(self):
        def is_answered():
            return self.acknowledged() >= len(self.rows) - self.n_others or (self.restored and self.is_idle())
        self.wait(("stored", lambda: self.until_connected(EVENTS) >= len(self.rows)), ("answered", is_answered))

    def wait(self, *steps, seconds=90):
        deadline = time.monotonic() + seconds
        for what, done in steps:
            while not done():
                self.tend()
                assert time.monotonic() < deadline, \
                    f"{what}: not within {seconds} s\n" + "\n".join(log.read_text()[-3000:] for log in self.logs())
                select.select([], [], [], 0.05)

    def count_new(self):
        """What was not counted after an earlier fault."""
        counted = collections.Counter(self.count())
        new = {name: counted[name] - self.counted[name] for name in counted}
        self.counted = counted
        return new

    def count(self):
        """The log proves itself, the agent's receipts are of what it holds, and the committee has what it may: what is
        wrong fails here. What is acknowledged and not there, or there twice, is counted."""
        log = logbook.Logbook(self.cluster).check()
        signing_key = wire.keys_of(self.exchange, "broker").sign_public
        acknowledged, lost = self.look_for_receipts(log, signing_key)
        effects, verdicts = collections.Counter(), {}
        for key, entries in log.events.items():
            row, verdict = wire.ChangeEvent.FromString(log.said[key]).source_key, entries[-1][1].verdict
            if verdict in (logbook.ACCEPTED, logbook.MISMATCH):
                # What is in question and comes again from a new spool is the same question.
                effects[row] += verdict == logbook.ACCEPTED or not self.restored or not effects[row]
                verdicts[row] = wire.Verdict.Name(verdict)
        lost += len(self.rows.keys() - verdicts.keys())
        records = self.receiver.records()
        doubled = sum(n - 1 for n in effects.values()) + len(records) - len({record["position"] for record in records})
        if lost == doubled == 0:
            assert verdicts == self.rows
            log.check_received("hn", records)
            if not self.restored:
                log.check_spool(self.spool, signing_key)
        return {"acknowledged": acknowledged, "lost": lost, "doubled": doubled, "proofs": self.verify(log)}

    def verify(self, log):
        """The log proves itself to somebody who has no database: the batches whose signature, root and place hold."""
        path = self.exchange.directory / "exported.dlog"
        path.unlink(missing_ok=True)
        self.exchange.dongbo("log", "export", path)
        said = json.loads(self.exchange.dongbo("log", "verify", "--json", path, "--keys",
                                               self.exchange.keys("moh")).stdout)
        assert said["whole"] and said["last_position"] == log.head and not said["breaks"], said
        assert said["signatures_good"] == said["batches"] and not said["signatures_not_checked"], said
        return said["signatures_good"]

    def look_for_receipts(self, log, signing_key):
        """Every event for which a signed receipt is at the agent: how many there are, and how many the log lacks."""
        with contextlib.closing(sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True, timeout=10)) as spool:
            receipts = [receipt for receipt, in spool.execute("SELECT receipt FROM receipt")]
        held = lost = 0
        for receipt in receipts:
            assert wire.verifies(signing_key, "dongbo receipt 1", receipt[:-64], receipt[-64:])
            body = wire.ReceiptBody.FromString(receipt[:-64])
            segment = log.batch_of.get((body.stream, body.first_sequence))
            n = body.last_sequence - body.first_sequence + 1
            held += n
            lost += n if segment is None or segment.batch_root != body.batch_root else 0
        return held, lost
