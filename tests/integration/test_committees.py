# SPDX-License-Identifier: Apache-2.0
"""Many committees at once, each with a seed of its own: persons of whom random things happen, rights that change,
lists of persons followed, and programs that are killed. In the end each committee's tables are what a plain model makes
of all that was said. DONGBO_SEEDS=N runs the first N seeds, DONGBO_SEEDS=17:18 the one numbered 17."""
import collections
import os
import random

import pytest

import wire
from test_population_events import Centre, dose, number
from test_provinces import unite_doses

HOMES = ("01", "79", "48")
PERSONS = 8  # of a seed
STEPS = 24
KEYS = ("health.vaccine_group", "health.dose_number")
GRANTS = (("citizen_number", "health.lot_number"), ("health.lot_number",), ("citizen_number",))
PROVINCES = ((), ("01",), ("79", "48"), ("01", "79"))


def seeds():
    said = os.environ.get("DONGBO_SEEDS", "50")
    first, last = said.split(":") if ":" in said else (0, said)
    return range(int(first), int(last))


@pytest.fixture
def centre(exchange):
    made = Centre(exchange)
    yield made
    made.close()


class Lives:
    """A seed's persons, and what their records are after what was said of them."""

    def __init__(self, centre, seed, dice):
        self.centre, self.dice, self.first, self.clock = centre, dice, seed * PERSONS, 0
        self.home, self.doses, self.withdrawn, self.into = {}, {}, {}, {}
        self.numbers = dict.fromkeys(range(self.first, self.first + PERSONS), 0)

    def about(self, of):
        return number(of, self.numbers[of])

    def now(self):
        self.clock += 1
        return self.clock

    def one(self):
        return self.dice.choice(sorted(self.home))

    def who(self, of):
        """Whom this person is now."""
        while of in self.into:
            of = self.into[of]
        return of

    def enter(self, of):
        self.home[of] = self.dice.choice(HOMES)
        return self.centre.change("registered", self.about(of), time=self.now(), full_name="Nguyễn Văn An",
                                  birth_date="1999-01-02", sex="male", residence_province=self.home[of])

    def move(self):
        of = self.one()
        self.home[of] = self.dice.choice(("", *HOMES))
        return self.centre.change("move", self.about(of), time=self.now(), clear=() if self.home[of] else (8,),
                                  residence_province=self.home[of])

    def reissue(self):
        of = self.one()
        before = self.about(of)
        self.numbers[of] += 1
        return self.centre.change("number-reissued", before, self.about(of), time=self.now())

    def merge(self):
        of = self.one()
        into = self.dice.choice([other for other in self.home if other != of])
        said = self.centre.change("merged", self.about(of), self.about(into), time=self.now(),
                                  residence_province=self.home[into], clear=() if self.home[into] else (8,))
        unite_doses(self, of, into)
        del self.home[of]
        self.into[of] = into
        return said

    def of_centre(self):
        kinds = [self.move] * 6 + [self.reissue] + [self.merge] * (len(self.home) > 4)
        return self.dice.choice(kinds)()

    def of_ministry(self):
        of, which, time = self.one(), self.dice.randint(1, 3), self.now()
        lot = f"L{time:06d}"
        if self.dice.random() < .15:
            self.doses.pop((of, which), None)
            self.withdrawn[of, which] = lot
            said = dose(self.about(of), which, "", time, operation=2)
            said.health.occurrence_date = ""
            return said
        self.doses[of, which] = lot
        return dose(self.about(of), which, lot, time)


