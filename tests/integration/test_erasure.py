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


def verify(exchange, code=0, tail=0, **files):
    path = exchange.directory / "log.dlog"
    exchange.dongbo("log", "export", "--payloads", path)
    done = exchange.dongbo("log", "tail", "--verify", "--since", 1, check=False)
    assert done.returncode == tail, done.stdout
    done = exchange.dongbo("log", "verify", "--json", path, "--keys", exchange.keys("moh"), check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def declare_trim(exchange):
    """As `dongbo log trim` does, up to the log's end."""
    upto = exchange.cluster.value("SELECT max(last_position) FROM exchange.segment")
    exchange.cluster.rows("INSERT INTO exchange.policy_change (text, position) VALUES ('log trimmed up to position "
                          f"{upto} by hand', exchange.next_position()); "
                          f"INSERT INTO exchange.trim (position) VALUES ({upto})")


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
    said = verify(exchange, code=1, tail=1)
    shown = exchange.dongbo("log", "tail", "--verify", "--since", 1, check=False).stdout
    assert shown.count("BROKEN") == 1
    assert f"{first + 1:10} BROKEN entry: is erased, should be there, for no tombstone says by whose order" in shown
    [broken] = said["breaks"]
    assert (broken["position"], broken["what"], broken["is"]) == (first + 1, "entry", "erased")
    # Nor does it help to say that the tombstone comes later than the log ends, or again.
    exchange.cluster.rows("UPDATE exchange.erasure SET logged_position = 1000000000 WHERE position = %s", first + 1)
    said = verify(exchange, code=1, tail=1)
    [broken] = said["breaks"]
    assert (broken["position"], broken["is"], broken["should"]) == (
        first + 1, "1000000000", f"at most {said['last_position']}, where the log ended")
    exchange.broker.stop()
    exchange.cluster.rows("UPDATE exchange.erasure SET logged_position = NULL WHERE position = %s", first + 1)
    [broken] = verify(exchange, code=1, tail=2)["breaks"]  # it does not know but that an older tombstone is there
    assert (broken["position"], broken["what"], broken["is"]) == (first + 1, "entry", "erased")


def test_a_part_lacks_the_tombstones_behind_it(exchange, health):
    first = health.publish([dose(n) for n in range(3)]).body.first_position
    carry_out(exchange, "--event", first)
    a, b = exchange.directory / "a.dlog", exchange.directory / "b.dlog"
    exchange.dongbo("log", "export", "--payloads", "--to", first, a)
    exchange.dongbo("log", "export", "--payloads", "--from", first + 3, b)
    [part, joined] = [json.loads(exchange.dongbo("log", "verify", "--json", *files).stdout) for files in ([a], [a, b])]
    assert (part["whole"], part["let_go_unproven"], part["let_go_not_logged"]) == (True, 1, 0)
    assert part["last_position"] < part["log_last_position"] <= joined["last_position"] == joined["log_last_position"]
    assert (joined["whole"], joined["entries_erased"], joined["let_go_unproven"]) == (True, 1, 0)
    shown = exchange.dongbo("log", "verify", a).stdout
    assert "1 entries that say what was let go stand behind these files" in shown
    assert shown.endswith("\nwhole as far as it goes, WITHOUT ENTRIES that say what was let go\n")


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


ROW = ("INSERT INTO exchange.erasure (position, ordered, agency, leaf, stream, sequence, person, domain, record_key, "
       "event_id, event_time_us, about) VALUES (%s, 'by hand', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)")


def entry_rows(exchange, first):
    """What `dongbo erase` says of each event of the segment that begins there."""
    [(agency, stream, sequence, summary, payload)] = exchange.cluster.rows(
        "SELECT agency, stream, first_sequence, summary, payload FROM exchange.segment "
        "WHERE first_position = %s", first)
    entries = wire.SegmentPayload.FromString(logbook.unpack_zstd(bytes(payload))).entries
    lines = wire.SegmentSummary.FromString(logbook.unpack_zstd(bytes(summary))).lines
    return [{"position": first + i, "agency": agency, "leaf": lines[i].leaf, "stream": bytes(stream),
             "sequence": sequence + i,
             "person": entry.person, "domain": entry.domain, "record_key": entry.record_key,
             "event_id": entry.event_id, "event_time_us": entry.event_time_us, "about": entry.person}
            for i, entry in enumerate(entries)]


def order_by_hand(exchange, row):
    exchange.cluster.rows(ROW, *row.values(), user="dongbo_operator")
    exchange.wait_until("SELECT count(*) FROM exchange.erasure WHERE logged_position IS NULL AND refused IS NULL", 0)
    return exchange.cluster.rows("SELECT logged_position, refused FROM exchange.erasure WHERE position = %s",
                                 row["position"])[0]


def test_an_order_by_hand_takes_only_what_stands_at_its_position(exchange, health):
    first = health.publish([dose(n, lot_number=f"SECRET-{n}") for n in range(4)]).body.first_position
    rows = entry_rows(exchange, first)
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    head = exchange.cluster.value("SELECT last_position FROM exchange.head")
    one, other = rows[1], rows[2]
    word = {key: other[key] for key in ("person", "domain", "record_key", "event_id", "event_time_us", "about")}
    for wrong, says in [(word, "about another person"), ({**word, "about": one["about"]}, "another event"),
                        ({"about": None}, "about another person"),  # who was told of it is kept by whom it is about
                        ({"event_time_us": one["event_time_us"] + 1}, "another time"),
                        ({"person": other["person"]}, "another person"),
                        ({"record_key": "another"}, "another record"), ({"domain": 3}, "another record"),
                        ({"agency": one["agency"] + 1}, "another agency"), ({"leaf": None}, "another leaf"),
                        ({"leaf": other["leaf"]}, "another leaf"),
                        ({"sequence": other["sequence"]}, "another place in its stream"),
                        ({"position": head + 1000}, "no entry there"), ({"position": head}, None)]:
        row = {**one, **wrong}
        logged, refused = order_by_hand(exchange, row)
        assert logged is None and refused and (says is None or says in refused), (wrong, refused)
        exchange.cluster.rows("DELETE FROM exchange.erasure WHERE position = %s", row["position"])
    assert exchange.cluster.value("SELECT last_position FROM exchange.head") == head, "no tombstone"
    assert all(f"SECRET-{n}".encode() in everything(exchange) for n in range(4))
    with pytest.raises(Exception, match="erasure_word"):
        exchange.cluster.rows(ROW, *{**one, "record_key": None}.values(), user="dongbo_operator")
    # Others say so; and whoever was refused has no say in whether it goes by an order that fits.
    order_by_hand(exchange, {**one, **word})
    done = erase(exchange, "--event", first + 3, "--order", ORDER, "--yes")
    assert f"to erase position {first + 1} was refused" in done.stderr
    assert carry_out(exchange, "--event", first + 1) == 1
    kept = everything(exchange)
    assert [b"SECRET-%d" % n in kept for n in range(4)] == [True, False, True, False]
    assert verify(exchange)["entries_erased"] == 2


def test_no_word_stays_where_nobody_finds_it(exchange, health):
    """An order by hand takes an event's entry, and not its word: no erasure of its citizen would come to that. Or it
    leaves the event in its batch."""
    first = health.publish([*(dose(n, lot_number=f"SECRET-{n}") for n in range(2)),
                            dose(3, occurrence_date="2999-01-01")]).body.first_position
    row, other, refused = entry_rows(exchange, first)
    silent = {**row, **dict.fromkeys(("person", "domain", "record_key", "event_id", "event_time_us"))}
    no_stream = {**silent, "stream": None, "sequence": None}
    for order, says in ((silent, "stay where nobody finds it"), (no_stream, "stay where nobody finds it"),
                        ({**row, "stream": None, "sequence": None}, "stay in its batch"),
                        ({**no_stream, "position": first + 2, "leaf": refused["leaf"], "about": refused["about"]},
                         "stay in its batch")):
        logged, why = order_by_hand(exchange, order)
        assert logged is None and says in why
        exchange.cluster.rows("DELETE FROM exchange.erasure")
    note = ("INSERT INTO exchange.erased_entry (position, person, domain, record_key, event_id, event_time_us, "
            "stream, sequence) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)")
    for noted in (other, {**row, "stream": None}, {**row, "sequence": row["sequence"] + 1}, row):
        exchange.cluster.rows(f"{ROW}; {note}", *no_stream.values(), first, *(noted[name] for name in (
            "person", "domain", "record_key", "event_id", "event_time_us", "stream", "sequence")),
                              user="dongbo_operator")
        exchange.wait_until("SELECT count(*) FROM exchange.erasure WHERE logged_position IS NULL AND refused IS NULL",
                            0)
        [(logged, refused)] = exchange.cluster.rows("SELECT logged_position, refused FROM exchange.erasure")
        assert (refused is None) == (noted is row)
        if refused:
            exchange.cluster.rows("DELETE FROM exchange.erased_entry")
            exchange.cluster.rows("DELETE FROM exchange.erasure")
    assert "erased 2 entries" in erase(exchange, "--event", first + 1, "--order", ORDER, "--yes").stdout
    assert b"SECRET-0" in everything(exchange), "its word"
    carry_out(exchange, "--citizen", people.citizen(0)["citizen_number"])
    assert all(f"SECRET-{n}".encode() not in everything(exchange) for n in range(2))
    verify(exchange)


def test_no_word_stays_behind_what_the_log_has_let_go(exchange, health):
    first = health.publish([dose(0, lot_number="SECRET")]).body.first_position
    [row] = entry_rows(exchange, first)
    exchange.receivers["hn"].until_head()
    declare_trim(exchange)
    exchange.cluster.rows("UPDATE exchange.segment SET payload = NULL, batch = NULL, about = NULL "
                          "WHERE first_position = %s", first)
    logged, refused = order_by_hand(exchange, {**row, **dict.fromkeys((
        "person", "domain", "record_key", "event_id", "event_time_us", "about"))})
    assert logged is None and "the content there is gone" in refused
    assert b"SECRET" in everything(exchange)
    carry_out(exchange, "--citizen", people.citizen(0)["citizen_number"])
    assert b"SECRET" not in everything(exchange)
    verify(exchange)


def test_a_tombstone_or_a_policy_is_not_erased(exchange, health):
    first = health.publish([dose(n) for n in range(2)]).body.first_position
    carry_out(exchange, "--event", first)
    log = exchange.log()
    for kind in ("erasure", "policy"):
        position = next(line["position"] for line in log if line["kind"] == kind)
        row = {**dict.fromkeys(entry_rows(exchange, first)[0]), "position": position, "agency": 0}
        logged, refused = order_by_hand(exchange, row)
        assert logged is None and refused == "the entry there is none that is erased", kind
    verify(exchange)


def test_what_went_with_another_is_erased_again_only_as_it_was_said(exchange, health):
    """Its entry has no content any more; what it said stands in the versions of its record."""
    first = health.publish([dose(1, lot_number="FIRST")]).body.first_position
    second = health.publish([dose(1, key="b", product_code="EU/1/20/1507")]).body.first_position
    third = health.publish([dose(1, key="c", lot_number="THIRD")]).body.first_position
    [own], [wrong] = entry_rows(exchange, second), entry_rows(exchange, third)
    said = exchange.cluster.rows
    assert carry_out(exchange, "--event", first) >= 2
    before = said("SELECT logged_position FROM exchange.erasure WHERE position = %s", second)
    said("UPDATE exchange.erased_entry SET event_id = %s, event_time_us = %s WHERE position = %s", wrong["event_id"],
         wrong["event_time_us"], second)
    said("SELECT exchange.erase_again(%s, 'by hand')", [second], user="dongbo_operator")
    exchange.wait_until("SELECT count(*) FROM exchange.erasure WHERE NOT done", 0)
    assert said("SELECT logged_position FROM exchange.erasure WHERE position = %s", second) == before
    assert "another event" in said("SELECT refused FROM exchange.erasure WHERE position = %s", second)[0][0]
    assert b"THIRD" in everything(exchange)
    said("UPDATE exchange.erased_entry SET event_id = %s, event_time_us = %s WHERE position = %s", own["event_id"],
         own["event_time_us"], second)
    carry_out(exchange, "--event", second)
    kept = everything(exchange)
    assert b"EU/1/20/1507" not in kept and b"THIRD" in kept
    verify(exchange)


def test_a_version_loses_what_the_event_said_and_nothing_else(exchange, health):
    health.publish([dose(1, lot_number="KEPT-LOT")])
    first = health.publish([dose(1, key="b", product_code="EU/1/20/1507")]).body.first_position
    [row] = entry_rows(exchange, first)
    logged, refused = order_by_hand(exchange, row)
    assert logged and refused is None
    record = wire.Record.FromString(bytes(exchange.cluster.value(
        "SELECT record FROM exchange.record_version WHERE position = %s", first)))
    assert b"KEPT-LOT" in record.body and b"EU/1/20/1507" in record.body and len(record.origins) == 2

    def changed(body=None, origins=None, **other):
        made = wire.Record(body=record.body if body is None else body, **other)
        made.origins.extend(record.origins if origins is None else origins)
        return made.SerializeToString()

    others = [origin for origin in record.origins if origin.event_id != row["event_id"]]
    own = [origin for origin in record.origins if origin.event_id == row["event_id"]]
    left = wire.Vaccination.FromString(record.body)
    left.ClearField("product_code")
    without = left.SerializeToString()
    left.lot_number = "MADE-UP"
    fewer = wire.Vaccination.FromString(without)
    fewer.ClearField("lot_number")
    for wrong in (b"", b"anything", record.SerializeToString(), changed(body=b"", origins=[]),
                  changed(left.SerializeToString(), others), changed(fewer.SerializeToString(), others),
                  changed(b"\xff\xff", others), changed(without, own), changed(without, others, retracted=True),
                  changed(without, [*others, wire.Origin(authority=1)]), changed(without, others) + b"\x0a\x00",
                  changed(without, others, lost=wire.Lost(body=b"made up"))):
        assert exchange.cluster.value("SELECT exchange.erase_version(%s, %s, %s)", first, first, wrong,
                                      user="dongbo_operator") == 0, wrong
    assert exchange.cluster.value("SELECT exchange.erase_version(%s, %s, %s)", first, first, changed(without, others),
                                  user="dongbo_operator") == 1
    carry_out(exchange, "--event", first)
    kept = everything(exchange)
    assert b"EU/1/20/1507" not in kept and b"KEPT-LOT" in kept
    verify(exchange)


def stored(message):
    """A zstd frame of blocks that are stored as they are."""
    plain = message if isinstance(message, bytes) else message.SerializeToString()
    frame = b"\x28\xb5\x2f\xfd\xa0" + len(plain).to_bytes(4, "little")
    blocks = [plain[at:at + 131072] for at in range(0, len(plain), 131072)] or [b""]
    return frame + b"".join((len(block) << 3 | (block is blocks[-1])).to_bytes(3, "little") + block for block in blocks)


def varint(value, size):
    return bytes(value >> 7 * i & 127 | 128 * (i < size - 1) for i in range(size))


def longer(message, more=0):
    """The same, and its first field's length as a number that no decoder takes."""
    plain = message.SerializeToString()
    n, begins = (plain[1], 2) if plain[1] < 128 else (plain[1] & 127 | plain[2] << 7, 3)
    return plain[:1] + varint(n + more, 10 if more else 6) + plain[begins:]


def padded(message):
    """The same, but for a line of it whose first length is such a number."""
    line = message.lines[0].SerializeToString()
    at = next(i for i in range(len(line)) if line[i] == 6 << 3 | 2 and line[i + 1] == 32)  # its leaf
    line = line[:at + 1] + varint(32, 6) + line[at + 2:]
    rest = copy(message)
    rest.ClearField("lines")
    rest.lines.extend(message.lines[1:])
    return b"\x0a" + varint(len(line), 2) + line + rest.SerializeToString()


def copy(message):
    return type(message).FromString(message.SerializeToString())


def test_a_segment_loses_what_is_erased_and_nothing_else(exchange, health):
    """By psql, under a tombstone: each is held against what the log committed to when it was written."""
    first = health.publish([dose(n, lot_number=f"SECRET-{n}") for n in range(4)]).body.first_position
    row = entry_rows(exchange, first)[1]
    assert order_by_hand(exchange, row)[1] is None
    columns = exchange.cluster.rows("SELECT summary, payload, batch, about FROM exchange.segment "
                                    "WHERE first_position = %s", first)[0]
    summary, payload, batch, about = (bytes(column) for column in columns)
    whole = [wire.SegmentSummary.FromString(logbook.unpack_zstd(summary)),
             wire.SegmentPayload.FromString(logbook.unpack_zstd(payload)), wire.SealedBatch.FromString(batch)]
    lines, content, events = (copy(one) for one in whole)
    lines.lines[1].citizen_masked = ""
    content.entries[1].Clear()
    zeros = bytes(16)
    content.salts = content.salts[:16] + zeros + content.salts[32:]
    events.events[1] = b""
    events.salts = events.salts[:16] + zeros + events.salts[32:]
    left = bytes(exchange.cluster.value("SELECT exchange.about_filter(%s)", content.SerializeToString()))
    assert len(left) < len(about) == 1 + 2 * 3 * 4

    def take(lines=lines, content=content, events=events, about=left):
        values = [one and stored(one) for one in (lines, content)] + [events and events.SerializeToString(), about]
        return exchange.cluster.value("SELECT exchange.erase_segment(%s, %s, %s, %s, %s)", first, *values,
                                      user="dongbo_operator")

    def changed(message, change):
        made = copy(message)
        change(made)
        return made

    assert take() == 0, "its record still has it"
    assert exchange.cluster.value("SELECT exchange.erase_version(%s, %s, %s)", first + 1, first + 1,
                                  wire.Record(retracted=True).SerializeToString(), user="dongbo_operator") == 1
    for n, wrong in enumerate([
            {"lines": whole[0]}, {"content": whole[1]}, {"events": whole[2]}, {"content": None, "about": None},
            {"events": None}, {"about": b""}, {"about": b"\1" + about * 9}, {"lines": b""}, {"content": b"\xff"},
            {"about": about}, {"about": b"\1"}, {"about": left[:-1] + bytes([left[-1] ^ 1])}, {"about": None},
            {"lines": longer(lines)}, {"content": longer(content)}, {"lines": longer(lines, 2 << 56)},
            {"lines": padded(lines)}, {"content": longer(content, 1 << 63)},
            {"lines": lines.SerializeToString() + b"\x12\x01x"}, {"content": content.SerializeToString() + b"\x1a\0"},
            {"lines": changed(lines, lambda m: setattr(m.lines[0], "verdict", 5))},
            {"lines": changed(lines, lambda m: setattr(m.lines[0], "leaf", lines.lines[2].leaf))},
            {"lines": changed(lines, lambda m: setattr(m.lines[0], "citizen_masked", "999*******99"))},
            {"lines": changed(lines, lambda m: setattr(m.lines[1], "citizen_masked", "999*******99"))},
            {"lines": changed(lines, lambda m: setattr(m.lines[0], "text", "made up"))},
            {"lines": changed(lines, lambda m: setattr(m.lines[0], "commitment", lines.lines[2].commitment))},
            {"lines": changed(lines, lambda m: m.lines[0].reasons.add(code=3))},
            {"lines": changed(lines, lambda m: m.lines.pop())},
            {"content": changed(content, lambda m: setattr(m.entries[0], "body", b"made up"))},
            {"content": changed(content, lambda m: m.entries[0].Clear())},
            {"content": changed(content, lambda m: setattr(m.entries[1], "why", "made up"))},
            {"content": changed(content, lambda m: setattr(m, "salts", zeros + m.salts[16:]))},
            {"content": changed(content, lambda m: setattr(m, "salts", m.salts + zeros))},
            {"content": changed(content, lambda m: m.entries.pop())},
            {"events": changed(events, lambda m: m.events.__setitem__(0, b""))},
            {"events": changed(events, lambda m: setattr(m, "signature", bytes(64)))},
            {"events": changed(events, lambda m: setattr(m, "salts", bytes(64)))}]):
        assert take(**wrong) == 0, n
    assert exchange.cluster.rows("SELECT summary, payload, batch, about FROM exchange.segment "
                                 "WHERE first_position = %s", first)[0] == columns
    with pytest.raises(Exception, match="permission denied"):
        exchange.cluster.rows("SELECT exchange.erase_done(ARRAY[%s])", first + 1, user="dongbo_operator")
    assert take() == 1 and take() == 0
    kept = everything(exchange)
    assert [b"SECRET-%d" % n in kept for n in range(4)] == [True, False, True, True]
    assert verify(exchange)["entries_erased"] == 1
    assert carry_out(exchange, "--event", first + 3) == 1  # beside what is gone already
    assert verify(exchange)["entries_erased"] == 2


def test_a_segment_that_is_not_as_it_was_written_is_not_erased(exchange, health):
    """Which is no outage: whoever asks again has to look first."""
    first = health.publish([dose(n, lot_number=f"SECRET-{n}") for n in range(2)]).body.first_position
    exchange.cluster.rows("UPDATE exchange.segment SET leaf = sha256(leaf) WHERE first_position = %s", first)
    done = exchange.dongbo("erase", "--event", first, "--order", ORDER, "--yes", check=False)
    assert done.returncode == 4, done.stderr
    assert f"did not take the segment of position {first} without what is erased" in done.stderr
    assert "Nothing of it was erased. Run `dongbo log verify`" in done.stderr
    assert b"SECRET-0" in everything(exchange)


def test_status_tells_what_is_not_done_and_why(exchange, health):
    """To whoever may read."""
    def erasures():
        return json.loads(exchange.dongbo("status", "--json").stdout)["erasures"]

    first = health.publish([dose(n) for n in range(4)]).body.first_position
    rows = entry_rows(exchange, first)
    assert erasures() == {"waiting": 0, "logged": 0, "refused": 0, "first": []}
    assert "ERASURES" not in exchange.dongbo("status").stdout
    order_by_hand(exchange, rows[0])
    refused = order_by_hand(exchange, {**rows[1], "agency": rows[1]["agency"] + 1})[1]
    exchange.broker.kill()
    exchange.cluster.rows(ROW, *rows[2].values(), user="dongbo_operator")
    found = erasures()
    assert [(one["position"] - first, one["state"], one.get("reason")) for one in found["first"]] == [
        (0, "logged", None), (1, "refused", refused), (2, "waiting", None)]
    assert {(one["order"], one["requested_by"]) for one in found["first"]} == {("by hand", "dongbo_operator")}
    assert (found["waiting"], found["logged"], found["refused"]) == (1, 1, 1)
    shown = exchange.dongbo("status").stdout
    assert refused in shown and "1 wait for a broker, 1 for dongbo erase to be run again, 1 were refused" in shown
    assert exchange.cluster.value("SELECT count(position) FROM exchange.erasure WHERE logged_position IS NULL "
                                  "OR NOT done OR refused || ordered || requested_by = ''", user="dongbo_reader") == 3
    exchange.start_broker()
    exchange.wait_until("SELECT count(*) FROM exchange.erasure WHERE logged_position IS NULL", 1)
    assert "erased 3 entries" in erase(exchange, "--event", first + 3, "--order", ORDER, "--yes").stdout
    assert [(one["position"] - first, one["state"]) for one in erasures()["first"]] == [(1, "refused")]
