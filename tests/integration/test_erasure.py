# SPDX-License-Identifier: Apache-2.0
"""What a law orders erased goes from everywhere, committees are told, and every proof holds."""
import concurrent.futures
import json
import re

import pytest

import logbook
import people
import wire

FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.lot_number"
ORDER = "Law 91/2025, order 7"


def dose(n, number=1, about=None, key=None, **body):
    return people.dose(n, number, about=about, key=key, body=people.dose_body(number, **body))


@pytest.fixture
def health(exchange):
    with people.ministry(exchange, 20, FIELDS) as peer:
        yield peer


def erase(exchange, *words, check=True):
    return exchange.dongbo("erase", *words, check=check)


def preview(exchange, *words):
    return json.loads(erase(exchange, *words, "--dry-run", "--json").stdout)


def carry_out(exchange, *words):
    n = preview(exchange, *words)["entries"]
    done = erase(exchange, *words, "--order", ORDER, "--by", "the committee", "--yes", "--expect", n)
    assert f"erased {n} entries" in done.stdout
    return n


def verify(exchange, code=0, **files):
    path = exchange.directory / "log.dlog"
    exchange.dongbo("log", "export", "--payloads", path)
    done = exchange.dongbo("log", "verify", "--json", path, "--keys", exchange.keys("moh"), check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def everything(exchange):
    """All bytes that the exchange's database keeps, with what is compressed as it was."""
    found = b""
    tables = exchange.cluster.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'exchange' "
                                   "AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'segment%%'")
    for [table] in tables:
        for [text] in exchange.cluster.rows(f"SELECT t::text FROM exchange.{table} t"):
            found += text.encode() + b"".join(bytes.fromhex(one) for one in re.findall(r"\\x((?:[0-9a-f]{2})+)", text))
    for row in exchange.cluster.rows("SELECT summary, payload, batch FROM exchange.segment"):
        summary, payload, batch = (bytes(value) if value is not None else b"" for value in row)
        found += logbook.unpack_zstd(summary) + (logbook.unpack_zstd(payload) if payload else b"") + batch
    return found


def test_an_event_goes_from_everywhere(exchange, health):
    first = health.publish([dose(n, lot_number=f"SECRET-{n}") for n in range(5)]).body.first_position
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    assert len(receiver.records()) == 5 and b"SECRET-2" in everything(exchange)
    before = verify(exchange)
    said = erase(exchange, "--event", first + 2, "--dry-run").stdout
    assert "would be erased: 1 entries of the log, of which 1 are events" in said
    assert b"SECRET-2" in everything(exchange)
    assert carry_out(exchange, "--event", first + 2) == 1
    kept = everything(exchange)
    assert b"SECRET-2" not in kept and b"SECRET-1" in kept and b"SECRET-3" in kept
    # Who had it is told, and who reads from the beginning never hears of it.
    receiver.until_head()
    gone = receiver.records()[-1]
    assert gone["change"] == "delete" and gone["record"] == receiver.records()[2]["record"]
    with wire.subscriber(exchange, "hn") as peer:
        peer.hello(from_start=True)
        peer.take_all(gone["position"])
        assert [record.position for record in peer.records] == [first, first + 1, first + 3, first + 4,
                                                                gone["position"]]
    # The log is whole, says which and by whose order, and nothing of it was chained anew.
    after = verify(exchange)
    assert after["entries_erased"] == 1 and after["signatures_good"] == before["signatures_good"]
    assert after["erased"] == [{"position": first + 2, "tombstone": gone["position"],
                                "order": f"{ORDER}, by the committee", "by": "dongbo_operator"}]
    tail = [line for line in exchange.log() if line["kind"] == "erasure"]
    assert [line["text"] for line in tail] == [f"erased position {first + 2}: {ORDER}, by the committee"]
    # Sent again, it is answered as before; the citizen has nothing of it.
    assert "(withdrawn as a whole)" in exchange.dongbo("citizen", people.citizen(2)["citizen_number"]).stdout
    assert "nothing was done" in erase(exchange, "--event", first + 1, "--dry-run").stdout
    again = erase(exchange, "--event", first + 2, "--dry-run", check=False)
    assert again.returncode == 2 and "holds it no longer" in again.stderr


