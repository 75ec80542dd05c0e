# SPDX-License-Identifier: Apache-2.0
"""Erasure follows a record to whoever its person was merged into, takes population events too, keeps an account of who
had been told, asks before it does anything, and leaves nothing in a dump of the whole database."""
import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest

import wire
from conftest import TOOLS
from logbook import unpack_zstd
from test_disclosures import disclosures, read_silently, told
from test_erasure import (FIELDS, ORDER, carry_out, declare_trim, entry_rows, erase, everything, order_by_hand, preview,
                          verify)
from test_population_events import centre, dose, number, shown  # noqa: F401 (fixture)
from test_mergers import wait_moved
from wire_peer import RECEIPT, said


FEED_SURE_S = 5
ZSTD = b"\x28\xb5\x2f\xfd"  # how its frames begin


def dumped(exchange):
    """The exchange's whole schema as pg_dump writes it, with all bytes as they are, and unpacked."""
    bindir = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
    program = next(path for path in (f"{bindir}/pg_dump", "/usr/lib/postgresql/15/bin/pg_dump", "pg_dump")
                   if "/" not in path or os.path.exists(path))
    text = subprocess.run([program, "-n", "exchange", "-d", exchange.cluster.conninfo()], capture_output=True,
                          check=True).stdout
    found = [text]
    for one in re.findall(rb"\\\\x((?:[0-9a-f]{2})+)", text):
        data = bytes.fromhex(one.decode())
        found += [data, unpack_zstd(data) if data.startswith(ZSTD) else b""]
    return b"\n".join(found)


def feeds(exchange):
    return exchange.cluster.rows("SELECT pid FROM exchange.feeding JOIN pg_stat_activity USING (pid)")


def holds(exchange, *words):
    kept = dumped(exchange)
    for at in (kept.find(word.encode()) for word in words):
        print(kept[max(0, at - 100):at + 40] if at >= 0 else "")
    return [word for word in words if word.encode() in kept]


def erased_lots(exchange, *lots):
    kept = everything(exchange)
    return [lot for lot in lots if lot.encode() in kept]


def test_several_words_of_one_record_go_at_once(centre):
    """No tombstone tells, and no committee hears, what another of them said."""
    npc, moh = centre.peer(), centre.peer("MOH")
    centre.exchange.committee("hn", "health", FIELDS)
    npc.publish([centre.enter(number(1)), centre.enter(number(2))])
    moh.publish([*(dose(number(1), 1, f"SECRET-{time}", time) for time in (10, 20, 30)),
                 dose(number(2), 1, "KEPT", 10)])
    receiver = centre.exchange.receivers["hn"]
    receiver.until_head()
    before = len(receiver.records())
    carry_out(centre.exchange, "--citizen", number(1))
    receiver.until_head()
    assert [record["change"] for record in receiver.records()[before:]] == ["delete"]
    assert holds(centre.exchange, "SECRET-10", "SECRET-20", "SECRET-30", "KEPT") == ["KEPT"]
    verify(centre.exchange)


def test_what_an_earlier_erasure_left_goes_with_the_next(centre):
    npc, moh = centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(1))])
    first = moh.publish([dose(number(1), 1, "LOT-A", 10)])[1].last_position
    second = moh.publish([dose(number(1), 1, "LOT-B", 20)])[1].last_position
    carry_out(centre.exchange, "--event", first)
    assert erased_lots(centre.exchange, "LOT-A", "LOT-B") == ["LOT-B"] and shown(centre, number(1)) == {1: "LOT-B"}
    carry_out(centre.exchange, "--event", second)
    assert erased_lots(centre.exchange, "LOT-A", "LOT-B") == []
    assert preview(centre.exchange, "--citizen", number(1))["domains"] == {"population": 1}
    verify(centre.exchange)


