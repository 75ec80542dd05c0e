# SPDX-License-Identifier: Apache-2.0
"""population.apply_changes(): every kind, once per (stream, sequence), alone or in a batch."""
import psycopg2
import pytest

STREAM = bytes(range(16))
FIELDS = ("kind", "subject_number", "number", "full_name", "name_folded", "birth_date", "sex", "mother", "father",
          "province", "province63", "commune", "died_on")
A, B, C, D = "001090000001", "001090000002", "001090000003", "001090000004"


class Store:
    def __init__(self, database):
        self.database = database
        self.next = 1

    def apply(self, *events, stream=STREAM, sequences=None, decided=False, as_of=None, own=()):
        """Each event a dict of FIELDS, and of `cleared` bits; rows as dicts, by sequence."""
        if sequences is None:
            sequences = list(range(self.next, self.next + len(events)))
            self.next += len(events)
        columns = [[event.get(field, "") for event in events] for field in FIELDS]
        rows = self.database.rows(
            "SELECT * FROM population.apply_changes(%s, %s::bigint[]" + ", %s::text[]" * len(FIELDS) +
            ", %s, %s, %s, %s::bigint[])",
            stream, sequences, *columns, [event.get("cleared", 0) for event in events], decided, as_of, list(own),
            user="dongbo_population_writer")
        names = ("sequence", "person", "number", "before", "before63", "after", "after63")
        assert [row[0] for row in rows] == sequences
        self.moved = rows[-1][-1]   # the position at which it changed the store, 0 where it did not
        return [dict(zip(names, row)) for row in rows]

    def citizen(self, number):
        rows = self.database.rows("SELECT to_jsonb(c) FROM population.citizen c WHERE citizen_number = %s", number)
        return rows[0][0] if rows else None

    def position(self):
        return self.database.value("SELECT position FROM population.state")

    def changed(self, position):
        return sorted(row[0] for row in self.database.rows(
            "SELECT citizen_number FROM population.change WHERE position = %s", position))


@pytest.fixture
def store(database):
    return Store(database)


def enter(number, **said):
    return dict(kind="registered", number=number, full_name="Nguyễn Văn Đạt", name_folded="nguyen van dat",
                birth_date="1990-01-02", sex="male", province="01", province63="01", commune="00001") | said


def test_entering_makes_persons_and_moves_the_clock_by_one(store):
    rows = store.apply(enter(A), enter(B, kind="birth"))
    assert rows[0]["person"] and rows[1]["person"] and rows[0]["person"] != rows[1]["person"]
    assert (rows[0]["number"], rows[0]["before"], rows[0]["after"], rows[0]["after63"]) == (A, "", "01", "01")
    assert store.position() == 1
    assert store.changed(1) == [A, B]
    assert store.citizen(A)["name_folded"] == "nguyen van dat"


def test_a_batch_applied_again_changes_nothing_and_gives_the_same_answer(store):
    first = store.apply(enter(A), enter(B))
    moved = store.apply(dict(kind="move", number=A, province="79"), dict(kind="move", number=A, province="48"))
    assert [(row["before"], row["after"]) for row in moved] == [("01", "79"), ("79", "48")]
    assert store.position() == 2
    assert store.apply(dict(kind="move", number=A, province="79"), dict(kind="move", number=A, province="48"),
                       sequences=[3, 4]) == moved
    assert store.citizen(A)["residence_province"] == "48"
    # A batch that begins before what was applied and goes on behind it.
    mixed = store.apply(enter(B), enter(C), sequences=[2, 5])
    assert mixed[0] == first[1] and mixed[1]["person"]
    assert store.changed(store.position()) == [C]
    assert store.database.value("SELECT last_sequence FROM population.applied") == 5


def test_what_came_in_between_does_not_stand_when_a_batch_is_applied_again(store):
    """The exchange did not store a batch, and an older word of another stream found no record that said newer."""
    store.apply(enter(A))
    newer = dict(kind="correction", number=A, mother="Newer")
    store.apply(newer)
    store.apply(dict(kind="correction", number=A, mother="Older"), stream=bytes(16), sequences=[1])
    store.apply(newer, sequences=[2])
    assert store.citizen(A)["mother_name"] == "Newer"


