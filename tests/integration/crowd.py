# SPDX-License-Identifier: Apache-2.0
"""Many subscriptions at once, each with other rights, read by peers of one process: how long a record takes to all of
them whom it concerns, and what somebody beside them does to that."""
import statistics
import time

import zmq

import people
import wire

FIELDS = ["health.vaccine_group", "health.dose_number", "health.product_code", "health.occurrence_date",
          "health.facility_code", "health.status"]  # beside the lot, which every event changes
CREDIT = 4 * 1024 * 1024


def register(exchange, names):
    """Subscriptions straight into the tables, for a command each would take longer than what is measured. Every fourth
    sees other provinces than the tests' citizens live in. Their keys."""
    keys = {}
    for i, name in enumerate(names):
        keys[name] = wire.Keys.new()
        fields = ["health.lot_number"] + [field for bit, field in enumerate(FIELDS) if i % 64 >> bit & 1]
        provinces = {0: [], 1: ["01"], 2: ["01", "79"], 3: ["48", "79"]}[i % 4]
        exchange.cluster.rows(
            "WITH s AS (INSERT INTO exchange.subscription (name, subscriber, secret) VALUES (%s, 'x', sha256(%s)) "
            "RETURNING subscription), k AS (INSERT INTO exchange.key (key, purpose, subscription) "
            "SELECT %s, 'curve', subscription FROM s) INSERT INTO exchange.subscription_policy (subscription, version, "
            "position, legal_basis, valid_from, valid_to, domains, provinces, fields) SELECT subscription, 1, 1, "
            "'a test', '2020-01-01', '2099-12-31', ARRAY[2::smallint], %s, %s FROM s",
            name, name.encode(), keys[name].curve_public, provinces, fields)
    return keys


def take_one(reader):
    """What is there of a frame; whether it had records."""
    received = reader.receive(0)
    if received is None:
        return False
    reader.take_frame(received)
    if reader.allowed - reader.taken < CREDIT // 2:
        reader.credit(CREDIT // 2)
    return received.type == wire.RECORDS


class Crowd:
    """Readers of all of them, with a session each, that take what comes."""

    def __init__(self, exchange, n):
        self.exchange = exchange
        self.names = [f"crowd-{i:03}" for i in range(n)]
        self.keys = register(exchange, self.names + ["stalled"])
        self.poller = zmq.Poller()
        self.readers = {}
        self.serial = 0

    def open(self):
        """Once the broker has started: it must know them all, for who is turned away does not come again."""
        server = wire.keys_of(self.exchange, "broker").curve_public
        for i, name in enumerate(self.names):
            reader = self.reader(name, server)
            self.readers[reader.socket] = reader
            reader.sees = i % 4 != 3
            self.poller.register(reader.socket, zmq.POLLIN)
        for reader in self.readers.values():
            reader.hello(from_position=self.head())
            reader.credit(CREDIT)

    def reader(self, name, server, **options):
        return wire.Subscriber(self.exchange.subscribe, self.keys[name], server, name, **options)

    def head(self):
        return self.exchange.cluster.value("SELECT coalesce((SELECT last_position FROM exchange.head), 0)")

    def stalled(self):
        """One with all the credit that there is, which takes nothing."""
        peer = self.reader("stalled", wire.keys_of(self.exchange, "broker").curve_public, rcvhwm=1, rcvbuf=4096)
        peer.hello(from_start=True)
        peer.credit(1 << 40)
        return peer

    def record_comes(self, moh):
        """One event, to everybody whom it concerns: milliseconds to half of them, and to the last."""
        waiting = {socket for socket, reader in self.readers.items() if reader.sees}
        self.serial += 1
        begin, took = time.monotonic(), []
        moh.send_batch([people.dose(self.serial % 200, 1, key=f"crowd-{self.serial}",
                                    body=people.dose_body(1, lot_number=f"L{self.serial:09}"),
                                    event_time_us=1640000000000000 + self.serial)])
        while waiting:
            ready = self.poller.poll(20000)
            assert ready, f"{len(waiting)} readers got nothing"
            for socket, _ in ready:
                reader = self.readers[socket]
                if take_one(reader) and socket in waiting:
                    took.append(1000 * (time.monotonic() - begin))
                    waiting.discard(socket)
        moh.receipt()
        return statistics.median(took), max(took)

    def close(self):
        for reader in self.readers.values():
            reader.close()


def lengthen(exchange, moh, n):
    """Makes the log n records longer by storing one segment of 1,000 of them again and again, which the chain of hashes
    does not survive; nobody who only reads the feed notices. No broker may write meanwhile."""
    moh.publish([people.dose(i % 200, 1 + i // 200, key=f"long-{i}") for i in range(1000)])
    exchange.wait_in_force()
    exchange.cluster.rows(
        "WITH last AS (SELECT * FROM exchange.segment ORDER BY first_position DESC LIMIT 1) "
        "INSERT INTO exchange.segment SELECT first_position + 1000 * i, last_position + 1000 * i, epoch, format, kind, "
        "agency, stream, first_sequence, last_sequence, NULL, stored_at_us, population_position, leaf_index, hash, "
        "frontier, summary, payload, batch FROM last, generate_series(1, %s) i", n // 1000 - 1)