def test_an_erasure_follows_a_record_to_whoever_its_person_became(centre):
    npc, moh, exchange = centre.peer(), centre.peer("MOH"), centre.exchange
    exchange.committee("hn", "health", FIELDS)
    one, two, three = (number(of) for of in (1, 2, 3))
    npc.publish([centre.enter(about) for about in (one, two, three)])
    moh.publish([dose(one, 1, "OTHER", 10)])
    position = moh.publish([dose(one, 1, "SECRET", 20)])[1].last_position
    moh.publish([dose(one, 2, "SECOND", 10), dose(two, 3, "THIRD", 10)])
    npc.publish([centre.change("merged", one, two, time=10)])
    npc.publish([centre.change("merged", two, three, time=20)])
    wait_moved(centre, 2)
    moh.publish([dose(three, 1, "", 15, full_name="Nguyễn Văn An")])
    assert shown(centre, three) == {1: "SECRET", 2: "SECOND", 3: "THIRD"}
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    said_before = preview(exchange, "--event", position)
    assert said_before["kinds"]["merger"] == 4 and len(said_before["numbers"]) == 3
    assert said_before["numbers"][0] == f"{one[:3]}*******{one[-2:]}"
    carry_out(exchange, "--event", position)
    assert erased_lots(exchange, "SECRET", "OTHER", "SECOND", "THIRD") == ["OTHER", "SECOND", "THIRD"]
    for asked in (one, two, three):
        assert shown(centre, asked) == {1: "OTHER", 2: "SECOND", 3: "THIRD"}, asked
    receiver.until_head()
    last = receiver.records()[-1]
    assert (last["fields"]["citizen_number"] if "citizen_number" in last["fields"] else three) == three
    assert last["change"] == "upsert" and last["fields"]["lot_number"] == "OTHER"
    # Under the number that went, all of whoever they are is found; each under its own number.
    everyone = preview(exchange, "--citizen", one)
    assert everyone == {**preview(exchange, "--citizen", three)} and everyone["domains"]["population"] >= 5
    carry_out(exchange, "--citizen", one)
    assert erased_lots(exchange, "OTHER", "SECOND", "THIRD") == []
    verify(exchange)


def number_went_over(centre):
    """Y had `n`, and has another number since; X has `n` now. Each has two doses; of Y's one came under `n`."""
    npc, moh = centre.peer(), centre.peer("MOH")
    n, of_y, of_x = number(1), number(1, 1), number(2)
    x = {"full_name": "Trần Văn Bình", "birth_date": "1999-05-06"}
    npc.publish([centre.enter(n), centre.enter(of_x, **x)])
    moh.publish([dose(n, 1, "LOT-Y1", 10), dose(of_x, 1, "LOT-X1", 20, **x)])
    npc.publish([centre.change("number-reissued", n, of_y, time=1000)])
    npc.publish([centre.change("number-reissued", of_x, n, time=2000)])
    moh.publish([dose(of_y, 2, "LOT-Y2", 2000), dose(n, 2, "LOT-X2", 3000, **x)])
    centre.exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    return n, of_y, of_x


LOTS = ("LOT-Y1", "LOT-Y2", "LOT-X1", "LOT-X2")


@pytest.mark.parametrize("which", ("x", "y"))
@pytest.mark.parametrize("let_go", (False, True))
def test_a_number_that_went_over_takes_nothing_of_who_had_it(centre, which, let_go):
    exchange = centre.exchange
    n, of_y, of_x = number_went_over(centre)
    if let_go:
        declare_trim(exchange)
        exchange.cluster.rows("UPDATE exchange.segment SET payload = NULL, batch = NULL, about = NULL "
                              "WHERE batch_root IS NOT NULL")
    else:
        for asked, doses in ((n, 2), (of_x, 2), (of_y, 2)):
            lines = exchange.dongbo("log", "tail", "--json", "--citizen", asked, "--domain", "health").stdout
            assert [json.loads(line)["kind"] for line in lines.splitlines()].count("event") == doses, asked
    said = preview(exchange, "--citizen", of_x)
    assert {**said, "segments_read": 0} == {**preview(exchange, "--citizen", n), "segments_read": 0}
    carry_out(exchange, "--citizen", n if which == "x" else of_y)
    assert erased_lots(exchange, *LOTS) == [lot for lot in LOTS if lot[4] != which.upper()]
    assert shown(centre, of_y) == ({1: "LOT-Y1", 2: "LOT-Y2"} if which == "x" else {})
    assert shown(centre, n) == ({} if which == "x" else {1: "LOT-X1", 2: "LOT-X2"})
    verify(exchange)


