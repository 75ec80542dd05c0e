# SPDX-License-Identifier: Apache-2.0
"""Everything over a PostgreSQL server that speaks TLS only, and whose certificate is checked against its name: as the
sample configuration has it."""
import contextlib
import datetime
import ipaddress
import os
import re
import shutil
import subprocess

import psycopg2
import pytest
import yaml
from conftest import BUILD, ROOT, Cluster, open_exchange
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import people

NAME = "db.exchange.test"
HBA = """local all postgres trust
local all all reject
hostssl all all 127.0.0.0/8 trust
"""


def certificate(name, key, issuer=None, issuer_key=None):
    """A certificate for this name; its own issuer where none is given."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
               .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True))
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256())


def write_certificate(path, made):
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


def make_authority(directory, name):
    """A certificate authority's file, its certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = certificate(name, key)
    return write_certificate(directory / f"{name}.crt", made), made, key


class TlsCluster(Cluster):
    """Roles come over TLS; the test itself, as superuser, over the socket."""

    def __init__(self, directory, address, authority):
        user = subprocess.run([ROOT / "deploy/cluster", "user"], capture_output=True, text=True, check=True).stdout
        path, issuer, issuer_key = authority
        key = ec.generate_private_key(ec.SECP256R1())
        files = {"server.crt": certificate(NAME, key, issuer, issuer_key).public_bytes(serialization.Encoding.PEM),
                 "server.key": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                 serialization.NoEncryption()),
                 "hba.conf": HBA.encode()}
        for name, content in files.items():
            (directory / name).touch(0o600)
            (directory / name).write_bytes(content)
            if os.getuid() == 0:
                shutil.chown(directory / name, user.strip())
        super().__init__(directory, ("fsync=off", "ssl=on", f"ssl_cert_file={directory}/server.crt",
                                     f"ssl_key_file={directory}/server.key", f"hba_file={directory}/hba.conf",
                                     f"listen_addresses={address}"))
        self.address = address
        self.authority = path

    def conninfo(self, user="postgres", database="dongbo", **other):
        if user == "postgres":
            return super().conninfo(user, database)
        said = {"host": NAME, "hostaddr": self.address, "user": user, "dbname": database, "sslmode": "verify-full",
                "sslrootcert": self.authority, **other}
        return " ".join(f"{name}={value}" for name, value in said.items())


@pytest.fixture
def authority(workdir):
    return make_authority(workdir, "authority")


@pytest.fixture
def exchange(workdir, template, authority):
    """An address of its own, for the port is always the same."""
    address = str(ipaddress.IPv4Address(0x7f000000 | int.from_bytes(os.urandom(3), "big") & 0xfffffe | 2))
    subprocess.run(["cp", "-a", str(template), str(workdir / "pg")], check=True, timeout=60)
    cluster = TlsCluster(workdir / "pg", address, authority)
    cluster.start()
    with contextlib.ExitStack() as stack:
        stack.callback(cluster.stop, "immediate")
        yield stack.enter_context(open_exchange(cluster, workdir))


def test_a_whole_exchange_over_tls_alone(exchange):
    exchange.load_population(people.citizens(10))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    committee = exchange.committee("hn", "health", "health.lot_number")
    exchange.start_broker()
    moh.drop("vaccinations", "a.csv", [people.dose_row(n) for n in range(5)])
    moh.once(expect=0)
    committee.until_head()
    assert len(committee.records()) == 5
    assert "MOH" in exchange.dongbo("status").stdout
    sessions = exchange.cluster.rows("SELECT a.application_name, s.ssl, s.version FROM pg_stat_activity a "
                                     "JOIN pg_stat_ssl s USING (pid) WHERE a.usename LIKE 'dongbo%%'")
    assert len(sessions) > 3 and all(ssl for _, ssl, _ in sessions), sessions
    assert {version for _, _, version in sessions} <= {"TLSv1.2", "TLSv1.3"}


@pytest.mark.parametrize("other, says", [
    ({"sslrootcert": "{directory}/other.crt"}, "certificate verify failed"),
    ({"host": "another.exchange.test"}, "does not match host name"),
    ({"sslrootcert": "{directory}/none.crt"}, "does not exist"),
    ({"sslmode": "disable", "sslrootcert": ""}, "no encryption")])
def test_what_is_not_the_right_server_gets_no_password(exchange, other, says):
    make_authority(exchange.directory, "other")
    other = {name: value.format(directory=exchange.directory) for name, value in other.items()}
    other = {name: value or "''" for name, value in other.items()}
    right = exchange.cluster.conninfo("dongbo_operator")
    exchange.config.write_text(exchange.config.read_text().replace(
        right, exchange.cluster.conninfo("dongbo_operator", **other)))
    done = exchange.dongbo("status", check=False)
    assert done.returncode == 3 and says in done.stderr, done.stderr


def texts(value):
    """Every text in a YAML document."""
    if isinstance(value, dict):
        value = list(value.values())
    return [text for one in value for text in texts(one)] if isinstance(value, list) else [str(value)]


# ---- agents and brokers --------------------------------------------------------------------------------------------