def test_answers_are_kept_of_the_last_calls_only(store):
    store.apply(enter(A))
    for province in ["79", "48"] * 35:
        store.apply(dict(kind="move", number=A, province=province))
    assert store.database.value("SELECT count(*) FROM population.applied_call") == 64
    old = store.apply(dict(kind="move", number=A, province="79"), sequences=[2])[0]
    assert (old["before"], old["after"]) == ("48", "48")  # as it is now
    assert store.citizen(A)["residence_province"] == "48"
    kept = store.apply(dict(kind="move", number=A, province="48"), sequences=[71])[0]
    assert (kept["before"], kept["after"]) == ("79", "48")


def test_decisions_come_in_any_order_and_are_answered_alike_again(store):
    """Events that were deferred: their streams went on long ago."""
    store.apply(enter(A), enter(B))
    store.apply(dict(kind="move", number=C, province="79"), dict(kind="move", number=D, province="79"))
    assert store.apply(dict(kind="move", number=C, province="79"), sequences=[3], decided=True)[0]["person"] == 0
    store.apply(enter(C), enter(D))
    later = store.apply(dict(kind="move", number=D, province="79"), sequences=[4], decided=True)
    row = store.apply(dict(kind="move", number=C, province="79"), sequences=[3], decided=True)
    assert (row[0]["before"], row[0]["after"]) == ("01", "79")
    assert store.apply(dict(kind="move", number=C, province="79"), dict(kind="move", number=D, province="79"),
                       sequences=[3, 4], decided=True) == row + later
    assert store.database.value("SELECT last_sequence FROM population.applied") == 6


def test_what_holds_no_longer_is_cleared(store):
    store.apply(enter(A, mother="Mẹ", father="Cha"), dict(kind="death", number=A, died_on="2021-05-06"))
    row = store.apply(dict(kind="correction", number=A, cleared=1 << 10 | 1 << 6 | 1 << 8 | 1 << 9))[0]
    citizen = store.citizen(A)
    assert [citizen[field] for field in ("died_on", "mother_name", "father_name", "residence_province",
                                         "residence_province63", "residence_commune")] == ["", "", "Cha", "", "", ""]
    assert (row["before"], row["before63"], row["after"], row["after63"]) == ("01", "01", "", "")


def test_streams_are_counted_apart(store):
    store.apply(enter(A), sequences=[7])
    store.apply(enter(B), sequences=[3], stream=bytes(16))
    assert store.citizen(B)


def test_entering_again_updates_what_is_said_of_the_same_person(store):
    person = store.apply(enter(A))[0]["person"]
    row = store.apply(dict(kind="registered", number=A, father="Nguyễn Văn Bình"))[0]
    assert row["person"] == person
    assert store.citizen(A)["father_name"] == "Nguyễn Văn Bình"
    assert store.citizen(A)["full_name"] == "Nguyễn Văn Đạt"


def test_nothing_said_is_nothing_changed(store):
    store.apply(enter(A))
    store.apply(dict(kind="correction", number=A, full_name="Nguyễn Văn Đạt", name_folded="nguyen van dat"))
    assert store.position() == 1
    assert store.database.value("SELECT last_sequence FROM population.applied") == 2


def test_correction_death_and_move(store):
    store.apply(enter(A))
    store.apply(dict(kind="correction", number=A, full_name="Nguyễn Văn Đat", name_folded="nguyen van dat"))
    store.apply(dict(kind="death", number=A, died_on="2021-05-06"))
    # Which of the said fields are to hold, the caller knows: a commune stays unless it is cleared.
    store.apply(dict(kind="move", number=A, province="01", province63="01"))
    assert store.citizen(A)["residence_commune"] == "00001"
    row = store.apply(dict(kind="move", number=A, province="79", commune="26734"))[0]
    citizen = store.citizen(A)
    assert (citizen["full_name"], citizen["died_on"]) == ("Nguyễn Văn Đat", "2021-05-06")
    assert (row["before"], row["before63"], row["after"], row["after63"]) == ("01", "01", "79", "")
    # The old 63-code would contradict the new province.
    assert (citizen["residence_province63"], citizen["residence_commune"]) == ("", "26734")
    # Within the province the commune alone may be said, and the 63-code stays.
    store.apply(dict(kind="move", number=A, province="79", province63="79"))
    store.apply(dict(kind="move", number=A, commune="26737"))
    assert (store.citizen(A)["residence_province63"], store.citizen(A)["residence_commune"]) == ("79", "26737")