def test_of_whom_only_the_log_knows_all_goes_where_it_was_one(centre):
    """The population store's owner may have erased them before."""
    exchange = centre.exchange
    n, of_y, of_x = number_went_over(centre)
    exchange.cluster.rows("TRUNCATE population.citizen, population.number_alias CASCADE")
    done = erase(exchange, "--citizen", n, "--dry-run", check=False)
    assert done.returncode == 2 and "more than one person had this number" in done.stderr
    carry_out(exchange, "--citizen", of_y)
    assert erased_lots(exchange, *LOTS) == ["LOT-X1", "LOT-X2"]
    carry_out(exchange, "--citizen", n)
    assert erased_lots(exchange, *LOTS) == []
    verify(exchange)


def link(exchange, to):
    """The one event that was not taken is decided to be theirs."""
    [[case]] = exchange.cluster.rows("SELECT review_case FROM exchange.exception")
    exchange.dongbo("review", "link", case, "--to", to, "--why", "SECRET-WHY")
    [[owner]] = exchange.cluster.rows("SELECT person FROM exchange.exception")
    assert owner == exchange.cluster.value("SELECT person FROM population.citizen WHERE citizen_number = %s", to)


def let_go_up_to(exchange, kind):
    """Of the content of batches, and of decisions, too."""
    declare_trim(exchange)
    exchange.cluster.rows("UPDATE exchange.segment SET payload = NULL, batch = NULL, about = NULL "
                          "WHERE kind <= %s", kind)


@pytest.mark.parametrize("let_go", (0, 1, 2), ids=("all is there", "events are let go", "decisions, too"))
@pytest.mark.parametrize("under", (number(3), number(2)), ids=("a number that nobody has", "another's number"))
def test_what_an_officer_linked_goes_with_whom_it_was_linked_to(centre, under, let_go):
    npc, moh, exchange = centre.peer(), centre.peer("MOH"), centre.exchange
    x, z = number(1), number(2)
    npc.publish([centre.enter(x, mother_name="Mẹ MỘT"),
                 centre.enter(z, full_name="Trần Văn Bình", birth_date="1999-05-06")])
    moh.publish([dose(under, 1, "LOT-LINKED", 10)])  # X's name and birth date
    moh.publish([dose(z, 2, "LOT-Z", 10, full_name="Trần Văn Bình", birth_date="1999-05-06")])
    link(exchange, x)
    assert shown(centre, x) == {1: "LOT-LINKED"} and shown(centre, z) == {2: "LOT-Z"}
    if let_go:
        let_go_up_to(exchange, let_go)
    assert preview(exchange, "--citizen", x)["events"] == 2
    assert carry_out(exchange, "--citizen", x) == 3
    assert shown(centre, x) == {} and shown(centre, z) == {2: "LOT-Z"}
    assert holds(exchange, "LOT-LINKED", "1999-01-02", "Mẹ MỘT", "SECRET-WHY", "LOT-Z") == ["LOT-Z"]
    assert preview(exchange, "--citizen", x)["entries"] == 0
    verify(exchange)


