# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server that somebody else manages: its customer owns the database and may make roles, and is no
superuser, nor is anybody else whom they know."""
import pytest
from conftest import Cluster, open_exchange

import people
import wire

OWNER = "customer"


class ManagedCluster(Cluster):
    """Whoever does not say who they are is the database's owner."""

    def start(self):
        super().start()
        self.rows(f"CREATE ROLE {OWNER} LOGIN CREATEROLE", user="postgres")
        self.rows(f"ALTER DATABASE dongbo OWNER TO {OWNER}", user="postgres")

    def conninfo(self, user=OWNER, database="dongbo"):
        return super().conninfo(user, database)

    def rows(self, sql, *parameters, user=OWNER):
        return super().rows(sql, *parameters, user=user)


@pytest.fixture
def exchange(workdir):
    cluster = ManagedCluster(workdir / "pg", ("fsync=off",))
    cluster.start()
    try:
        with open_exchange(cluster, workdir) as made:
            yield made
    finally:
        cluster.stop("immediate")


def test_an_exchange_needs_no_superuser(exchange):
    for _ in range(2):
        exchange.dongbo("init")
    assert exchange.cluster.rows("SELECT rolname FROM pg_roles WHERE (rolsuper OR rolbypassrls) "
                                 "AND rolname <> 'postgres'") == []
    exchange.load_population(people.citizens(10))
    exchange.agency("MOH", "health", [])
    exchange.committee("hn", "health", "health.lot_number")
    exchange.start_broker()
    with wire.publisher(exchange, "MOH") as peer:
        peer.hello()
        peer.publish([people.dose(n) for n in range(5)])
        peer.publish([people.dose(1, key="other", number=2, about=people.subject(1, full_name="Vũ Thị Khác"))])
    with wire.subscriber(exchange, "hn") as peer:
        peer.hello()
        peer.take_all(6)
    number = people.citizen(1)["citizen_number"]
    assert "health" in exchange.dongbo("citizen", number).stdout
    assert exchange.dongbo("review", "list").stdout.count("MOH") == 1
    assert [line["kind"] for line in exchange.log()].count("event") == 6
    assert exchange.cluster.value("SELECT count(*) FROM exchange.seen_version", user="dongbo_reviewer") == 0
