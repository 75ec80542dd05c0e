# SPDX-License-Identifier: Apache-2.0
"""Keys that come, end and are taken back while programs run: what a stolen or an old key may still do, and how soon
not."""
import contextlib
import datetime
import os
import pty
import shutil
import time

import psycopg2
import pytest

import people
import wire
from conftest import BUILD, run_program
from test_witness import Witness, sign_key

SOON = 1  # seconds in which a revoked key's sessions end


@pytest.fixture
def site(exchange):
    """Two brokers, the Ministry of Health with a second pair of keys, and two committees."""
    exchange.load_population(people.citizens(10))
    exchange.agency("MOH", "health", [])
    exchange.dongbo("agency", "key", "add", "MOH", exchange.keys("moh-next"))
    for name in ("hn", "fund"):
        exchange.committee(name, "health", "health.lot_number")
    exchange.dongbo("subscription", "key", "add", "hn", exchange.keys("hn-next"))
    exchange.start_broker()
    exchange.start_second_broker()
    return exchange


def at_second(site, peer, *words, **options):
    """The same peer at the second broker."""
    keys = wire.keys_of(site, words[0].lower())
    endpoint = site.publish2 if peer is wire.Publisher else f"{site.subscribe}2"
    return peer(endpoint, keys, wire.keys_of(site, "broker").curve_public, *words[1:], **options)


def wait_not_allowed(peer, deadline):
    """Until the exchange says that this key is not allowed; the time that was left."""
    while True:
        received = peer.receive(max(0.001, deadline - time.monotonic()))
        assert received is not None, "the session goes on"
        if received.type == wire.ERROR and received.code != wire.Error.NO_SESSION:
            assert wire.Error.Code.Name(received.code) == "NOT_ALLOWED", repr(received)
            return deadline - time.monotonic()


def is_let_in(endpoint, keys, site):
    with wire.Peer(endpoint, keys, wire.keys_of(site, "broker").curve_public) as peer:
        event, _ = peer.wait_event(wire.zmq.EVENT_HANDSHAKE_SUCCEEDED | wire.zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        return event == wire.zmq.EVENT_HANDSHAKE_SUCCEEDED


def test_revocation_ends_every_session_within_a_second(site):
    """On both ports of both brokers; also of whoever was let in and has said nothing yet."""
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(peer) for peer in (
            wire.publisher(site, "MOH"), at_second(site, wire.Publisher, "MOH"),
            wire.subscriber(site, "hn"), at_second(site, wire.Subscriber, "fund", "fund"))]
        silent = [stack.enter_context(peer) for peer in (
            wire.publisher(site, "MOH"), at_second(site, wire.Publisher, "MOH"),
            wire.subscriber(site, "hn"), at_second(site, wire.Subscriber, "fund", "fund"))]
        for peer in sessions:
            peer.hello()
        for peer in silent:
            peer.wait_event(wire.zmq.EVENT_HANDSHAKE_SUCCEEDED)
        why = ("--why", "the machine was broken into")
        site.dongbo("agency", "key", "revoke", "MOH", site.keys("moh"), *why)
        began = time.monotonic()
        for peer in sessions[:2]:
            wait_not_allowed(peer, began + SOON)
        for name in ("hn", "fund"):
            site.dongbo("subscription", "key", "revoke", name, site.keys(name), *why)
        began = time.monotonic()
        for peer in sessions[2:]:
            wait_not_allowed(peer, began + SOON)
        for peer in silent:
            peer.say_hello()
            wait_not_allowed(peer, time.monotonic() + wire.TIMEOUT)
    for endpoint in (site.publish, site.publish2):
        assert not is_let_in(endpoint, wire.keys_of(site, "moh"), site)
        assert is_let_in(endpoint, wire.keys_of(site, "moh-next"), site)


