# SPDX-License-Identifier: Apache-2.0
"""What tests of whole programs stand on: those programs, a private PostgreSQL cluster per test and, on it, an exchange.

Everything lives in one short temporary directory and is stopped by process id, also when a test fails."""
import contextlib
import csv
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import pytest

# A setup, call and teardown each; the demo's tests allow themselves as much. The long forms of faults and attacks
# have more: they say themselves how long, and run side by side with all the rest.
LONG = os.environ.get("DONGBO_FULL") == "1" or os.environ.get("DONGBO_ATTACKS") == "full"
PHASE_SECONDS = 3600 if LONG else 200
ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("DONGBO_WHY", "a test")  # an operator's reason, where a test says none
BUILD = pathlib.Path(os.environ.get("DONGBO_BUILD", ROOT / "build"))
TOOLS = pathlib.Path(os.environ.get("DONGBO_TOOLS", BUILD))  # what a test is set up with; not what it is about
SANITIZED = any(option["name"] == "b_sanitize" and option["value"] != "none" for option in
                json.loads((BUILD / "meson-info/intro-buildoptions.json").read_text()))
REPORTS = pathlib.Path(tempfile.mkdtemp(prefix="dongbo-"))  # what sanitizers find, if this build has any
SANITIZER_EXIT = 99
POPULATION = ("citizen_number", "full_name", "birth_date", "sex", "mother_name", "father_name", "residence_province",
              "residence_province63", "residence_commune", "died_on")  # a population file's columns


# ---- sanitizers ----------------------------------------------------------------------------------------------------

def sanitizer_reports():
    """What a sanitized build's programs have reported since this was asked last. UBSan writes to no file; it ends a
    program with SANITIZER_EXIT."""
    told = []
    for path in sorted(REPORTS.iterdir()):
        told.append(path.read_text(errors="replace")[:8000])
        path.unlink()
    return told


@pytest.fixture(scope="session", autouse=True)
def sanitizers():
    options = f"halt_on_error=1:exitcode={SANITIZER_EXIT}:print_stacktrace=1"
    os.environ.update(ASAN_OPTIONS=f"{options}:detect_leaks=1:quarantine_size_mb=16:log_path={REPORTS}/report",
                      UBSAN_OPTIONS=options)
    yield
    told = sanitizer_reports()
    REPORTS.rmdir()
    assert not told, "\n".join(told)


