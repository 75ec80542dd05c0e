# SPDX-License-Identifier: Apache-2.0
"""The log exported from a real run, and verified without its database."""
import ctypes
import json
import struct

import pytest

import logbook
import people
import wire
from conftest import BUILD, open_site, operators_config

FIELDS = "citizen_number,health.vaccine_group,health.dose_number"
DONGBO = (BUILD / "operators/dongbo",)

_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t
_zstd.ZSTD_compressBound.restype = ctypes.c_size_t
_zstd.ZSTD_compress.restype = ctypes.c_size_t


def pack_zstd(plain):
    out = ctypes.create_string_buffer(_zstd.ZSTD_compressBound(ctypes.c_size_t(len(plain))))
    n = _zstd.ZSTD_compress(out, ctypes.c_size_t(len(out)), plain, ctypes.c_size_t(len(plain)), 1)
    return out.raw[:n]


def frames(data):
    while data:
        n = _zstd.ZSTD_findFrameCompressedSize(data, ctypes.c_size_t(len(data)))
        yield logbook.unpack_zstd(data[:n])
        data = data[n:]


def records(path):
    plain = b"".join(frames(path.read_bytes()))
    assert plain.startswith(b"dongbo log 1\n")
    at, found = 13, []
    while at < len(plain):
        kind, n = struct.unpack(">BI", plain[at:at + 5])
        found.append((kind, plain[at + 5:at + 5 + n]))
        at += 5 + n
    assert at == len(plain)
    return found


@pytest.fixture(scope="module")
def run(template):
    """Doses of known citizens, one under a wrong name, and a batch whose events cannot be read."""
    with open_site(template) as exchange, people.ministry(exchange, 40, FIELDS) as peer:
        people.publish(peer, 0, 40, at_once=8)
        peer.publish([people.dose(1, 2, about=people.subject(1, full_name="Somebody Else"))])
        exchange.wait_in_force()
        exchange.health = peer
        yield exchange


def export(run, *words, name="log.dlog"):
    path = run.directory / name
    run.dongbo("log", "export", *words, path)
    return path