@pytest.mark.parametrize("let_go", (0, 1, 2), ids=("all is there", "events are let go", "decisions, too"))
def test_what_an_officer_linked_stays_of_whose_number_it_came_under(centre, let_go):
    npc, moh, exchange = centre.peer(), centre.peer("MOH"), centre.exchange
    x, z = number(1), number(2)
    npc.publish([centre.enter(x), centre.enter(z, full_name="Trần Văn Bình", birth_date="1999-05-06")])
    moh.publish([dose(z, 1, "LOT-LINKED", 10)])
    moh.publish([dose(z, 2, "LOT-Z", 10, full_name="Trần Văn Bình", birth_date="1999-05-06")])
    link(exchange, x)
    holding = "SELECT batch FROM exchange.segment WHERE position('LOT-LINKED'::bytea in batch) > 0"
    batch = exchange.cluster.rows(holding)
    assert len(batch) == 1
    if let_go:
        let_go_up_to(exchange, let_go)
    said = preview(exchange, "--citizen", z)
    assert said["entries"] == 2 and said["others"] == (0 if let_go else 1)
    text = erase(exchange, "--citizen", z, "--dry-run").stdout
    assert ("  1 events that came under these numbers are somebody else's by a later decision, and stay" in text) \
        == (not let_go)
    carry_out(exchange, "--citizen", z)
    assert shown(centre, x) == {1: "LOT-LINKED"} and shown(centre, z) == {}
    assert holds(exchange, "LOT-Z", "1999-05-06", "SECRET-WHY", "LOT-LINKED") == ["SECRET-WHY", "LOT-LINKED"]
    if not let_go:
        assert exchange.cluster.rows(holding) == batch
    assert exchange.cluster.rows("SELECT event <> '', citizen_number FROM exchange.exception") == [(True, z)]
    verify(exchange)


@pytest.mark.parametrize("let_go", (0, 1, 2), ids=("all is there", "events are let go", "decisions, too"))
@pytest.mark.parametrize("which", (1, 2), ids=("whom it was taken from", "whom it was linked to"))
def test_what_an_officer_took_from_somebody_stands_in_two_records(centre, which, let_go):
    """It was taken before that one's death was known. Each goes with all that was said of them."""
    npc, moh, exchange = centre.peer(), centre.peer("MOH"), centre.exchange
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    moh.publish([dose(number(1), n, f"LOT-{n}", n) for n in (1, 3)])
    npc.publish([centre.change("death", number(1), time=100, died_on="2021-03-01")])
    exchange.wait_until("SELECT count(*) FROM exchange.exception WHERE open", 1)
    link(exchange, number(2))
    assert shown(centre, number(1)) == {1: "LOT-1"} and shown(centre, number(2)) == {3: "LOT-3"}
    if let_go:
        let_go_up_to(exchange, let_go)
    carry_out(exchange, "--citizen", number(which))
    assert shown(centre, number(1)) == ({} if which == 1 else {1: "LOT-1"})
    assert shown(centre, number(2)) == ({3: "LOT-3"} if which == 1 else {})
    assert erased_lots(exchange, "LOT-1", "LOT-3") == (["LOT-3"] if which == 1 else ["LOT-1"])
    verify(exchange)


def test_a_population_event_goes_from_the_exchange_and_stays_in_its_store(centre):
    npc, exchange = centre.peer(), centre.exchange
    exchange.committee("hn", "population", "citizen_number,population.mother_name,population.residence_province")
    npc.publish([centre.enter(number(1), mother_name="Mẹ MỘT"), centre.enter(number(2), mother_name="Mẹ HAI")])
    position = npc.publish([centre.change("correction", number(1), time=10, mother_name="Mẹ BÍ MẬT")])[1].last_position
    receiver = exchange.receivers["hn"]
    receiver.until_head()
    assert preview(exchange, "--event", position)["domains"] == {"population": 1}
    carry_out(exchange, "--event", position)
    assert holds(exchange, "Mẹ MỘT", "Mẹ BÍ MẬT", "Mẹ HAI") == ["Mẹ MỘT", "Mẹ HAI"]
    assert centre.citizen(number(1))["mother_name"] == "Mẹ BÍ MẬT"
    receiver.until_head()
    assert receiver.records()[-1]["fields"]["mother_name"] == "Mẹ MỘT"
    # What comes later is taken as ever; a move changes nothing of what was erased.
    assert said(npc.publish([centre.change("move", number(1), time=20, residence_province="79")])[1]) == {}
    assert centre.citizen(number(1))["mother_name"] == "Mẹ BÍ MẬT"
    assert centre.citizen(number(1))["residence_province"] == "79"
    carry_out(exchange, "--citizen", number(1))
    assert holds(exchange, "Mẹ MỘT", number(1)) == []
    verify(exchange)