@pytest.mark.parametrize("kind", ["correction", "move", "death", "number-reissued"])
def test_the_unknown_are_not_made_up(store, kind):
    row = store.apply(dict(kind=kind, subject_number=A, number=B if kind == "number-reissued" else A,
                           full_name="X", died_on="2020", province="79"))[0]
    assert (row["person"], row["number"]) == (0, "")
    assert store.position() == 0
    assert store.database.value("SELECT count(*) FROM population.citizen") == 0


def test_a_reissued_number_keeps_the_person_and_the_old_number(store):
    person = store.apply(enter(A))[0]["person"]
    event = dict(kind="number-reissued", subject_number=A, number=B, sex="female")
    row = store.apply(event)[0]
    assert (row["person"], row["number"]) == (person, B)
    assert store.citizen(A) is None and store.citizen(B)["sex"] == "female"
    assert store.database.rows("SELECT kind, number, person FROM population.number_alias") == [("cccd", A, person)]
    assert store.changed(2) == [A, B]
    # Said again with a new sequence: nothing to do.
    assert store.apply(event)[0]["person"] == person
    assert store.position() == 2
    # Changes may still come under the old number; entering it again does not undo the re-issue.
    store.apply(dict(kind="death", number=A, died_on="2022"))
    row = store.apply(dict(kind="registered", number=A, father="Cha"))[0]
    assert (row["person"], row["number"]) == (person, B)
    assert (store.citizen(B)["died_on"], store.citizen(B)["sex"]) == ("2022", "female")
    assert (store.citizen(B)["father_name"], store.citizen(A)) == ("Cha", None)
    assert store.changed(3) == [A, B]


def test_a_number_that_was_given_and_replaced_is_an_alias(store):
    """Two re-issues, the older one late."""
    person = store.apply(enter(A))[0]["person"]
    store.apply(dict(kind="number-reissued", subject_number=A, number=C))
    row = store.apply(dict(kind="number-replaced", subject_number=A, number=B, mother="Mẹ"))[0]
    assert (row["person"], row["number"]) == (person, C)
    assert store.citizen(C)["mother_name"] == "Mẹ"
    assert store.database.rows("SELECT number FROM population.number_alias ORDER BY 1") == [(A,), (B,)]
    assert store.changed(3) == [A, B, C]
    assert store.apply(dict(kind="move", number=B, province="79"))[0]["person"] == person
    position = store.position()
    store.apply(dict(kind="number-replaced", subject_number=A, number=B))
    assert store.position() == position
    assert store.apply(dict(kind="number-replaced", subject_number=D, number=B))[0]["person"] == 0


def test_a_number_may_come_back(store):
    person = store.apply(enter(A))[0]["person"]
    store.apply(dict(kind="number-reissued", subject_number=A, number=B))
    row = store.apply(dict(kind="number-reissued", subject_number=B, number=A))[0]
    assert (row["person"], row["number"]) == (person, A)
    assert store.database.rows("SELECT number FROM population.number_alias") == [(B,)]


def test_a_number_that_is_somebody_elses_is_not_taken(store):
    store.apply(enter(A), enter(B, full_name="Trần Thị Hoà"))
    row = store.apply(dict(kind="number-reissued", subject_number=A, number=B))[0]
    assert (row["person"], row["number"]) == (0, A)  # not '', as of somebody not known
    assert store.citizen(A) and store.citizen(B)["full_name"] == "Trần Thị Hoà"
    assert store.position() == 1


def test_events_of_one_batch_see_each_other_in_order(store):
    rows = store.apply(
        enter(A),
        dict(kind="move", number=A, province="79"),
        dict(kind="number-reissued", subject_number=A, number=B),
        dict(kind="death", number=A, died_on="2022-01-01"),
        enter(C),
        dict(kind="number-reissued", subject_number=C, number=D),
        dict(kind="number-reissued", subject_number=D, number=C))
    assert len({row["person"] for row in rows[:4]}) == 1 and len({row["person"] for row in rows[4:]}) == 1
    assert [(row["before"], row["after"]) for row in rows[:3]] == [("", "01"), ("01", "79"), ("79", "79")]
    assert store.citizen(B)["died_on"] == "2022-01-01" and store.citizen(C) and not store.citizen(D)
    assert store.position() == 1
    assert set(store.changed(1)) == {A, B, C, D}