def verify(run, *words, code=0):
    done = run.dongbo("log", "verify", "--json", *words, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_whole(run):
    head = run.cluster.value("SELECT last_position FROM exchange.head")
    path = export(run, "--payloads", "--to", head)  # that payloads are exported is logged, too
    said = verify(run, path, "--keys", run.keys("moh"))
    assert said["whole"] and said["last_position"] == head and said["payloads"] and not said["breaks"]
    assert said["batches"] == said["signatures_good"] == 6 and said["signatures_not_checked"] == []


def test_a_reader_verifies_without_payloads(run, tmp_path):
    config = tmp_path / "reader.yaml"
    config.write_text(operators_config(run.cluster, operator="dongbo_reader"))
    path = tmp_path / "log.dlog"
    done = run.run(*DONGBO, "--config", config, "log", "export", path)
    assert done.returncode == 0 and path.stat().st_mode & 0o777 == 0o600
    said = verify(run, path, "--keys", run.keys("moh"))
    assert said["whole"] and not said["payloads"] and said["signatures_good"] == 6
    path.chmod(0o644)  # to hand it on
    export(run, "--payloads", name=path)
    assert path.stat().st_mode & 0o777 == 0o600
    refused = run.run(*DONGBO, "--config", config, "log", "export", "--payloads", tmp_path / "p.dlog")
    assert refused.returncode == 2 and "may not read payloads" in refused.stderr
    assert not (tmp_path / "p.dlog").exists()


def test_who_exports_payloads_is_noted(run):
    export(run, "--payloads")
    noted = run.cluster.rows("SELECT what, seen_by FROM exchange.unmasking ORDER BY unmasking DESC LIMIT 1")
    assert noted == [("log export --payloads", "dongbo_operator")]


def test_parts_join(run):
    head = run.cluster.value("SELECT last_position FROM exchange.head")
    middle = run.cluster.value("SELECT first_position FROM exchange.segment WHERE kind = 1 ORDER BY 1 OFFSET 2 LIMIT 1")
    parts = [export(run, "--to", middle + 3, name="a.dlog"),  # the whole segment that holds it
             export(run, "--from", middle + 8, "--to", head, "--payloads", name="b.dlog")]
    whole = verify(run, export(run, "--to", head))
    said = verify(run, *parts)
    assert said["whole"] and not said["from_middle"] and not said["payloads"]
    assert (said["first_position"], said["last_position"]) == (1, head)
    assert (said["hash"], said["root"]) == (whole["hash"], whole["root"])
    later = verify(run, parts[1])
    assert later["from_middle"] and later["first_position"] == middle + 8 and later["root"] == whole["root"]
    [broken] = verify(run, *reversed(parts), code=1)["breaks"][:1]
    assert (broken["position"], broken["is"], broken["should"]) == (1, "1", str(head + 1))


def test_a_head_that_is_signed_between_two_parts_is_in_the_second(template):
    signed = ("SELECT (SELECT leaf_index FROM exchange.segment ORDER BY first_position DESC LIMIT 1) + 1 = "
              "(SELECT max(size) FROM exchange.signed_head)")
    with open_site(template) as exchange, people.ministry(exchange, 2, FIELDS) as peer:
        exchange.wait_in_force()
        exchange.wait_until(signed, True)
        middle = exchange.cluster.value("SELECT max(last_position) FROM exchange.segment")
        before = export(exchange, "--to", middle, name="before.dlog")
        people.publish(peer, 0, 2)
        exchange.wait_until(signed, True)
        whole = verify(exchange, export(exchange))
        rest = export(exchange, "--from", middle + 1, name="rest.dlog")
        newest = exchange.cluster.value(
            f"SELECT max(number) FROM exchange.signed_head WHERE last_position <= {middle}")
        exchange.cluster.rows("CREATE TABLE was AS SELECT * FROM exchange.signed_head")
        exchange.cluster.rows(f"DELETE FROM exchange.signed_head WHERE number = {newest}")
        unsigned = export(exchange, "--to", middle, name="unsigned.dlog")
        for first in (before, unsigned):
            said = verify(exchange, first, rest)
            assert said["whole"] and said["heads"] == whole["heads"] > 1 and said["root"] == whole["root"]
        exchange.cluster.rows("UPDATE was SET head = "
                              "set_byte(head, length(head) - 1, get_byte(head, length(head) - 1) # 1)")
        exchange.cluster.rows(f"INSERT INTO exchange.signed_head SELECT * FROM was WHERE number = {newest}")
        other = export(exchange, "--from", middle + 1, name="other.dlog")
        assert not verify(exchange, before, other, code=1)["whole"]


def test_what_was_changed_in_the_database_is_found(run):
    """As somebody with root would change it; then it is put back."""
    first = run.cluster.value("SELECT first_position FROM exchange.segment WHERE kind = 1 ORDER BY 1 OFFSET 1")
    other = f"(SELECT {{0}} FROM exchange.segment WHERE first_position > {first} AND kind = 1 LIMIT 1)"
    for column, value in [("agency", "agency + 1"), ("stored_at_us", "stored_at_us + 1"), ("batch", other),
                          ("payload", other), ("summary", other), ("batch", "NULL"), ("payload", "NULL"),
                          ("origin", other)]:
        run.cluster.rows(f"CREATE TABLE was AS SELECT * FROM exchange.segment WHERE first_position = {first}")
        run.cluster.rows(f"UPDATE exchange.segment SET {column} = {value.format(column)} "
                         f"WHERE first_position = {first}")
        said = verify(run, export(run, "--payloads"), code=1)
        assert said["breaks"][0]["position"] == first, column
        run.cluster.rows(f"UPDATE exchange.segment s SET {column} = was.{column} FROM was "
                         f"WHERE s.first_position = {first}")
        run.cluster.rows("DROP TABLE was")
    assert verify(run, export(run, "--payloads"))["whole"]


def test_no_byte_of_a_file_can_be_changed(run):
    path = export(run, "--payloads")  # without them nothing holds masked numbers, and verify says so
    data = path.read_bytes()
    for at in range(0, len(data), max(1, len(data) // 40)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
        done = run.dongbo("log", "verify", path, check=False)
        if done.returncode == 0:  # reserved bits of zstd's, of which it makes nothing
            assert list(frames(path.read_bytes())) == list(frames(data)), at
            continue
        assert done.returncode in (1, 2) and "whole" not in done.stdout, at
    for cut in (0, 1, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        done = run.dongbo("log", "verify", path, check=False)
        assert done.returncode == 2 and str(path) in done.stdout, cut


def test_where_a_frame_is_damaged_is_told(run):
    path = export(run)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    said = verify(run, path, code=2)
    assert not said["whole"] and "the frame at byte 0 is damaged" in said["unread"]
    assert (said["good_position"], said["unread_from"]) == (0, None)
    assert "\nnothing was read\n" in run.dongbo("log", "verify", path, check=False).stdout


def test_up_to_where_a_damaged_file_is_good_is_told(run):
    """Of two frames the second is damaged; then the first is changed, too."""
    path = export(run)
    found, first = records(path), run.cluster.value(
        "SELECT first_position FROM exchange.segment WHERE kind = 1 ORDER BY 1 OFFSET 2 LIMIT 1")
    plain = [struct.pack(">BI", kind, len(body)) + body for kind, body in found]
    middle = [i for i, (kind, body) in enumerate(found)
              if kind == 6 and wire.LogSegment.FromString(body).first_position == first][0]
    begin = pack_zstd(b"dongbo log 1\n" + b"".join(plain[:middle]))
    rest = pack_zstd(b"".join(plain[middle:]))
    path.write_bytes(begin + rest)
    assert verify(run, path)["whole"] and verify(run, path)["unread_from"] is None
    path.write_bytes(begin + bytes([rest[0] ^ 1]) + rest[1:])
    said = verify(run, path, code=2)
    assert (said["good_position"], said["unread_from"], said["last_position"]) == (first - 1, first, first - 1)
    shown = run.dongbo("log", "verify", path, check=False).stdout
    assert f"\ngood up to position {first - 1}; unread from position {first}\nNOT VERIFIED\n" in shown
    at = next(i for i in range(middle - 1, 0, -1) if found[i][0] == 6)
    segment = wire.LogSegment.FromString(found[at][1])
    segment.stored_at_us += 1
    body = segment.SerializeToString()
    plain[at] = struct.pack(">BI", 6, len(body)) + body
    path.write_bytes(pack_zstd(b"dongbo log 1\n" + b"".join(plain[:middle])) + bytes([rest[0] ^ 1]) + rest[1:])
    said = verify(run, path, code=1)
    assert (said["good_position"], said["unread_from"]) == (segment.first_position - 1, first)


def test_a_file_that_cannot_be_read_hides_nothing_of_those_before(run, tmp_path):
    path = export(run)
    head = verify(run, path)["last_position"]
    (tmp_path / "closed").mkdir()
    for unread in (tmp_path / "none.dlog", tmp_path / "closed"):  # neither there nor a file
        said = verify(run, unread, code=2)
        assert not said["whole"] and str(unread) in said["unread"] and said["entries"] == 0
        said = verify(run, path, unread, code=2)
        assert said["last_position"] == head and str(unread) in said["unread"]
        assert run.dongbo("log", "check", unread, check=False).returncode == 2


def test_people_read_what_is_broken_and_what_was_not_checked(run):
    shown = run.dongbo("log", "verify", export(run)).stdout
    assert shown.endswith("\nwhole\n") and ": 6 batches of MOH\n" in shown and "without payloads" in shown
    [[first, hash_]] = run.cluster.rows("SELECT first_position, hash FROM exchange.segment WHERE kind = 1 LIMIT 1")
    run.cluster.rows("UPDATE exchange.segment SET hash = sha256(hash) WHERE first_position = %s", first)
    shown = run.dongbo("log", "verify", export(run), check=False).stdout
    run.cluster.rows("UPDATE exchange.segment SET hash = %s WHERE first_position = %s", hash_, first)
    assert f"broken at position {first}: hash\n" in shown and f"    should  {bytes(hash_).hex()}\n" in shown
    assert shown.endswith("\nBROKEN\n")


def test_what_follows_from_a_break_is_counted(run, tmp_path):
    """One changed row is off in the tree of each segment behind it; no head that says otherwise proves it."""
    run.wait_until("SELECT (SELECT max(size) FROM exchange.signed_head) = (SELECT leaf_index + 1 FROM exchange.head)",
                   True)
    run.cluster.rows("UPDATE exchange.segment SET stored_at_us = stored_at_us + 1 WHERE first_position = 1")
    path, key = export(run), f"exchange={run.keys('broker')}"
    shown = run.dongbo("log", "verify", path, "--keys", key, check=False).stdout
    run.cluster.rows("UPDATE exchange.segment SET stored_at_us = stored_at_us - 1 WHERE first_position = 1")
    said = verify(run, path, "--keys", key, code=1)
    own = [found for found in said["breaks"] if not found["follows"]]
    assert [(found["position"], found["what"]) for found in own] == [(1, "hash"), (1, "frontier")]
    assert said["breaks_found"] == said["breaks_following"] + 2 and said["proven_position"] == 0 < said["heads_good"]
    assert shown.count("broken at position") == 5 and "proven up to" not in shown
    assert f"\nand {said['breaks_following'] - 3} more behind it follow from it\n" in shown


def test_an_export_is_what_the_protocol_says(run):
    """Read by the words of PROTOCOL.md alone."""
    exported = records(export(run, "--payloads"))
    assert exported[0][0] == 1 and exported[-1][0] == 15
    segments = [wire.LogSegment.FromString(body) for kind, body in exported if kind == 6]
    assert wire.LogEnd.FromString(exported[-1][1]).segments == len(segments)
    book = logbook.Logbook(run.cluster)
    stored = book.segments[:len(segments)]  # that somebody exported payloads is logged, too, once it is done
    assert [(one.first_position, one.hash) for one in segments] == [(one.first, one.hash) for one in stored]
    batches = [body for kind, body in exported if kind == 8]
    assert batches == [one.batch_bytes for one in book.segments if one.batch_bytes]


def test_signed_heads_prove_it(run, tmp_path):
    run.wait_until("SELECT (SELECT max(size) FROM exchange.signed_head) = (SELECT leaf_index + 1 FROM exchange.head)",
                   True)
    signed = run.cluster.rows("SELECT last_position FROM exchange.head")[0][0]  # more may be stored at any time
    kept = tmp_path / "kept.json"  # a head that somebody kept: of this log, whatever is stored behind it
    kept.write_text(run.dongbo("log", "head", "--json").stdout)
    path, key = export(run), f"exchange={run.keys('broker')}"
    said = verify(run, path, "--keys", key)
    assert said["heads"] == said["heads_good"] > 0 and signed <= said["proven_position"] <= said["last_position"]
    unproven = verify(run, path)
    assert (unproven["proven_position"], unproven["end_missing"]) == (0, False)  # no key, nothing proven
    assert verify(run, path, "--keys", key, "--head", kept)["heads"] == said["heads"] + 1
    torn = tmp_path / "torn.json"  # as a power cut leaves a file
    for zeros, code in ((kept.read_bytes() + bytes(100), 0), (bytes(100) + kept.read_bytes(), 2),
                        (kept.read_bytes() + bytes(9) + kept.read_bytes(), 2)):
        torn.write_bytes(zeros)
        assert run.run(*DONGBO, "log", "verify", path, "--keys", key, "--head", torn).returncode == code, zeros
        assert run.run(*DONGBO, "log", "compare", kept, torn, "--keys", run.keys("broker")).returncode == code, zeros
    cut = export(run, "--to", 1, name="cut.dlog")  # whole, as far as it goes
    said = verify(run, cut, "--head", kept)
    assert (said["whole"], said["heads_of_a_longer_log"], said["end_missing"]) == (True, 1, True)
    shown = run.dongbo("log", "verify", cut, "--head", kept).stdout
    assert "THE END IS MISSING: 1 of them" in shown and shown.endswith("\nwhole as far as it goes, WITHOUT ITS END\n")
    said = verify(run, path, "--keys", key, "--head", kept)
    assert (said["heads_of_a_longer_log"], said["end_missing"]) == (0, False)
    assert (f"proven up to position {said['proven_position']} of {said['last_position']}\n" in
            run.dongbo("log", "verify", path, "--keys", key, "--head", kept).stdout)
    bare = tmp_path / "bare.dlog"  # whoever exports it may leave them out
    bare.write_bytes(pack_zstd(b"dongbo log 1\n" + b"".join(struct.pack(">BI", kind, len(body)) + body
                                                           for kind, body in records(path) if kind != 9)))
    assert verify(run, bare, "--keys", key)["heads"] == 0
    assert verify(run, bare, "--keys", key, "--head", kept)["proven_position"] == json.loads(
        kept.read_text())["last_position"]


def test_the_next_part_begins_where_the_one_before_says(run):
    path, head = run.directory / "log.dlog", run.cluster.value("SELECT last_position FROM exchange.head")
    middle = run.cluster.value("SELECT first_position FROM exchange.segment WHERE kind = 1 ORDER BY 1 OFFSET 2 LIMIT 1")
    told = run.dongbo("log", "export", "--to", middle + 3, path).stderr
    assert told.rstrip().endswith(f"what comes behind: --from {middle + 8}")
    assert verify(run, path, export(run, "--from", middle + 8, "--to", head, name="b.dlog"))["whole"]


def test_a_file_does_not_speak_to_the_terminal(run, tmp_path):
    """An agency's code that would clear the screen and write `whole` on it."""
    changed = b"dongbo log 1\n"
    for kind, body in records(export(run)):
        if kind == 2 and wire.LogAgency.FromString(body).code == "MOH":
            body = wire.LogAgency(agency=wire.LogAgency.FromString(body).agency,
                                  code="\u202eHOM").SerializeToString()
        changed += struct.pack(">BI", kind, len(body)) + body
    path = tmp_path / "hostile.dlog"
    path.write_bytes(pack_zstd(changed))
    shown = run.dongbo("log", "verify", path).stdout
    assert "\u202e" not in shown and ": 6 batches of ???HOM\n" in shown