@pytest.mark.parametrize("party", ["agency", "subscription"])
def test_a_revoked_key_uses_up_nothing_of_its_partys(site, party):
    """Over a connection that whoever stole it has still: the holder of the new key is greeted all the same."""
    name, peer_of = {"agency": ("MOH", wire.publisher), "subscription": ("hn", wire.subscriber)}[party]
    stolen, new = wire.keys_of(site, name.lower()), wire.keys_of(site, f"{name.lower()}-next")
    with peer_of(site, name, keys=stolen) as flood, peer_of(site, name, keys=new) as honest:
        flood.hello()
        site.dongbo(party, "key", "revoke", name, site.keys(name.lower()), "--why", "the machine was broken into")
        wait_not_allowed(flood, time.monotonic() + wire.TIMEOUT)
        for _ in range(10):
            for _ in range(200):
                flood.say_hello()
            honest.hello()


def test_a_revocation_says_who_and_why_in_the_log(site):
    site.dongbo("agency", "key", "revoke", "MOH", site.keys("moh-next"), "--why", "the machine was broken into")
    site.wait_until("SELECT count(*) FROM exchange.policy_change WHERE logged_position IS NULL", 0)
    said = [line for line in site.log("--unmask") if line["kind"] == "policy" and "revoked" in line["text"]]
    assert [(line["decided_by"], line["why"]) for line in said] == [("dongbo_operator", "the machine was broken into")]
    assert "(by dongbo_operator)" in site.dongbo("log", "tail", "-n", "3").stdout


def test_retired_keys_end_at_their_time_and_what_they_sealed_is_taken(site):
    """Sealed with the old signing key in its time and sent afterwards: taken. Sealed afterwards, or revoked: not."""
    old, new = wire.keys_of(site, "moh"), wire.keys_of(site, "moh-next")
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    with wire.publisher(site, "MOH", keys=old) as leaving, wire.publisher(site, "MOH", keys=new) as staying:
        for peer in (leaving, staying):
            peer.hello()
            peer.publish([people.dose(1)])
        site.dongbo("agency", "key", "retire", "MOH", site.keys("moh"), "--until", until.isoformat())
        leaving.publish([people.dose(2)])  # until then nothing changes
        wait_not_allowed(leaving, time.monotonic() + wire.TIMEOUT)
        late = datetime.datetime.now(datetime.timezone.utc) - until
        assert datetime.timedelta(0) <= late < datetime.timedelta(seconds=SOON + 0.5), late
        in_time = int(until.timestamp() * 1000000) - 1
        staying.publish([people.dose(3)], signer=old, sealed_at_us=in_time)
        staying.send_batch([people.dose(4)], signer=old)
        assert "after its key was retired" in staying.expect_refusal("BAD_SIGNATURE").text
        site.dongbo("agency", "key", "revoke", "MOH", site.keys("moh"), "--why", "was on a stolen disk")
        site.wait_in_force()
        staying.hello()
        staying.send_batch([people.dose(4)], signer=old, sealed_at_us=in_time)
        assert "not signed by a key" in staying.expect_refusal("BAD_SIGNATURE").text
        staying.hello()
        staying.publish([people.dose(4)])


def test_what_was_sealed_with_a_retired_key_is_not_taken_for_ever(site):
    old, new = wire.keys_of(site, "moh"), wire.keys_of(site, "moh-next")
    ended = ("UPDATE exchange.key SET valid_from = now() - interval '90 days', "
             "valid_to = now() - make_interval(days => %s) WHERE key = %s")
    with wire.publisher(site, "MOH", keys=new) as peer:
        site.cluster.rows(ended, 29, old.sign_public)
        peer.hello()
        assert not refused(peer, old)
        site.cluster.rows(ended, 31, old.sign_public)
        site.broker.wait_for(lambda: refused(peer, old), "the key's end")


def refused(peer, signer):
    """Whether a batch of 60 days ago by this key is refused now."""
    peer.send_batch([people.dose(1)], signer=signer, sealed_at_us=wire.now_us() - 60 * 86400 * 1000000)
    received = peer.receive()
    if received.type == wire.RECEIPT:
        peer.last = wire.ReceiptBody.FromString(received.message.body).last_sequence
    return received.type == wire.REFUSAL


# ---- a batch that is on its way when its key is revoked -------------------------------------------------------------