def test_a_thousand_in_one_call_are_as_a_thousand_calls(store):
    numbers = [f"0010900{i:05d}" for i in range(1000)]
    rows = store.apply(*[enter(number, full_name=f"Tên {number}") for number in numbers])
    assert len({row["person"] for row in rows}) == 1000
    assert [row["number"] for row in rows] == numbers
    rows = store.apply(*[dict(kind="move", number=number, province="79") for number in reversed(numbers)])
    assert [row["number"] for row in rows] == list(reversed(numbers))
    assert store.database.value("SELECT count(*) FROM population.citizen WHERE residence_province = '79'") == 1000
    assert store.position() == 2


@pytest.mark.parametrize("break_it, says", [
    (lambda columns: columns[3].append("one too many"), "arrays differ in length"),
    (lambda columns: columns[0].__setitem__(0, "adopted"), "unknown kind"),
])
def test_wrong_calls_are_refused_whole(store, break_it, says):
    columns = [[enter(A).get(field, "")] for field in FIELDS]
    break_it(columns)
    sql = "SELECT * FROM population.apply_changes(%s, %s::bigint[]" + ", %s::text[]" * 13 + ", %s, %s)"
    with pytest.raises(psycopg2.DataError, match=says):
        store.database.rows(sql, STREAM, [1], *columns, [0], False)
    assert store.position() == 0


@pytest.mark.parametrize("sequences", [[2, 1], [1, 1], [0, 1], [-1, 1]])
def test_sequences_ascend(store, sequences):
    with pytest.raises(psycopg2.DataError, match="ascending"):
        store.apply(enter(A), enter(B), sequences=sequences)


def test_two_writers_come_one_after_the_other(store):
    first = store.database.connect("dongbo_population_writer")
    second = store.database.connect("dongbo_population_writer")
    columns = [[enter(A).get(field, "")] for field in FIELDS]
    sql = "SELECT person FROM population.apply_changes(%s, %s::bigint[]" + ", %s::text[]" * 13 + ", %s, %s)"
    try:
        first.autocommit = False
        with first.cursor() as one, second.cursor() as two:
            one.execute(sql, (STREAM, [1], *columns, [0], False))
            person = one.fetchone()[0]
            two.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                two.execute(sql, (STREAM, [1], *columns, [0], False))
            first.commit()
            two.execute(sql, (STREAM, [1], *columns, [0], False))
            assert two.fetchone()[0] == person
    finally:
        first.close()
        second.close()
    assert store.position() == 1


# ---- what was decided before somebody else's change ----------------------------------------------------------------

def test_what_was_decided_before_anothers_change_is_refused(store):
    store.apply(enter(A), enter(B))
    store.apply(dict(kind="number-reissued", subject_number=A, number=C))
    for event in (enter(A, full_name="Trần Thị Bình"), enter(C), dict(kind="merged", subject_number=B, number=A)):
        with pytest.raises(psycopg2.errors.SerializationFailure, match="meanwhile"):
            store.apply(dict(kind="move", subject_number=D, province="79"), event, sequences=[8, 9], as_of=1)
    assert store.position() == 2 and store.citizen(C)["full_name"] == "Nguyễn Văn Đạt"


def test_what_others_changed_elsewhere_refuses_nothing(store):
    store.apply(enter(A), enter(B))
    store.apply(dict(kind="move", subject_number=B, province="79"))
    move = dict(kind="move", subject_number=A, province="48")
    assert store.apply(move, as_of=1)[0]["after"] == "48" and store.moved == 3
    assert store.apply(move, as_of=3)[0]["after"] == "48" and store.moved == 0


def test_a_batchs_own_pieces_refuse_nothing_in_it(store):
    store.apply(enter(A), as_of=0)
    assert store.moved == 1
    store.apply(enter(B))   # somebody else's
    store.apply(dict(kind="move", subject_number=A, province="79"), as_of=0, own=[1])
    assert store.moved == 3
    with pytest.raises(psycopg2.errors.SerializationFailure):
        store.apply(dict(kind="move", subject_number=B, province="79"), as_of=0, own=[1, 3])


# ---- who was registered twice --------------------------------------------------------------------------------------