class Agents:
    """A ministry with an outbox and a committee with tables, in a database that both reach over TLS alone."""

    def __init__(self, exchange):
        self.exchange = exchange
        cluster = exchange.cluster
        cluster.rows("CREATE ROLE keeper LOGIN")
        cluster.rows("CREATE DATABASE theirs OWNER keeper")
        self.keeper = psycopg2.connect(cluster.conninfo("keeper", "theirs"))
        self.keeper.autocommit = True
        columns = ", ".join(f"{name} text" for name in people.dose_row(0))
        self.run((ROOT / "agents/outbox.sql").read_text())
        self.run(f"CREATE TABLE vaccination ({columns}, PRIMARY KEY (row_id))")
        self.run("CREATE TRIGGER dongbo_outbox AFTER INSERT OR UPDATE OR DELETE ON vaccination "
                 "FOR EACH ROW EXECUTE FUNCTION public.dongbo_outbox_add()")
        self.moh = exchange.agency("MOH", "health", [])
        self.committee = exchange.committee("hn", "health", "health.lot_number")
        self.configure()

    def configure(self, **other):
        conninfo = self.exchange.cluster.conninfo("keeper", "theirs", **other)
        head = self.moh.config.read_text().split("sources:")[0]
        self.moh.config.write_text(f'{head}sources:\n  - {{name: outbox, kind: outbox, conninfo: "{conninfo}", '
                                   f"mapping: {ROOT}/deploy/sample/mappings/vaccinations.yaml}}\n")
        head = self.committee.config.read_text().split("sink:")[0]
        self.committee.config.write_text(f'{head}sink: {{kind: postgres, conninfo: "{conninfo}", schema: received}}\n')

    def run(self, sql, *parameters):
        with self.keeper.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def insert(self, row):
        self.run(f"INSERT INTO vaccination VALUES ({', '.join(['%s'] * len(row))})", *[str(v) for v in row.values()])


@pytest.fixture
def agents(exchange):
    exchange.load_population(people.citizens(10))
    made = Agents(exchange)
    exchange.start_broker()
    yield made
    made.keeper.close()


def test_agents_reach_their_own_databases_over_tls_alone(agents):
    for n in range(5):
        agents.insert(people.dose_row(n))
    agents.moh.once(expect=0)
    agents.committee.until_head()
    assert agents.run("SELECT count(*) FROM received.health") == [(5,)]
    assert agents.run("SELECT DISTINCT ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
                      "WHERE a.usename = 'keeper'") == [(True,)]


WRONG = [({"sslrootcert": "{directory}/other.crt"}, "certificate verify failed"),
         ({"host": "another.exchange.test"}, "does not match host name")]


def wrong_server(exchange, other):
    make_authority(exchange.directory, "other")
    return {name: value.format(directory=exchange.directory) for name, value in other.items()}


@pytest.mark.parametrize("other, says", WRONG)
def test_agents_work_with_no_other_server(agents, other, says):
    agents.insert(people.dose_row(1))
    agents.configure(**wrong_server(agents.exchange, other))
    for run in (lambda: agents.moh.once(timeout=3), lambda: agents.committee.until_head(timeout=3, expect=4)):
        run()
    for agent in (agents.moh, agents.committee):
        assert says in agent.log.read_text() and "the name in its certificate" in agent.log.read_text()
    assert agents.run("SELECT to_regclass('received.health')") == [(None,)]
    assert agents.exchange.cluster.value("SELECT count(*) FROM exchange.segment WHERE kind = 1") == 0
    agents.configure()
    agents.moh.once(expect=0)
    agents.committee.until_head()
    assert agents.run("SELECT count(*) FROM received.health") == [(1,)]


@pytest.mark.parametrize("other, says", WRONG)
@pytest.mark.parametrize("role", ["dongbo_broker", "dongbo_population_reader", "dongbo_population_writer"])
def test_a_broker_works_with_no_other_server(exchange, role, other, says):
    config = exchange.directory / "broker.yaml"
    right = exchange.cluster.conninfo(role)
    wrong = exchange.cluster.conninfo(role, **wrong_server(exchange, other))
    assert right in config.read_text()
    config.write_text(config.read_text().replace(right, wrong))
    broker = exchange.start([BUILD / "broker/dongbo-broker", "--config", config], exchange.directory / "broker.log")
    broker.wait_for(lambda: says in broker.text(), "what is wrong with the server")
    assert role == "dongbo_population_writer" or not exchange.ready.exists()
    broker.kill()


@pytest.mark.parametrize("name", ["broker.yaml", "dongbo.yaml", "receive-database.yaml", "publish-outbox.yaml"])
def test_the_sample_configuration_checks_the_servers_name(name):
    found = [text for text in texts(yaml.safe_load((ROOT / "deploy/sample" / name).read_text(encoding="utf-8")))
             if re.search(r"\bdbname=", text)]
    assert len(found) >= (3 if name in ("broker.yaml", "dongbo.yaml") else 1)
    for conninfo in found:
        assert "sslmode=verify-full" in conninfo and "sslrootcert=/" in conninfo, conninfo