def test_who_had_been_told_is_still_known(centre):
    """Who acknowledged, who only was sent it, who took a snapshot, and who came too late; without what it said."""
    npc, moh, exchange = centre.peer(), centre.peer("MOH"), centre.exchange
    for name in ("hn", "silent", "late"):
        exchange.committee(name, "health", FIELDS)
    npc.publish([centre.enter(number(1)), centre.enter(number(2))])
    moh.publish([dose(number(1), 1, "SECRET", 10), dose(number(2), 1, "KEPT", 10)])
    exchange.receivers["hn"].until_head()
    read_silently(exchange, "silent")
    with wire.subscriber(exchange, "silent") as peer:
        peer.hello()
        peer.snapshot()
    before = disclosures(exchange, number(1))
    seen = preview(exchange, "--citizen", number(1))["subscriptions"]
    assert {one["subscription"]: (one["delivered"], one["possibly"], one["snapshots"]) for one in seen} == {
        "hn": (1, 0, 0), "silent": (0, 1, 1)}
    carry_out(exchange, "--citizen", number(1))
    read_silently(exchange, "late")
    after = disclosures(exchange, number(1))

    def without_keys(answer):
        told_of = [{**one, "acked": 0, "released": 0,
                 "policies": [{**policy, "records": [{**record, "record": "", "erased": True}
                                                     for record in policy["records"] if record["change"] != "delete"]}
                              for policy in one["policies"]
                              if any(record["change"] != "delete" for record in policy["records"])],
                 "snapshots": [{**snapshot, "records": [{**record, "record": "", "erased": True}
                                                        for record in snapshot["records"]]}
                               for snapshot in one["snapshots"]]} for one in answer["subscriptions"]]
        return [one for one in told_of if one["policies"] or one["snapshots"]]  # a tombstone is told of like any other
    assert without_keys(after) == without_keys(before)
    assert {record[2] for record in told(exchange, number(1))["late"]} == {"delete"}
    assert "SECRET" not in json.dumps(after)
    text = exchange.dongbo("disclosures", "--citizen", number(1)).stdout
    assert text.count("erased since") == 3 and "lot_number" in text
    # Nothing of it is lost when it is erased again, nor of anybody else.
    carry_out(exchange, "--citizen", number(2))
    assert without_keys(disclosures(exchange, number(1))) == without_keys(before)


def test_what_the_log_has_let_go_is_found_by_its_records(centre):
    """Content and batches are trimmed away; what they said stands in versions, and in what was refused."""
    npc, moh, exchange = centre.peer(), centre.peer("MOH"), centre.exchange
    exchange.committee("hn", "health", FIELDS)
    npc.publish([centre.enter(number(1), mother_name="Mẹ MỘT"), centre.enter(number(2))])
    wrong = dose(number(1), 4, "TRIM-4", 10)
    wrong.health.occurrence_date = "2999-01-01"
    moh.publish([dose(number(1), 1, "TRIM-1", 10), dose(number(1), 1, "TRIM-2", 20), dose(number(1), 2, "TRIM-3", 10),
                 dose(number(2), 1, "KEPT", 10), wrong])
    last = moh.publish([dose(number(1), 1, "TRIM-5", 30)])[1].last_position
    exchange.receivers["hn"].until_head()
    declare_trim(exchange)
    exchange.cluster.rows("UPDATE exchange.segment SET payload = NULL, batch = NULL, about = NULL "
                          "WHERE batch_root IS NOT NULL AND first_position < %s", last)
    words = ("Mẹ MỘT", *(f"TRIM-{n}" for n in range(1, 6)))
    assert holds(exchange, *words) == list(words)
    before = {one["subscription"]: one for one in preview(exchange, "--citizen", number(1))["subscriptions"]}
    assert before["hn"]["delivered"] + before["hn"]["possibly"] == 4
    assert carry_out(exchange, "--citizen", number(1)) == 6
    assert holds(exchange, *words, number(1), "KEPT") == ["KEPT"]
    exchange.receivers["hn"].until_head()
    assert [record["change"] for record in exchange.receivers["hn"].records()[-2:]] == ["delete", "delete"]
    verify(exchange)
    assert shown(centre, number(2)) == {1: "KEPT"}