def test_a_number_may_be_cancelled_again(store):
    """It may have been given to another person meanwhile, in a store that is not only ours."""
    for last_day in ("2020-01-01", "2021-01-01"):
        store.database.rows("DELETE FROM population.number_alias")
        store.apply(enter(A), dict(kind="number-cancelled", subject_number=A, died_on=last_day))
    assert store.database.rows("SELECT citizen_number FROM population.citizen ORDER BY person") == [
        (f"{A}-",), (f"{A}--",)]
    assert store.database.rows("SELECT number, valid_to FROM population.number_alias") == [(A, "2021-01-01")]


def test_a_number_of_several_names_none_of_them(store):
    store.apply(enter(A), enter(B))
    for citizen in (A, B):
        store.database.rows("INSERT INTO population.number_alias (kind, number, person) VALUES ('cccd', %s, %s)", C,
                            store.citizen(citizen)["person"])
    position, citizens = store.position(), store.database.rows("SELECT * FROM population.citizen ORDER BY person")
    rows = store.apply(enter(C, full_name="Ai Khác"), dict(kind="correction", subject_number=C, mother="Mẹ"),
                       dict(kind="number-reissued", subject_number=C, number=D),
                       dict(kind="number-cancelled", subject_number=C, died_on="2020-01-01"),
                       dict(kind="merged", subject_number=C, number=A), dict(kind="merged", subject_number=A, number=C))
    assert [row["person"] for row in rows] == [0] * 6
    assert store.database.rows("SELECT * FROM population.citizen ORDER BY person") == citizens
    assert store.position() == position


def test_a_merger_leaves_one_person_with_all_numbers(store):
    store.apply(enter(A), enter(B, full_name="Nguyễn Văn Đat"))
    store.apply(dict(kind="number-reissued", subject_number=B, number=C))
    stays, goes = (store.citizen(which)["person"] for which in (A, C))
    position = store.position()
    row = store.apply(dict(kind="merged", subject_number=C, number=A, mother="Mẹ"))[0]
    assert (row["person"], row["number"]) == (stays, A)
    assert store.citizen(C) is None and store.citizen(A)["mother_name"] == "Mẹ"
    assert store.citizen(A)["full_name"] == "Nguyễn Văn Đạt"
    assert store.database.rows("SELECT number, person FROM population.number_alias ORDER BY 1") == [
        (B, stays), (C, stays)]
    assert store.database.rows("SELECT goes, number, said_number, province, stays FROM population.merger") == [
        (goes, C, C, "01", stays)]
    # Whoever asked for any of the numbers, or for either person, asks again.
    assert set(store.changed(position + 1)) == {A, B, C}
    assert {person for person, in store.database.rows("SELECT person FROM population.change WHERE position = %s",
                                                      position + 1)} == {stays, goes}


def test_a_merger_of_nobody_known_changes_nothing(store):
    store.apply(enter(A))
    for subject, number in ((B, A), (A, B)):
        row = store.apply(dict(kind="merged", subject_number=subject, number=number, mother="Mẹ"))[0]
        assert (row["person"], row["number"]) == (0, "")
    assert store.position() == 1 and store.citizen(A)["mother_name"] == ""


def test_a_merger_that_comes_again_is_a_correction(store):
    store.apply(enter(A), enter(B))
    merger = dict(kind="merged", subject_number=B, number=A)
    store.apply(merger)
    again = store.apply(merger | dict(mother="Mẹ"))[0]
    assert again["person"] == store.citizen(A)["person"] and store.citizen(A)["mother_name"] == "Mẹ"
    assert store.database.value("SELECT count(*) FROM population.merger") == 1
    # By a number that went with somebody who went.
    store.apply(enter(C), dict(kind="merged", subject_number=B, number=C))
    assert store.database.rows("SELECT citizen_number FROM population.citizen") == [(C,)]


# ---- keys ----------------------------------------------------------------------------------------------------------

def test_names_are_counted_while_others_write(store):
    """Whoever counts makes the keys first, which are there already."""
    store.apply(enter(A))
    with store.database.holding("SELECT population.make_model()", user="dongbo_population_writer"):
        store.database.rows("SET lock_timeout = '5s'; UPDATE population.citizen SET residence_province = '79'")
    assert store.citizen(A)["residence_province"] == "79"


def test_a_key_that_is_gone_is_made_again(store):
    keys = "SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'citizen\\_key\\_%%' ORDER BY 1"
    before = store.database.rows(keys)
    store.database.rows("SELECT population.begin_load()")
    assert len(before) == 8 and store.database.rows(keys) == []
    store.database.rows("SELECT population.make_model()")
    assert store.database.rows(keys) == before