@pytest.fixture
def watched_size(monkeypatch):
    """For tests that watch a program's size: ASan then keeps nothing of what was freed."""
    monkeypatch.setenv("ASAN_OPTIONS", os.environ["ASAN_OPTIONS"] +
                       ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0")


@pytest.fixture(autouse=True)
def sanitized(sanitizers):
    """A test fails whose programs a sanitizer found anything in, however they ended."""
    yield
    told = sanitizer_reports()
    assert not told, "\n".join(told)


def run_program(words, **options):
    """One of our programs, to its end. What a command has not given back goes with it: looking for that takes as long
    as the rest."""
    if pathlib.Path(words[0]).name == "dongbo":
        options.setdefault("env", {**os.environ, "ASAN_OPTIONS": os.environ["ASAN_OPTIONS"] + ":detect_leaks=0"})
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    assert done.returncode != SANITIZER_EXIT, done.stderr
    return done


# ---- tables --------------------------------------------------------------------------------------------------------

def csv_text(rows, columns=None, end="\n"):
    """Dictionaries as a CSV file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns or list(rows[0]), lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write_csv(path, rows, columns=None):
    """With the line ends of a spreadsheet's file."""
    path.write_text(csv_text(rows, columns, "\r\n"), encoding="utf-8", newline="")
    return path


# ---- PostgreSQL ----------------------------------------------------------------------------------------------------

# Nothing outlives a test, and to compile what a query does takes longer than to do it to a test's few rows.
SETTINGS = ("fsync=off", "jit=off")


class Cluster:
    """A private PostgreSQL cluster on a Unix socket: deploy/cluster, as a person would use it."""

    def __init__(self, directory, settings):
        self.directory = directory
        self.settings = settings
        self.connections = {}  # by user, for rows()

    def _run(self, *words):
        self.disconnect()
        done = subprocess.run([str(ROOT / "deploy/cluster"), *words], timeout=120, capture_output=True, text=True)
        assert done.returncode == 0, f"deploy/cluster {words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def start(self):
        self._run("start", str(self.directory), *self.settings)

    def stop(self, mode="fast"):
        self._run("stop", str(self.directory), mode)

    def back_up(self, to):
        """A copy of the whole cluster, which is running again afterwards."""
        self.stop()
        subprocess.run(["cp", "-a", self.directory, to], check=True)
        self.start()

    def restore(self, backup):
        self.stop()
        shutil.rmtree(self.directory)
        subprocess.run(["cp", "-a", backup, self.directory], check=True)
        self.start()

    def conninfo(self, user="postgres", database="dongbo"):
        return f"host={self.directory} user={user} dbname={database}"

    def connect(self, user="postgres"):
        connection = psycopg2.connect(self.conninfo(user))
        connection.autocommit = True
        return connection

    @contextlib.contextmanager
    def holding(self, sql, user="postgres"):
        """A transaction of somebody else's that has done this, open until the block ends."""
        with contextlib.closing(psycopg2.connect(self.conninfo(user))) as connection:
            connection.cursor().execute(sql)
            yield

    def disconnect(self):
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()

    def rows(self, sql, *parameters, user="postgres"):
        """On a connection that is kept, and made anew where the server let go of it."""
        try:
            self.connections[user].cursor().execute("DISCARD ALL")
        except (KeyError, psycopg2.Error):
            self.connections[user] = self.connect(user)
        with self.connections[user].cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, sql, *parameters, user="postgres"):
        return self.rows(sql, *parameters, user=user)[0][0]


@contextlib.contextmanager
def open_workdir():
    """A directory whose path is short enough for Unix sockets, if TMPDIR is, and open to the server's user."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="dongbo-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def open_cluster(directory, template, *settings):
    subprocess.run(["cp", "-a", str(template), str(directory / "pg")], check=True, timeout=60)
    made = Cluster(directory / "pg", settings or SETTINGS)
    made.start()
    try:
        yield made
    finally:
        made.stop("immediate")


@pytest.fixture
def workdir():
    with open_workdir() as directory:
        yield directory


def operators_config(cluster, schemas=ROOT / "schemas", operator="dongbo_operator"):
    return (f'exchange: "{cluster.conninfo(operator)}"\n'
            f'population: "{cluster.conninfo("dongbo_population_reader")}"\n'
            f'population_writer: "{cluster.conninfo("dongbo_population_writer")}"\n'
            f'admin: {{exchange: "{cluster.conninfo()}", population: "{cluster.conninfo()}"}}\n'
            f'schemas: "{schemas}"\n')


@contextlib.contextmanager
def open_template():
    """A stopped cluster on which `dongbo init` has run once: copying it is quicker than making it anew."""
    with open_workdir() as directory:
        made = Cluster(directory / "pg", SETTINGS)
        config = directory / "dongbo.yaml"
        try:
            made.start()
            config.write_text(operators_config(made))
            subprocess.run([TOOLS / "operators/dongbo", "--config", config, "init"], check=True, timeout=120)
        finally:
            made.stop()
        yield directory / "pg"


@pytest.fixture(scope="session")
def template():
    with open_template() as made:
        yield made


@pytest.fixture
def cluster(workdir, template, request):
    """Mark a test with @pytest.mark.postgres("fsync=on", ...) for settings of its own."""
    marker = request.node.get_closest_marker("postgres")
    with open_cluster(workdir, template, *(marker.args if marker else ())) as made:
        yield made


class Database(Cluster):
    """A database of its own on a cluster that several tests share; it knows no start and no stop."""

    def __init__(self, cluster, name):
        super().__init__(cluster.directory, cluster.settings)
        self.name = name

    def _run(self, *words):
        raise AssertionError(f"this test shares its server: mark it postgres to {words[0]} it")

    def conninfo(self, user="postgres", database=None):
        return super().conninfo(user, database or self.name)


@contextlib.contextmanager
def open_database(cluster, of="template1"):
    """A database that is dropped afterwards: empty, or a copy of another."""
    name = f"test_{time.monotonic_ns()}"
    cluster.rows(f"CREATE DATABASE {name} TEMPLATE {of} STRATEGY file_copy")
    made = Database(cluster, name)
    try:
        yield made
    finally:
        made.disconnect()
        cluster.rows(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def shared_cluster(template):
    """For tests that need a database and neither stop nor break the server: one cluster for all of them. Nobody stays
    connected to the template's own database, which is there to be copied."""
    with open_workdir() as directory, open_cluster(directory, template) as made:
        yield made