@contextlib.contextmanager
def log_held(site):
    """Nobody writes to the log until this is over; gives the session that holds it."""
    with contextlib.closing(psycopg2.connect(site.cluster.conninfo("dongbo_administrator"))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT exchange.lock_log()")
        yield cursor
        connection.commit()


WRITER_WAITS = ("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dongbo writer' "
                "AND wait_event_type = 'Lock'")


@pytest.mark.parametrize("purpose, answer", [("ed25519", "BAD_SIGNATURE"), ("curve", "NOT_ALLOWED"), (None, None)])
def test_a_batch_whose_key_is_revoked_before_the_log_is_locked_is_not_stored(exchange, purpose, answer):
    """It was prepared while its keys held, and its writer waits for the log, which the revocation gets first."""
    site, keys = exchange, wire.keys_of(exchange, "moh")
    site.load_population(people.citizens(10))
    site.agency("MOH", "health", [])
    site.dongbo("agency", "key", "add", "MOH", site.keys("moh-next"))
    site.start_broker()
    site.wait_until("SELECT count(*) FROM exchange.policy_change WHERE logged_position IS NULL", 0)
    with wire.publisher(site, "MOH") as peer:
        peer.hello()
        peer.publish([people.dose(1)])
        with log_held(site) as holder:
            peer.send_batch([people.dose(2)])
            site.wait_until(WRITER_WAITS, 1)
            holder.execute("SELECT changed FROM exchange.key_end((SELECT agency FROM exchange.agency "
                           "WHERE code = 'MOH'), NULL, ARRAY[exchange.key_id(%s)], %s, NULL, 'stolen')",
                           (keys.curve_public if purpose == "curve" else keys.sign_public, purpose))
            assert holder.fetchone()[0] == (1 if purpose else 2)
        received = peer.receive()
        if received.type == wire.REFUSAL:
            assert wire.Refusal.Code.Name(received.code) == answer and "revoked meanwhile" in received.message.text
        else:
            assert received.type == wire.ERROR and wire.Error.Code.Name(received.code) == "NOT_ALLOWED"
            assert answer != "BAD_SIGNATURE", "this key's session goes on"
    with wire.publisher(site, "MOH", keys=wire.keys_of(site, "moh-next")) as peer:  # behind it in the writer's queue
        peer.hello()
        peer.publish([people.dose(3)])
    assert site.cluster.value("SELECT count(*) FROM exchange.segment WHERE kind = 1") == 2


# ---- passphrases ---------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def descriptor(text):
    """The number of a pipe that holds this."""
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    yield reader
    os.close(reader)


def run_with(words, passphrase=None, new=None, **environment):
    with descriptor(f"{passphrase}\n") as fd, descriptor(f"{new}\n") as new_fd:
        words = [*words, "--new-fd", new_fd] if new else words
        environment = {**os.environ, **environment, **({"DONGBO_PASSPHRASE_FD": str(fd)} if passphrase else {})}
        return run_program(words, env=environment, pass_fds=(fd, new_fd), stdin=-3, timeout=60)


def test_a_key_file_is_locked_and_programs_find_the_passphrase(exchange, tmp_path):
    path = exchange.directory / "broker.keys"
    check = [BUILD / "broker/dongbo-broker", "--config", exchange.directory / "broker.yaml", "--check"]
    lock = [BUILD / "operators/dongbo", "keys", "passphrase", path]
    assert run_with(lock, new="bốn con mèo").returncode == 0
    assert "secret:" not in path.read_text()
    refused = run_with(check)
    assert refused.returncode == 2 and "locked by a passphrase" in refused.stderr
    refused = run_with(check, "bốn con chó")
    assert refused.returncode == 2 and "does not open" in refused.stderr
    assert run_with(check, "bốn con mèo").returncode == 0
    (tmp_path / "broker.keys.passphrase").write_text("bốn con mèo")
    assert run_with(check, CREDENTIALS_DIRECTORY=str(tmp_path)).returncode == 0
    assert "at least" in run_with(lock, "bốn con mèo", new="short").stderr
    assert run_with(lock, "bốn con mèo", new="năm con mèo").returncode == 0
    assert run_with(check, "bốn con mèo").returncode == 2
    assert run_with([*lock, "--remove"], "năm con mèo").returncode == 0
    assert run_with(check).returncode == 0


def test_a_passphrase_is_asked_for_and_not_shown(exchange):
    path = exchange.directory / "broker.keys"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(BUILD / "operators/dongbo", ["dongbo", "keys", "passphrase", str(path)])
    shown = b""
    for question in (b"New passphrase: ", b"Once more: "):
        while not shown.endswith(question):
            shown += os.read(terminal, 1024)
        os.write(terminal, b"bon con meo\n")
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while more := os.read(terminal, 1024):
            shown += more
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    assert b"meo" not in shown and "locked" in path.read_text()


# ---- enrolment -----------------------------------------------------------------------------------------------------

@pytest.fixture
def door(exchange):
    """A broker with an enrolment door, and an agency and a subscription without keys."""
    exchange.door = f"ipc://{exchange.directory}/enrol"
    config = exchange.directory / "broker.yaml"
    config.write_text(config.read_text() + f'enrol: "{exchange.door}"\n')
    exchange.load_population(people.citizens(10))
    exchange.prepare("agency", "add", "MOH", "--name", "Bộ Y tế", "--domain", "health")
    exchange.prepare("subscription", "add", "hn", "--subscriber", "hn", "--legal-basis", "a test", "--valid-from",
                     "2020-01-01", "--valid-to", "2099-12-31", "--domain", "health", "--field", "health.lot_number")
    exchange.start_broker()
    return exchange


def token_for(door, kind, name, *words):
    token = door.dongbo(kind, "enrol", name, *words).stdout.strip()
    door.wait_in_force()
    return token


def enrol(door, token, name, *words, code=0, file="-"):
    done = run_program([BUILD / "agents/dongbo-agent", "enrol", "--token", file, "--broker", door.keys("broker"),
                        "--endpoint", door.door, "--keys", door.directory / f"{name}.keys", "--timeout", "20", *words],
                       input=f"{token}\n", timeout=60)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    door.wait_in_force()
    return done.stdout + done.stderr


def token_peer(door, token, endpoint):
    """Somebody who has the token, and says what they like with it."""
    letters = token.replace("-", "")
    secret = wire.hashlib.sha256(b"dongbo enrolment 1\0" + letters[:26].encode()).digest()
    public = wire.z85.decode(wire.zmq.curve_public(wire.z85.encode(secret)))
    return wire.Peer(endpoint, wire.Keys(public, secret, os.urandom(32)), wire.keys_of(door, "broker").curve_public)


def enrol_message(peer, keys, **lies):
    data = peer.keys.curve_public + keys.curve_public + keys.sign_public
    return wire.Enrol(**{"curve_public": keys.curve_public, "sign_public": keys.sign_public, "agent": "test",
                         "signature": keys.sign("dongbo enrol 1", data), **lies})


def test_a_party_enrols_by_a_token_and_works(door):
    token = token_for(door, "agency", "MOH")
    said = enrol(door, token.lower().replace("-", " "), "moh", "--agent", "moh-1")
    keys = wire.keys_of(door, "moh")
    assert f"enrolled as agency MOH, with key {keys.key_id}" in said
    shown = door.dongbo("keys", "show", door.directory / "moh.keys").stdout
    assert shown.split("fingerprint  ")[1].split("\n")[0] in said
    with wire.publisher(door, "MOH") as peer:
        peer.hello()
        assert peer.publish([people.dose(1)]).verdicts() == {1: "ACCEPTED"}
    enrol(door, token_for(door, "subscription", "hn"), "hn")
    with wire.subscriber(door, "hn") as peer:
        peer.hello()
        peer.take_all(2)
    told = door.cluster.rows("SELECT text FROM exchange.policy_change WHERE text LIKE '%%enrolled%%' ORDER BY change")
    assert told[0] == (f"agency MOH: key {keys.key_id} enrolled by agent moh-1 with the token of dongbo_operator",)
    assert door.cluster.value("SELECT min(added_by) FROM exchange.key") == "dongbo_operator"
    assert token.encode() not in b"".join(bytes(key) for key, in door.cluster.rows(
        "SELECT door_key FROM exchange.enrolment"))


def test_a_token_in_a_file_is_its_keepers_alone(door):
    file = door.directory / "moh.token"
    file.write_text(token_for(door, "agency", "MOH") + "\n")
    for mode in 0o644, 0o640, 0o620:
        file.chmod(mode)
        assert f"others may use it; run: chmod 600 {file}" in enrol(door, "", "moh", code=2, file=file)
    file.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(file, 65534, -1)
        assert "belongs to another user (65534)" in enrol(door, "", "moh", code=2, file=file)
        os.chown(file, 0, -1)
    assert not (door.directory / "moh.keys").exists()
    assert "enrolled as agency MOH" in enrol(door, "", "moh", file=file)


def test_a_token_is_good_once(door):
    token = token_for(door, "agency", "MOH")
    enrol(door, token, "moh")
    enrol(door, token, "moh")  # the answer was lost: the same keys again
    assert "used already" in enrol(door, token, "thief", code=1)
    assert door.cluster.value("SELECT count(*) FROM exchange.key") == 2
    assert "or one letter of it is wrong" in enrol(door, token[:-1] + ("0" if token[-1] != "0" else "1"), "x", code=2)


def test_tokens_end(door):
    first = token_for(door, "agency", "MOH")
    second = token_for(door, "agency", "MOH", "--hours", "1")
    assert "does not know this token" in enrol(door, first, "moh", code=1)
    door.dongbo("agency", "enrol", "MOH", "--withdraw", "--why", "sent to the wrong address")
    door.wait_in_force()
    assert "does not know this token" in enrol(door, second, "moh", code=1)
    third = token_for(door, "agency", "MOH")
    with token_peer(door, third, door.door) as peer:
        peer.wait_event(wire.zmq.EVENT_HANDSHAKE_SUCCEEDED)
        door.cluster.rows("UPDATE exchange.enrolment SET made_at = now() - interval '2 days', "
                          "expires_at = now() - interval '1 second'")
        peer.send(wire.ENROL, enrol_message(peer, wire.Keys.new()))
        assert "ran out" in peer.expect_error("NOT_ALLOWED").text
    assert door.cluster.value("SELECT count(*) FROM exchange.key") == 0


def test_a_token_is_tried_five_times_at_most(door):
    """Whoever cannot show that the keys are theirs is refused, and so are another's keys."""
    token = token_for(door, "agency", "MOH")
    mine, others = wire.Keys.new(), wire.keys_of(door, "hn-other")
    door.dongbo("subscription", "key", "add", "hn", door.keys("hn-other"))
    with token_peer(door, token, door.door) as peer:
        for lie in (enrol_message(peer, mine, signature=os.urandom(64)), enrol_message(peer, mine, agent=""),
                    enrol_message(peer, mine, curve_public=b"short"), None):
            peer.send(wire.ENROL, lie) if lie else peer.send_frames(b"rubbish")
            peer.expect_error("BAD_FRAME")
        peer.send(wire.ENROL, enrol_message(peer, others))
        assert "known to the exchange" in peer.expect_error("NOT_ALLOWED").text
        peer.send(wire.ENROL, enrol_message(peer, mine))
        assert "too often" in peer.expect_error("NOT_ALLOWED").text
    assert door.cluster.value("SELECT count(*) FROM exchange.key WHERE agency IS NOT NULL") == 0


def test_tokens_open_the_door_alone_and_keys_all_but_the_door(door):
    token = token_for(door, "agency", "MOH")
    for endpoint, event in ((door.door, wire.zmq.EVENT_HANDSHAKE_SUCCEEDED),
                            (door.publish, wire.zmq.EVENT_HANDSHAKE_FAILED_AUTH),
                            (door.subscribe, wire.zmq.EVENT_HANDSHAKE_FAILED_AUTH)):
        with token_peer(door, token, endpoint) as peer:
            peer.wait_event(event)
    enrol(door, token, "moh")
    door.wait_in_force()
    assert is_let_in(door.publish, wire.keys_of(door, "moh"), door)
    assert not is_let_in(door.door, wire.keys_of(door, "moh"), door)
    assert not is_let_in(door.door, wire.Keys.new(), door)


# ---- the exchange's own keys ---------------------------------------------------------------------------------------

def change_exchange_keys(exchange):
    """The broker stops, and starts with its next keys."""
    exchange.broker.stop()
    config = exchange.directory / "broker.yaml"
    config.write_text(config.read_text().replace("keys: broker.keys", "keys: broker-next.keys"))
    exchange.start_broker()


def test_the_exchange_changes_its_keys_under_agents_that_know_the_next(exchange):
    """Those who run go on with the new key by themselves; who has not got it stays outside, and loses nothing."""
    exchange.load_population(people.citizens(30))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    late = exchange.agency("MOET", "education", ["education"])
    committee = exchange.committee("hn", "health", "health.lot_number")
    for agent, name in ((moh, "mine"), (late, "theirs"), (committee, "mine")):
        shutil.copy(exchange.directory / "broker.keys.pub", exchange.directory / f"{name}.pub")
        agent.config.write_text(agent.config.read_text().replace("broker.keys.pub", f"{name}.pub"))
    exchange.keys("broker-next")
    shutil.copy(exchange.directory / "broker-next.keys.pub", exchange.directory / "mine.pub.next")
    exchange.start_broker()
    moh.drop("vaccinations", "a.csv", [people.dose_row(n) for n in range(5)])
    running, receiving = moh.start(), committee.start()
    stored = "SELECT count(*) FROM exchange.segment WHERE kind = 1"
    exchange.wait_until(stored, 1)
    receiving.wait_for(lambda: len(committee.records()) == 5, "the first records")
    change_exchange_keys(exchange)
    moh.drop("vaccinations", "b.csv", [people.dose_row(n) for n in range(5, 10)])
    exchange.wait_until(stored, 2)
    receiving.wait_for(lambda: len(committee.records()) == 10, "the records after")
    assert running.running()
    assert late.once(timeout=2) == 3 and "is broker.key its public key file?" in late.log.read_text()
    shutil.copy(exchange.directory / "broker-next.keys.pub", exchange.directory / "theirs.pub")
    assert late.once(expect=0) == 0
    exchange.wait_until("SELECT count(*) FROM exchange.policy_change WHERE logged_position IS NULL", 0)
    ids = [wire.keys_of(exchange, name).key_id for name in ("broker", "broker-next")]
    told = [line["text"] for line in exchange.log() if line["kind"] == "policy" and "heads of the log" in line["text"]]
    assert len(told) == 2 and all(f"(id {key})" in text for text, key in zip(told, ids))
    assert "a signed head" not in committee.log.read_text(), "its heads go on under the next key"


def set_keys(exchange, present, following=None):
    """In the broker's configuration; it is started anew where it runs."""
    config = exchange.directory / "broker.yaml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith(("keys:", "next_keys:"))]
    lines += [f"keys: {present}.keys"] + ([f"next_keys: {following}.keys.pub"] if following else [])
    if exchange.broker:
        exchange.broker.stop()
    config.write_text("\n".join(lines) + "\n")
    exchange.start_broker()


def test_whoever_asks_outside_of_sessions_learns_which_keys_will_follow(exchange):
    """A witness, while it runs, and who keeps a list: over two changes without anybody touching them."""
    fund = exchange.committee("fund", "health", "citizen_number,health.*", "--followed-only")
    witness = Witness(exchange)
    shutil.copy(exchange.directory / "broker.keys.pub", exchange.directory / "theirs-fund.pub")
    fund.config.write_text(fund.config.read_text().replace("broker.keys.pub", "theirs-fund.pub"))
    for name in ("broker-next", "broker-third"):
        exchange.keys(name)
    files = [exchange.directory / name for name in ("theirs-fund.pub", "witness.exchange.pub")]
    nexts = [path.with_name(path.name + ".next") for path in files]
    set_keys(exchange, "broker", "broker-next")
    running = witness.register().start()
    for number, (present, following) in enumerate([("broker", "broker-next"), ("broker-next", "broker-third"),
                                                   ("broker-third", None)]):
        if number > 0:
            set_keys(exchange, present, following)
        listed = exchange.run(BUILD / "agents/dongbo-agent", "follow", "--config", fund.config, "list")
        assert listed.returncode == 0, listed.stderr
        signed = sign_key(exchange, present).hex()
        running.wait_for(lambda: any(line["key"] == signed for line in witness.lines()), "a head")
        expected = public_keys(exchange.directory / f"{following or present}.keys.pub")
        running.wait_for(lambda: all(public_keys(path) == expected for path in nexts), f"{following} is learnt of")
    assert all(public_keys(path) == public_keys(exchange.directory / "broker-next.keys.pub") for path in files)
    running.stop()


def public_keys(path):
    return [line for line in path.read_text().splitlines() if not line.startswith("#")] if path.exists() else None


def test_the_exchange_tells_which_keys_will_follow(exchange):
    """Twice, without anybody touching an agent; and what a keeper has put there by hand stays."""
    exchange.load_population(people.citizens(30))
    moh = exchange.agency("MOH", "health", ["vaccinations"])
    committee = exchange.committee("hn", "health", "health.lot_number")
    for agent, name in ((moh, "moh"), (committee, "hn")):
        shutil.copy(exchange.directory / "broker.keys.pub", exchange.directory / f"theirs-{name}.pub")
        agent.config.write_text(agent.config.read_text().replace("broker.keys.pub", f"theirs-{name}.pub"))
    for name in ("broker-next", "broker-third"):
        exchange.keys(name)
    files = [exchange.directory / f"theirs-{name}.pub" for name in ("moh", "hn")]
    nexts = [path.with_name(path.name + ".next") for path in files]
    set_keys(exchange, "broker", "broker-next")
    assert "that keys of fingerprint" in exchange.broker.text()
    running, receiving = moh.start(), committee.start()
    for number, (present, following) in enumerate([("broker", "broker-next"), ("broker-next", "broker-third"),
                                                   ("broker-third", None)]):
        if number > 0:
            set_keys(exchange, present, following)
        moh.drop("vaccinations", f"{number}.csv", [people.dose_row(n) for n in range(5 * number, 5 * number + 5)])
        receiving.wait_for(lambda: len(committee.records()) == 5 * number + 5, f"the records under {present}")
        expected = public_keys(exchange.directory / f"{following or present}.keys.pub")
        running.wait_for(lambda: all(public_keys(path) == expected for path in nexts), f"{following} is learnt of")
    assert all(public_keys(path) == public_keys(exchange.directory / "broker-next.keys.pub") for path in files)
    assert "a signed head" not in committee.log.read_text() and running.running()
    for process in (running, receiving):
        process.stop()
    shutil.copy(exchange.keys("hn-other"), nexts[1])
    set_keys(exchange, "broker-next", "broker-third")
    committee.until_head()
    assert public_keys(nexts[1]) == public_keys(exchange.directory / "hn-other.keys.pub")
    assert "put there by hand" in committee.log.read_text()


def test_what_was_changed_while_agencies_could_not_be_read_is_logged(site):
    """The notification came, and was of no use then."""
    site.cluster.rows("REVOKE SELECT ON exchange.agency FROM dongbo_broker")
    site.broker.wait_for(lambda: "agencies and keys stay as they were" in site.broker.text(), "a look that fails")
    site.wait_until("SELECT count(*) FROM exchange.policy_change WHERE logged_position IS NULL", 0)
    site.dongbo("subscription", "change", "hn", "--valid-to", "2098-12-31")
    waiting = "SELECT count(*) FROM exchange.policy_change WHERE logged_position IS NULL"
    assert site.cluster.value(waiting) == 1
    site.cluster.rows("GRANT SELECT ON exchange.agency TO dongbo_broker")
    site.wait_until(waiting, 0, 10)