def test_what_is_told_of_it_meanwhile_goes_too(centre):
    """An event comes in between the search and the tombstone, and its entry tells what is being erased."""
    npc, moh, exchange = centre.peer(), centre.peer("MOH"), centre.exchange
    npc.publish([centre.enter(number(1))])
    position = moh.publish([dose(number(1), 1, "SECRET", 10)])[1].last_position
    exchange.cluster.rows("CREATE FUNCTION public.drag() RETURNS trigger LANGUAGE plpgsql AS "
                          "$$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$")
    exchange.cluster.rows("CREATE TRIGGER drag BEFORE INSERT ON exchange.erasure EXECUTE FUNCTION public.drag()")
    words = [TOOLS / "operators/dongbo", "--config", exchange.config, "erase", "--event", str(position), "--yes",
             "--order", ORDER, "--json"]
    with exchange.cluster.holding("SELECT pg_advisory_xact_lock(7)"), \
            subprocess.Popen(words, stdout=subprocess.PIPE) as erasing:
        exchange.wait_until("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", 1)
        later = dose(number(1), 1, "", 20)
        later.health.facility_code = "01001"
        body = moh.publish([later])[1]
        assert erased_lots(exchange, "SECRET") == ["SECRET"]
        exchange.cluster.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                              "AND objid = 7")
        said_then = json.loads(erasing.communicate(timeout=120)[0])
    assert erasing.returncode == 0 and (said_then["entries"], said_then["erased"]) == (1, 2)
    assert holds(exchange, "SECRET", "01001") == ["01001"]
    assert exchange.cluster.rows("SELECT position FROM exchange.erasure ORDER BY 1") == [
        (position,), (body.last_position,)]
    verify(exchange)


