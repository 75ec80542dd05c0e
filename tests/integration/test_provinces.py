# SPDX-License-Identifier: Apache-2.0
"""Committees of provinces follow their persons: whatever happens, what each was sent leaves it with the present
records of those who live where it may see, and of nobody else."""
import os
import random

import pytest

import logbook
import wire
from test_population_events import T, dose_of, number
from test_population_events import Centre, body_of

PROVINCES = ("01", "79", "48")
FIELDS = "citizen_number,health.vaccine_group,health.dose_number,health.lot_number"
HOME = "population.citizen_number,population.residence_province"
COMMITTEES = {"hanoi": ["--province", "01"], "south": ["--province", "79", "--province", "48"], "all": []}
FOLLOWERS = {"fund": [], "fund-hanoi": ["--province", "01"]}  # who follow some persons only
PERSONS = 12


@pytest.fixture
def centre(exchange):
    made = Centre(exchange)
    for name, words in COMMITTEES.items():
        exchange.committee(name, "health,population", f"{FIELDS},population.residence_province", *words)
    for name, words in FOLLOWERS.items():
        exchange.committee(name, "health,population", f"{FIELDS},{HOME}", "--followed-only",
                           *words)
    yield made
    made.close()


def unite_doses(life, of, into):
    """What becomes of the doses of somebody who was merged, and of what was withdrawn of theirs."""
    for person, which in [key for key in life.doses if key[0] == of]:
        lot = life.doses.pop((person, which))
        if max(life.doses.get((into, which), ""), life.withdrawn.get((into, which), "")) < lot:
            life.doses[into, which] = lot
    for person, which in [key for key in life.withdrawn if key[0] == of]:
        when = life.withdrawn.pop((person, which))
        life.withdrawn[into, which] = max(life.withdrawn.get((into, which), ""), when)
        if life.doses.get((into, which), "Z") < when:
            del life.doses[into, which]


class Life:
    """Random events about some persons, and what their records are after them: the plain model."""

    def __init__(self, centre, seed):
        self.centre, self.dice, self.clock = centre, random.Random(seed), 0
        self.home = {}                                      # by person; "" unknown
        self.numbers = {of: 0 for of in range(PERSONS)}     # how often re-issued
        self.doses = {}                                     # (person, dose): lot, numbered by time
        self.withdrawn = {}                                 # (person, dose): when, as a lot would be numbered
        self.lists = {name: set() for name in FOLLOWERS}    # whom they follow

    def about(self, of):
        return number(of, self.numbers[of])

    def tick(self):
        self.clock += 1
        return self.clock

    def enter(self, of):
        self.home[of] = self.dice.choice(PROVINCES)
        return self.centre.change("registered", self.about(of), time=self.tick(), full_name="Nguyễn Văn An",
                                  birth_date="1999-01-02", sex="male", residence_province=self.home[of])

    def move(self, of):
        self.home[of] = self.dice.choice(("", *PROVINCES))
        clear = () if self.home[of] else (8,)
        return self.centre.change("move", self.about(of), time=self.tick(), clear=clear,
                                  residence_province=self.home[of])

    def reissue(self, of):
        before = self.about(of)
        self.numbers[of] += 1
        return self.centre.change("number-reissued", before, self.about(of), time=self.tick())

    def merge(self, of, into=None):
        into = self.dice.choice([other for other in self.home if other != of]) if into is None else into
        merged = self.centre.change("merged", self.about(of), self.about(into), time=self.tick(),
                                    residence_province=self.home[into], clear=() if self.home[into] else (8,))
        unite_doses(self, of, into)
        del self.home[of]
        for persons in self.lists.values():
            if of in persons:
                persons.symmetric_difference_update({of} if into in persons else {of, into})
        return merged

    def dose(self, of, operation=1):
        which, lot = self.dice.randint(1, 3), f"L{self.tick():06d}"
        said = wire.ChangeEvent.FromString(dose_of(self.about(of), lot))
        said.event_time_us, said.operation = T + self.clock, operation
        said.health.dose_number, said.health.occurrence_date = which, f"2021-0{3 * which}-01"
        if operation == 1:
            said.health.lot_number = lot
            self.doses[of, which] = lot
        else:
            self.doses.pop((of, which), None)
            self.withdrawn[of, which] = lot
        return said

    def batch(self):
        """Some events of one agency: who it is, and they."""
        living = sorted(self.home)
        if self.dice.random() < .5:
            return "MOH", [self.dose(self.dice.choice(living), 2 if self.dice.random() < .15 else 1)
                           for _ in range(self.dice.randint(1, 8))]
        kinds = [self.move] * 6 + [self.reissue] + [self.merge] * (len(living) > 4)
        return "NPC", [self.dice.choice(kinds)(self.dice.choice(sorted(self.home)))
                       for _ in range(self.dice.randint(1, 4)) if len(self.home) > 4]

    def follow(self, name, peer):
        """Some persons more or fewer on a list, by any of their numbers. Whoever lives elsewhere is not taken."""
        provinces, some = FOLLOWERS[name][1::2], self.dice.sample(sorted(self.home), 3)
        says = [number(of, self.dice.randint(0, self.numbers[of])) for of in some]
        if self.dice.random() < .6:
            covered = [of for of in some if not provinces or self.home[of] in provinces]
            assert list(peer.follow(add=says).not_covered) == [
                said for of, said in zip(some, says) if of not in covered]
            self.lists[name].update(covered)
        else:
            assert not peer.follow(remove=says).not_covered
            self.lists[name].difference_update(some)

    def expected(self, provinces, persons=None):
        return sorted((self.about(of), which, lot) for (of, which), lot in self.doses.items()
                      if (not provinces or self.home[of] in provinces) and (persons is None or of in persons))

    def expected_homes(self, provinces, persons):
        return sorted((self.about(of), self.home[of]) for of in persons if not provinces or self.home[of] in provinces)