@pytest.fixture
def empty_database(shared_cluster):
    with open_database(shared_cluster) as made:
        yield made


@pytest.fixture
def database(shared_cluster):
    """A database on which `dongbo init` has run."""
    with open_database(shared_cluster, of="dongbo") as made:
        yield made


class Process:
    """One program of ours in the background, with its log kept for a failing test to show."""

    def __init__(self, words, log):
        self.log = log
        self.popen = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                                      stdout=open(log, "a"), stderr=subprocess.STDOUT)

    def wait_for(self, done, what, seconds=60):
        """Until done() is true. Ends at once when the program does."""
        deadline = time.monotonic() + seconds
        while not done():
            try:
                code = self.popen.wait(0.05)
                if not done():
                    raise AssertionError(f"{what}: the program ended with {code}\n{self.text()}")
            except subprocess.TimeoutExpired:
                assert time.monotonic() < deadline, f"{what}: not within {seconds} s\n{self.text()}"

    def running(self):
        return self.popen.poll() is None

    def stop(self, seconds=30):
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.popen.args[0]} did not stop\n{self.text()}") from None
        return self.popen.returncode

    def kill(self):
        if self.running():
            self.popen.kill()
        return self.popen.wait()

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.popen.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0])

    def text(self):
        return pathlib.Path(self.log).read_text(errors="replace")[-4000:]


class Publisher:
    """An agency's agent with a drop folder per source: one source, one mapping."""

    def __init__(self, exchange, agency, mappings, stream="live", spool_bytes=64 << 20):
        self.exchange = exchange
        self.name = agency.lower()
        self.directory = exchange.directory / f"publish-{self.name}"
        self.config = exchange.directory / f"publish-{self.name}.yaml"
        self.log = exchange.directory / f"publish-{self.name}.log"
        self.directory.mkdir()
        sources = ""
        for mapping in mappings:
            (self.directory / mapping).mkdir()
            path = mapping if mapping.endswith(".yaml") else f"{ROOT}/deploy/sample/mappings/{mapping}.yaml"
            sources += (f"  - {{name: {mapping}, kind: csv, directory: publish-{self.name}/{mapping}, "
                        f"mapping: {path}, stream: {stream}}}\n")
        self.config.write_text(
            f"agency: {agency}\nagent: {self.name}-1\nkeys: {self.name}.keys\n"
            f'broker: {{key: broker.keys.pub, endpoints: ["{exchange.publish}"]}}\n'
            f"spool: {{path: {self.name}.spool, bytes_max: {spool_bytes}}}\nsources:\n{sources}")

    def drop(self, mapping, name, rows):
        """Puts a CSV file (a list of dictionaries, or a path to copy) into the source's folder, whole at once."""
        target, new = self.directory / mapping / name, self.directory / f".{name}.new"
        if isinstance(rows, (str, pathlib.Path)):
            shutil.copy(rows, new)
        else:
            write_csv(new, rows)
        new.rename(target)
        return target

    def command(self, *words):
        return [BUILD / "agents/dongbo-agent", "publish", "--config", self.config, *words]

    def once(self, timeout=60, expect=None):
        """Drains and ends. Returns the exit code."""
        # What is proved later is those tests' affair that ask for it.
        done = self.exchange.run(*self.command("--once", "--timeout", timeout, "--proof-timeout", 0),
                                 seconds=timeout + 60)
        self.log.open("a").write(done.stdout + done.stderr)
        if expect is not None:
            assert done.returncode == expect, f"exit code {done.returncode}\n{done.stderr[-4000:]}"
        return done.returncode

    def start(self):
        return self.exchange.start(self.command(), self.log)

    def refused(self, mapping):
        """Every row handed back so far, with its verdict and reasons."""
        rows = []
        for path in sorted((self.directory / mapping).rglob("*refused*.csv")):
            with open(path, newline="", encoding="utf-8") as file:
                rows += list(csv.DictReader(file))
        return rows