def answer_on_terminal(exchange, answer, *words):
    """What the command says on a terminal where this is typed, and its exit code."""
    main, other = pty.openpty()
    with subprocess.Popen([TOOLS / "operators/dongbo", "--config", exchange.config, "erase", *map(str, words)],
                          stdin=other, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as done:
        os.close(other)
        os.write(main, f"{answer}\n".encode())
        text = done.communicate(timeout=120)[0].decode()
    os.close(main)
    return text, done.returncode


def test_it_asks_on_a_terminal(centre):
    npc, moh, exchange = centre.peer(), centre.peer("MOH"), centre.exchange
    npc.publish([centre.enter(number(1))])
    position = moh.publish([dose(number(1), 1, "SECRET", 10)])[1].last_position
    text, code = answer_on_terminal(exchange, "yes", "--event", position, "--order", ORDER)
    assert code == 1 and "Type the number of entries" in text and "nothing was done" in text, text
    assert "of kinds: 1 event" in text and "of domains: 1 health" in text and number(1) not in text
    assert exchange.cluster.value("SELECT count(*) FROM exchange.erasure") == 0
    text, code = answer_on_terminal(exchange, "1", "--event", position)
    assert code == 2 and "needs --order" in text
    text, code = answer_on_terminal(exchange, "1", "--event", position, "--order", ORDER)
    assert code == 0 and "erased 1 entries" in text, text
    assert erased_lots(exchange, "SECRET") == []
    done = exchange.dongbo("erase", "--event", position, "--order", ORDER, check=False)
    assert done.returncode == 2 and "--dry-run" in done.stderr and "--yes" in done.stderr


def test_nothing_is_left_in_a_dump_of_the_whole_database(centre):
    """Of a made-up citizen about whom all kinds of things were said: accepted, in question, decided by an officer,
    against the rules, sent again, and taught."""
    npc, moh, exchange = centre.peer(), centre.peer("MOH"), centre.exchange
    exchange.committee("hn", "health,population", f"{FIELDS},population.full_name")
    who, name, other = number(7), "Phùng Quỳnh Xuyên", number(8)
    about = {"full_name": name}
    npc.publish([centre.enter(who, full_name=name, mother_name="Lò Thị Khuyết"), centre.enter(other)])
    exchange.agency("VSS", "social_security", [])
    exchange.wait_in_force()
    events = [dose(who, 1, "DUMP-1", 10, **about), dose(who, 1, "DUMP-2", 20, **about),
              dose(who, 2, "DUMP-3", 10, full_name="Phùng Quỳnh Xuyến"),      # in question
              dose(who, 3, "DUMP-4", 10, full_name="Ai Khác", sex="female"),  # and refused by an officer
              dose(who, 4, "DUMP-5", 10, **about), dose(other, 1, "KEPT", 10)]
    events[4].health.occurrence_date = "2999-01-01"                           # against the rules
    assert moh.publish(events)[0] == RECEIPT
    moh.publish([events[0]])                                                  # comes again
    vss = centre.peer("VSS")
    vss.publish([wire.event("VSS", "period", wire.Subject(citizen_number=who, full_name=name, birth_date="1999-01-02",
                                                          sex="male"), event_time_us=events[0].event_time_us,
                            social_security={"insurance_number": "0177700777", "period_start": "2020-01-01",
                                             "period_end": "2020-02-01", "scheme": "compulsory"})])
    case = exchange.cluster.value("SELECT min(review_case) FROM exchange.exception WHERE open AND verdict = 4")
    exchange.dongbo("review", "claim", case)
    exchange.dongbo("review", "refuse", case, "--why", f"nobody called {name} has that")
    exchange.wait_until("SELECT count(*) FROM exchange.review_decision WHERE state = 'waiting'", 0)
    npc.publish([centre.change("move", who, time=40, residence_province="79")])
    exchange.wait_until("SELECT count(*) FROM exchange.retelling WHERE NOT told", 0)
    exchange.receivers["hn"].until_head()
    words = (who, name, "Lò Thị Khuyết", "0177700777", "Phùng Quỳnh Xuyến", "Ai Khác",
             *(f"DUMP-{n}" for n in range(1, 6)))
    assert holds(exchange, *words) == list(words), "or there is nothing to find"
    carry_out(exchange, "--citizen", who)
    # A record's key stays with its versions and its tombstone, and so what number is part of it.
    assert holds(exchange, *words, "KEPT", other) == ["0177700777", "KEPT", other]
    assert exchange.cluster.value("SELECT count(*) FROM exchange.person_alias") == 0
    verify(exchange)
    assert preview(exchange, "--citizen", who)["entries"] == 0


def test_what_is_being_erased_is_sent_no_more(centre):
    """Its tombstone stands in the log, and its content still does, too: as when `erase` was interrupted."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    exchange.committee("hn", "health", FIELDS)
    npc.publish([centre.enter(number(of)) for of in (1, 2)])
    moh.publish([dose(number(1), 1, "GOES-1", 10), dose(number(2), 1, "STAYS-2", 10)])
    goes = read_silently(exchange, "hn")[0]  # the broker has the segment in memory
    assert "GOES-1" in str(goes)
    [first] = exchange.cluster.rows("SELECT max(first_position) FROM exchange.segment WHERE first_position <= %s",
                                    goes.position)[0]
    assert order_by_hand(exchange, entry_rows(exchange, first)[goes.position - first])[1] is None
    assert "STAYS-2" in (said := str(read_silently(exchange, "hn", from_start=True))) and "GOES-1" not in said


def test_an_erasure_waits_for_brokers_to_let_go(centre):
    """All that run say so at once; one that is paused goes on later, and sends nothing of it."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    second = exchange.start_second_broker()
    exchange.committee("hn", "health", FIELDS)
    npc.publish([centre.enter(number(of)) for of in range(1, 4)])
    moh.publish([dose(number(of), 1, f"LOT-{of}", 10) for of in range(1, 4)])
    with wire.Subscriber(f"{exchange.subscribe}2", wire.keys_of(exchange, "hn"),
                         wire.keys_of(exchange, "broker").curve_public, "hn") as peer:
        peer.hello()
        peer.credit(240)
        while not peer.records:
            peer.take()
        assert len(peer.records) == 1, "the others wait for credit"
        done = exchange.dongbo("erase", "--citizen", number(2), "--order", ORDER, "--yes")
        assert "do not answer" not in done.stderr
        turn = exchange.cluster.value("SELECT last_value FROM exchange.erasure_turn")
        assert turn > 0 and exchange.cluster.rows("SELECT turn FROM exchange.feeding") == [(turn,)] * 2
        second.popen.send_signal(signal.SIGSTOP)
        try:
            done = exchange.dongbo("erase", "--citizen", number(3), "--order", ORDER, "--yes")
        finally:
            second.popen.send_signal(signal.SIGCONT)
        assert "brokers that do not answer: 1 (" in done.stderr and "erased" in done.stdout
        exchange.wait_until("SELECT count(DISTINCT turn) FROM exchange.feeding", 1)
        peer.take_all(exchange.cluster.value("SELECT last_position FROM exchange.head"))
        said = str(peer.records)
    assert "LOT-1" in said and "LOT-2" not in said and "LOT-3" not in said


def test_an_erasure_waits_for_a_broker_whose_session_was_lost(centre):
    """It is paused, and does not know yet. The other one goes on meanwhile, and leaves what was noted of it."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    [first] = feeds(exchange)
    second = exchange.start_second_broker()
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), 1, "LOT-1", 10)])
    second.wait_for(lambda: len(feeds(exchange)) == 2, "the second one's feed")
    [lost] = set(feeds(exchange)) - {first}
    second.popen.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()  # the other one may note the loss at once
        assert exchange.cluster.value("SELECT pg_terminate_backend(%s, 60000)", lost)
        done = exchange.dongbo("erase", "--citizen", number(1), "--order", ORDER, "--yes")
        assert time.monotonic() - began >= FEED_SURE_S
    finally:
        second.popen.send_signal(signal.SIGCONT)
    assert "do not answer" not in done.stderr and "erased" in done.stdout


def test_an_erasure_waits_for_a_lost_session_whose_number_came_again(centre):
    """Of which another one is told apart by when it began; and it waits for none that was over long ago."""
    exchange, npc, moh = centre.exchange, centre.peer(), centre.peer("MOH")
    npc.publish([centre.enter(number(1))])
    moh.publish([dose(number(1), 1, "LOT-1", 10)])
    rows = exchange.cluster.rows
    began = time.monotonic()
    rows("UPDATE exchange.feeding SET began = began - interval '1 day'")
    rows("INSERT INTO exchange.feeding (pid, turn, gone_at) "
         "SELECT min(pid), 0, now() - interval '1 hour' FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
    done = exchange.dongbo("erase", "--citizen", number(1), "--order", ORDER, "--yes")
    assert time.monotonic() - began >= FEED_SURE_S
    assert "do not answer" not in done.stderr and "erased" in done.stdout
    assert rows("SELECT f.gone_at IS NULL, count(*) FROM exchange.feeding f WHERE f.gone_at IS NULL "
                "OR f.gone_at > now() - interval '50 minutes' GROUP BY 1 ORDER BY 1") == [(False, 1), (True, 1)]