def copy_of(committee):
    """What a receiver that does as it is told holds in the end: doses, as told by who told of them last, however often
    they were told again since. Lots are numbered by when that was."""
    for record in held_by(committee):
        if record.domain == 2:
            assert (record.agency, record.event_time_us) == ("MOH", T + int(body_of(record)[1][1:]))
    return sorted((record.citizen_number, *body_of(record)) for record in held_by(committee) if record.domain == 2)


def homes_of(committee):
    """... and where their persons live."""
    return sorted((record.citizen_number, wire.PopulationChange.FromString(record.body).residence_province)
                  for record in held_by(committee) if record.domain == 1)


def held_by(committee):
    held = {}
    for record in committee.records:
        if record.change in (1, 3):
            held[record.record_id] = record
        else:
            held.pop(record.record_id, None)
    return held.values()


def read(centre, name, head):
    with wire.subscriber(centre.exchange, name) as committee:
        committee.hello(from_start=True)
        committee.take_all(head)
        return committee


def wait_told(centre):
    for waiting in ("exchange.person_link WHERE NOT moved", "exchange.retelling WHERE NOT told",
                    "exchange.follow_request"):
        centre.exchange.wait_until(f"SELECT count(*) FROM {waiting}", 0)
    return centre.cluster.value("SELECT last_position FROM exchange.head")


@pytest.mark.parametrize("seed", range(int(os.environ.get("DONGBO_SEEDS", "3"))))
def test_copies_of_provinces_stay_right(centre, seed):
    life, peers = Life(centre, seed), {code: centre.peer(code) for code in ("NPC", "MOH")}
    peers["NPC"].publish([life.enter(of) for of in range(PERSONS)])
    for _ in range(40):
        code, events = life.batch()
        if events:
            peers[code].publish(events)
    head = wait_told(centre)
    assert centre.cluster.rows("SELECT * FROM exchange.exception") == []
    logbook.Logbook(centre.cluster).check()
    for name, words in COMMITTEES.items():
        committee, where = read(centre, name, head), f"{name}, seed {seed}"
        assert copy_of(committee) == life.expected(words[1::2]), where
        # Of whom nothing is known that is granted, no number is told again.
        assert [home for home in homes_of(committee) if home[1]] == [
            home for home in life.expected_homes(words[1::2], life.home) if home[1]], where


@pytest.mark.parametrize("seed", range(int(os.environ.get("DONGBO_SEEDS", "3"))))
def test_copies_of_followed_persons_stay_right(centre, seed):
    """Of persons who are followed and not, while they move, get other numbers and turn out to be one."""
    life, peers = Life(centre, seed), {code: centre.peer(code) for code in ("NPC", "MOH")}
    keepers = {name: wire.subscriber(centre.exchange, name) for name in FOLLOWERS}
    peers["NPC"].publish([life.enter(of) for of in range(PERSONS)])
    before = {}
    for turn in range(60):
        code, events = life.batch()
        if events:
            peers[code].publish(events)
        name = life.dice.choice(sorted(FOLLOWERS))
        life.follow(name, keepers[name])
        if turn == 30:
            head = centre.cluster.value("SELECT last_position FROM exchange.head")
            before = {name: read(centre, name, head).records for name in FOLLOWERS}
    goes, stays = life.dice.sample(sorted(life.home), 2)  # one who is followed turns out to be one who is not
    keepers["fund"].follow(add=[life.about(goes)], remove=[life.about(stays)])
    life.lists["fund"] = life.lists["fund"] - {stays} | {goes}
    peers["MOH"].publish([life.dose(stays)])
    peers["NPC"].publish([life.merge(goes, stays)])
    head = wait_told(centre)
    assert centre.cluster.rows("SELECT * FROM exchange.exception") == []
    logbook.Logbook(centre.cluster).check()
    for name, words in FOLLOWERS.items():
        keepers[name].close()
        committee, where = read(centre, name, head), f"{name}, seed {seed}"
        assert copy_of(committee) == life.expected(words[1::2], life.lists[name]), where
        assert homes_of(committee) == life.expected_homes(words[1::2], life.lists[name]), where
        assert [record.SerializeToString() for record in committee.records[:len(before[name])]] == \
            [record.SerializeToString() for record in before[name]], f"{where}: read again"