class Receiver:
    """A committee's agent that writes JSON lines."""

    def __init__(self, exchange, name):
        self.exchange = exchange
        self.name = name
        self.directory = exchange.directory / f"received-{name}"
        self.config = exchange.directory / f"receive-{name}.yaml"
        self.log = exchange.directory / f"receive-{name}.log"
        self.directory.mkdir()
        self.config.write_text(
            f"subscription: {name}\nkeys: {name}.keys\n"
            f'broker: {{key: broker.keys.pub, endpoints: ["{exchange.subscribe}"]}}\n'
            f"sink: {{kind: jsonl, directory: received-{name}}}\n")

    def command(self, *words):
        return [BUILD / "agents/dongbo-agent", "receive", "--config", self.config, *words]

    def start(self):
        return self.exchange.start(self.command(), self.log)

    def until_head(self, timeout=60, expect=0):
        done = self.exchange.run(*self.command("--until-head", "--timeout", timeout), seconds=timeout + 60)
        self.log.open("a").write(done.stdout + done.stderr)
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stderr[-4000:]}"

    def records(self):
        return [json.loads(line) for path in sorted(self.directory.glob("*.jsonl"))
                for line in path.read_text(encoding="utf-8").splitlines()]


class Exchange:
    """A whole exchange in one directory: database, broker, agents, committees."""

    def __init__(self, cluster, directory):
        self.cluster = cluster
        self.directory = directory
        self.publish = f"ipc://{directory}/publish"
        self.publish2 = f"{self.publish}2"  # the second broker's
        self.subscribe = f"ipc://{directory}/subscribe"
        self.processes = []
        self.broker = None
        self.receivers = {}
        self.config = directory / "dongbo.yaml"
        self.ready = directory / "broker.ready"

    def run(self, *words, seconds=120, check=False):
        done = run_program(words, timeout=seconds, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def start(self, words, log):
        process = Process(words, log)
        self.processes.append(process)
        return process

    def dongbo(self, *words, check=True):
        return self.run(BUILD / "operators/dongbo", "--config", self.config, *words, check=check)

    def prepare(self, *words):
        """What has to be there before a test begins."""
        return self.run(TOOLS / "operators/dongbo", "--config", self.config, *words, check=True)

    def set_up(self):
        conninfo = self.cluster.conninfo
        self.config.write_text(operators_config(self.cluster))
        (self.directory / "broker.yaml").write_text(
            f'publish: "{self.publish}"\nsubscribe: "{self.subscribe}"\nexchange: "{conninfo("dongbo_broker")}"\n'
            f'population: {{reader: "{conninfo("dongbo_population_reader")}", '
            f'writer: "{conninfo("dongbo_population_writer")}"}}\n'
            f'keys: broker.keys\nschemas: "{ROOT}/schemas"\nready_file: broker.ready\n')
        self.keys("broker")

    def own_rules(self, texts):
        """The broker reads its rules from a copy, in which these files say something else."""
        schemas = self.directory / "schemas"
        shutil.copytree(ROOT / "schemas", schemas)
        for name, text in texts.items():
            (schemas / "rules" / name).write_text(text, encoding="utf-8")
        config = self.directory / "broker.yaml"
        config.write_text(config.read_text().replace(f'"{ROOT}/schemas"', "schemas"))

    made_keys = {}  # name: both files; a party has the same keys in every test

    def keys(self, name):
        path, public = self.directory / f"{name}.keys", self.directory / f"{name}.keys.pub"
        if path.exists():
            return str(public)
        if name in self.made_keys:
            path.touch(0o600)
            for file, text in zip((path, public), self.made_keys[name]):
                file.write_text(text)
        else:
            self.prepare("keys", "new", path)
            self.made_keys[name] = (path.read_text(), public.read_text())
        return str(public)

    def agency(self, code, domains, mappings, *words, **options):
        """Registers an agency and returns its agent."""
        self.prepare("agency", "add", code, "--name", code, "--domain", domains, "--key", self.keys(code.lower()),
                     *words)
        self.wait_in_force()
        return Publisher(self, code, mappings, **options)

    def committee(self, name, domains, fields, *words):
        self.prepare("subscription", "add", name, "--subscriber", name, "--legal-basis", "a test", "--valid-from",
                     "2020-01-01", "--valid-to", "2099-12-31", "--domain", domains, "--field", fields, "--key",
                     self.keys(name), *words)
        self.wait_in_force()
        self.receivers[name] = Receiver(self, name)
        return self.receivers[name]

    def wait_in_force(self):
        """Whom a running broker does not know yet it turns away, and a socket that was turned away does not come
        again. That a change is in the log does not tell: whoever writes there may have seen it first. So the broker
        must have looked, too: its first look may have begun before the change, and what the second one finds holds
        once there is a third."""
        if self.broker and self.broker.running():
            self.wait_until("SELECT count(*) FROM exchange.policy_change WHERE logged_position IS NULL", 0)
            for _ in range(3):
                self.wait_look()

    def wait_look(self):
        """Until each broker has come to the last statement of a look at who may what."""
        now = self.cluster.value("SELECT clock_timestamp()::text FROM pg_notify('dongbo_policy', '')")
        self.wait_until("SELECT bool_and(state = 'idle' AND query ~ 'exchange.weight_model' AND "
                        f"query_start > '{now}') FROM pg_stat_activity WHERE datname = current_database() AND "
                        "application_name = 'dongbo policy'", True)

    def load_population(self, rows):
        """A path, or a list of dictionaries."""
        path = rows
        if not isinstance(rows, (str, pathlib.Path)):
            path = write_csv(self.directory / "population.csv", rows, POPULATION)
        self.prepare("population", "load", path)

    def start_broker(self):
        self.ready.unlink(missing_ok=True)
        self.broker = self.start([BUILD / "broker/dongbo-broker", "--config", self.directory / "broker.yaml"],
                                 self.directory / "broker.log")
        self.broker.wait_for(self.ready.exists, "the broker's start")
        return self.broker

    def start_second_broker(self):
        """Another one on the same database, at publish2."""
        path, ready = self.directory / "second.yaml", self.directory / "second.ready"
        config = (self.directory / "broker.yaml").read_text()
        path.write_text(config.replace(self.publish, self.publish2).replace(self.subscribe, f"{self.subscribe}2")
                        .replace(self.ready.name, ready.name))
        second = self.start([BUILD / "broker/dongbo-broker", "--config", path], self.directory / "second.log")
        second.wait_for(ready.exists, "the second broker's start")
        return second

    def log(self, *words):
        """The sync log from its beginning, as `dongbo log tail --json` gives it."""
        done = self.dongbo("log", "tail", "--json", "--since", "1", *words)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def wait_until(self, sql, value, seconds=60):
        """Until the query's one value is this: the broker decides by itself, so its database is what to look at."""
        self.broker.wait_for(lambda: self.cluster.value(sql) == value, f"{sql} = {value}", seconds)

    def country(self, *words):
        """A synthetic country's tables. Returns their directory."""
        data = self.directory / "country"
        self.run(TOOLS / "tests/country/country", "--out", data, *words, check=True)
        return data

    def score(self, data):
        """Scores what has been done so far; every committee of this exchange is looked at."""
        admin = self.cluster.conninfo()
        done = self.run(TOOLS / "tests/country/score", "--exchange", admin, "--population", admin, "--data", data,
                        *[f"{name}={receiver.directory}" for name, receiver in self.receivers.items()], seconds=300)
        assert done.returncode in (0, 1), done.stderr
        score = json.loads(done.stdout.splitlines()[-1])
        score["told"] = done.stderr
        return score

    def stop(self):
        """Ends what still runs, as a service manager would, and gives what there is to complain about."""
        wrong = []
        deadline = time.monotonic() + 60
        for process in reversed(self.processes):
            try:
                code = process.stop(max(1, deadline - time.monotonic())) if process.running() else 0
                if code != 0:
                    wrong.append(f"{process.popen.args[0]} ended with {code}\n{process.text()}")
            except AssertionError as late:
                wrong.append(str(late))
        return wrong

    def kill(self):
        for process in self.processes:
            process.kill()


@contextlib.contextmanager
def open_exchange(cluster, directory):
    """A test that has passed fails here if a program does not end well."""
    made = Exchange(cluster, directory)
    try:
        made.set_up()
        yield made
        wrong = made.stop()
    finally:
        made.kill()
        told = sanitizer_reports()
        told += [process.text() for process in made.processes if process.popen.returncode == SANITIZER_EXIT]
        assert not told, "\n".join(told)
    assert not wrong, "\n".join(wrong)


@contextlib.contextmanager
def open_site(template):
    """An exchange with a server of its own, for a module's tests to share."""
    with open_workdir() as directory, open_cluster(directory, template) as cluster, \
            open_exchange(cluster, directory) as made:
        yield made


@pytest.fixture
def exchange(request, workdir):
    """An initialised exchange without agencies; the test starts what it needs. It has a database of its own; marked
    postgres, a server of its own."""
    own = request.node.get_closest_marker("postgres")
    with open_exchange(request.getfixturevalue("cluster" if own else "database"), workdir) as made:
        yield made


# ---- no wait without a bound ---------------------------------------------------------------------------------------

def bounded():
    """Fails a phase of a test, wherever it waits, with the place in its traceback."""
    def late(*_):
        pytest.fail(f"not within {PHASE_SECONDS} s")
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PHASE_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup():
    yield from bounded()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call():
    yield from bounded()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown():
    yield from bounded()


# ---- several processes, one suite ----------------------------------------------------------------------------------

def claimed(items):
    """The tests of those files that no other process has claimed in DONGBO_CLAIMS, a directory; each file when it is
    asked for."""
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    for path, tests in files.items():
        try:
            (pathlib.Path(os.environ["DONGBO_CLAIMS"]) / path.stem).touch(exist_ok=False)
        except FileExistsError:
            continue
        yield from tests


def pytest_runtestloop(session):
    if "DONGBO_CLAIMS" not in os.environ or session.testsfailed or session.config.option.collectonly:
        return None  # pytest's own loop
    mine = claimed(session.items)
    item = next(mine, None)
    while item:
        following = next(mine, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


def pytest_configure(config):
    # psycopg2 then waits in Python, where a signal gets through.
    psycopg2.extensions.set_wait_callback(psycopg2.extras.wait_select)
    config.addinivalue_line("markers", "fault: something fails that the exchange has to live through (tests/trust/run)")
    config.addinivalue_line("markers", "postgres(*settings): a PostgreSQL server of its own, with these settings")