def test_what_others_said_stays(exchange, health):
    first = health.publish([dose(1, lot_number="OTHER")]).body.first_position
    second = health.publish([dose(1, key="b", lot_number="SECRET")]).body.first_position
    third = health.publish([dose(1, key="c", product_code="EU/1/20/1507")]).body.first_position
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    lots = [record["fields"].get("lot_number") for record in receiver.records()]
    assert lots[:2] == ["OTHER", "SECRET"]
    assert carry_out(exchange, "--event", second) == 2  # the third's entry repeats what the second said
    assert b"SECRET" not in everything(exchange)
    receiver.until_head()
    left = receiver.records()[-1]
    assert left["change"] == "upsert" and left["fields"]["lot_number"] == "OTHER"
    said = verify(exchange)
    assert [one["position"] for one in said["erased"]] == [second, third] and said["entries_erased"] == 2
    assert b"EU/1/20/1507" in everything(exchange) and first < second


def test_all_of_a_citizen_goes(exchange, health):
    number = people.citizen(3)["citizen_number"]
    health.publish([dose(n, 1, lot_number=f"LOT-{n}-A") for n in range(5)])
    health.publish([dose(3, 2, lot_number="LOT-3-B"),
                    dose(3, 3, about=people.subject(3, full_name="Somebody Else"), lot_number="LOT-3-C")])
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    assert exchange.cluster.value("SELECT count(*) FROM exchange.exception WHERE open") == 1
    assert carry_out(exchange, "--citizen", number) == 3
    kept = everything(exchange)
    assert not re.search(rb"LOT-3-", kept) and b"Somebody Else" not in kept and b"LOT-4-A" in kept
    assert exchange.cluster.value("SELECT count(*) FROM exchange.exception WHERE open") == 0
    receiver.until_head()
    assert [record["change"] for record in receiver.records()[-2:]] == ["delete", "delete"]
    assert verify(exchange)["entries_erased"] == 3


def test_what_goes_without_a_tombstone_is_missed(exchange, health):
    first = health.publish([dose(n) for n in range(3)]).body.first_position
    carry_out(exchange, "--event", first)
    # A second one, by hand: as if somebody with root had erased it in silence.
    exchange.cluster.rows("INSERT INTO exchange.erasure (position, ordered, agency, logged_position, stream, sequence) "
                          "SELECT %s, 'none', agency, 1, stream, 2 FROM exchange.segment WHERE first_position = %s",
                          first + 1, first)
    erase(exchange, "--event", first + 2, "--order", ORDER, "--yes")
    said = verify(exchange, code=1)
    [broken] = said["breaks"]
    assert (broken["position"], broken["what"], broken["is"]) == (first + 1, "entry", "erased")


def test_who_may_not_and_what_is_not_understood(exchange, health):
    first = health.publish([dose(1)]).body.first_position
    for words, says in [((), "one of them"), (("--event", first, "--citizen", "1"), "one of them"),
                        (("--event", "x", "--dry-run"), "32 hexadecimal digits"),
                        (("--event", first, "--yes"), "needs --order"),
                        (("--event", first, "--order", ORDER), "nobody to ask"),
                        (("--event", first, "--order", ORDER, "--yes", "--dry-run"), "not both"),
                        (("--event", first + 99, "--dry-run"), "no event"),
                        (("--event", first, "--order", " ", "--yes"), "needs --order"),
                        (("--event", first, "--order", "x" * 300, "--yes"), "bytes at most"),
                        (("--event", first, "--order", ORDER, "--yes", "--expect", "2"), "there are 1 entries now")]:
        done = erase(exchange, *words, check=False)
        assert done.returncode == 2 and says in done.stderr, words
    assert exchange.cluster.value("SELECT count(*) FROM exchange.erasure") == 0
    for role in ("dongbo_reader", "dongbo_reviewer"):
        for sql in ("INSERT INTO exchange.erasure (position, ordered, agency) VALUES (1, 'x', 1)",
                    "SELECT exchange.erase_done('{1}')", "SELECT exchange.erase_segment(1, '', NULL, NULL, NULL)"):
            with pytest.raises(Exception, match="permission denied"):
                exchange.cluster.rows(sql, user=role)
    # Nothing goes that no tombstone names.
    assert exchange.cluster.value("SELECT exchange.erase_segment(%s, '', NULL, NULL, NULL)", first,
                                  user="dongbo_operator") == 0


def test_two_who_erase_take_turns(exchange, health):
    """Or one of them would put back what the other has taken out of the same segment since it was read."""
    first = health.publish([dose(n, lot_number=f"SECRET-{n}") for n in range(3)]).body.first_position
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with exchange.cluster.holding("SELECT exchange.lock_erasures()"):
            done = pool.submit(carry_out, exchange, "--event", first)
            exchange.wait_until("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                "AND query LIKE '%%lock_erasures%%'", 1)
            assert b"SECRET-0" in everything(exchange)
        assert done.result() == 1
    kept = everything(exchange)
    assert b"SECRET-0" not in kept and b"SECRET-1" in kept