class Committee:
    """A subscription whose records its own program puts into tables, and the rights that it has."""

    def __init__(self, exchange, seed, dice, lives):
        self.exchange, self.dice, self.lives, self.name = exchange, dice, lives, f"c{seed}"
        self.follows, self.followed = seed % 2 == 1, set()
        self.provinces, self.grant = dice.choice(PROVINCES), dice.choice(GRANTS)
        words = self.words() + (["--followed-only"] if self.follows else [])
        self.receiver = exchange.committee(self.name, "health", *words)
        text = self.receiver.config.read_text()
        self.receiver.config.write_text(text[:text.index("sink:")] +
                                        f'sink: {{kind: postgres, conninfo: "{exchange.cluster.conninfo()}", '
                                        f'schema: {self.name}}}\n')
        self.process = None

    def words(self):
        return [",".join((*KEYS, *self.grant)), "--province", ",".join(self.provinces) or "all"]

    def start(self, *words):
        self.process = self.exchange.start(self.receiver.command(*words), self.receiver.log)

    def sees(self, home):
        return not self.provinces or home in self.provinces

    def change(self):
        self.provinces, self.grant = self.dice.choice(PROVINCES), self.dice.choice(GRANTS)
        fields, *province = self.words()
        self.exchange.dongbo("subscription", "change", self.name, "--field", fields, *province)

    def restart(self):
        self.process.kill()
        self.start(*self.dice.choice(([], [], ["--from", "start"])))

    def follow(self):
        some = self.dice.sample(sorted(self.lives.home), 2)
        adds = self.dice.random() < .7
        said = {"add" if adds else "remove": [self.lives.about(of) for of in some]}
        with wire.subscriber(self.exchange, self.name) as peer:
            refused = list(peer.follow(**said).not_covered)
        if adds:
            assert refused == [self.lives.about(of) for of in some if not self.sees(self.lives.home[of])]
            self.followed |= {of for of in some if self.sees(self.lives.home[of])}
        else:
            self.followed -= {of for of in self.followed if self.lives.who(of) in some}

    def act(self):
        self.dice.choice([self.change, self.restart] + [self.follow] * 4 * self.follows)()

    def expected(self, everybody):
        """By citizen number, dose and lot, as far as they are granted: how many."""
        mine = {self.lives.who(of) for of in self.followed}
        number, lot = "citizen_number" in self.grant, "health.lot_number" in self.grant
        return collections.Counter((lives.about(of) if number else None, which, said if lot else None)
                                   for lives in everybody for (of, which), said in lives.doses.items()
                                   if self.sees(lives.home[of]) and (not self.follows or of in mine))

    def held(self):
        columns = ["citizen_number", "dose_number"] + ["lot_number"] * self.has("lot_number")
        rows = self.exchange.cluster.rows(f"SELECT {', '.join(columns)} FROM {self.name}.health")
        return collections.Counter(row if len(row) == 3 else (*row, None) for row in rows)

    def has(self, column):
        return self.exchange.cluster.value("SELECT count(*) FROM information_schema.columns WHERE table_schema = %s"
                                           " AND table_name = 'health' AND column_name = %s", self.name, column)


WAITING = ("exchange.person_link WHERE NOT moved", "exchange.retelling WHERE NOT told", "exchange.follow_request",
           "exchange.policy_change WHERE logged_position IS NULL")


class Run:
    def __init__(self, centre):
        self.centre, self.exchange, self.dice = centre, centre.exchange, random.Random(4711)
        self.lives, self.committees, self.peers = {}, {}, {}
        for seed in seeds():
            dice = random.Random(seed)
            self.lives[seed] = Lives(centre, seed, dice)
            self.committees[seed] = Committee(self.exchange, seed, dice, self.lives[seed])

    def publish(self, code, events):
        if code not in self.peers:
            self.peers[code] = self.centre.peer(code)
        if events:
            self.peers[code].publish(events)

    def settle(self):
        for waiting in WAITING:
            self.exchange.wait_until(f"SELECT count(*) FROM {waiting}", 0)

    def kill_broker(self):
        self.exchange.broker.kill()
        self.peers.clear()
        self.exchange.start_broker()

    def step(self, n):
        moved = [seed for seed, lives in self.lives.items() if lives.dice.random() < .6 and len(lives.home) > 3]
        self.publish("NPC", [self.lives[seed].of_centre() for seed in moved])
        self.publish("MOH", [lives.of_ministry() for lives in self.lives.values() for _ in range(2)])
        if n % 8 == 5:
            self.kill_broker()
        for committee in self.committees.values():
            if committee.dice.random() < .15:
                committee.act()


def test_each_committee_holds_what_it_may(centre):
    run = Run(centre)
    run.publish("NPC", [lives.enter(of) for lives in run.lives.values() for of in lives.numbers])
    for committee in run.committees.values():
        committee.start()
    for n in range(STEPS):
        run.step(n)
    run.settle()
    assert centre.cluster.rows("SELECT reasons FROM exchange.exception WHERE verdict NOT IN (1, 2, 3)") == []
    wrong = []
    for seed, committee in run.committees.items():
        committee.process.stop()
        committee.receiver.until_head()
        held, expected = committee.held(), committee.expected(run.lives.values())
        if held != expected:
            wrong.append(f"seed {seed}: too much {[*(held - expected)]}, lacks {[*(expected - held)]}")
    assert not wrong, "\n".join(wrong)
