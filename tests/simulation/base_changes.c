// SPDX-License-Identifier: Apache-2.0
//
// population.apply_changes(): population events, one after the other, and what they were answered with first.
#include "base_rows.h"

#include <assert.h>
#include <string.h>

enum {
    KIND = 2,
    SUBJECT_NUMBER,
    NUMBER,
    NAME,
    FOLDED,
    BIRTH,
    SEX,
    MOTHER,
    FATHER,
    PROVINCE,
    PROVINCE63,
    COMMUNE,
    DIED,
    CLEARED,
    ARRAYS,
    DECIDED = ARRAYS,
    AS_OF,
    OWN
};
#define MOTHER_BIT 6 // of what is cleared: a field of the event's body
#define PROVINCE_BIT 8
#define DIED_BIT 10

typedef struct Said {
    Value *of[ARRAYS];
    size_t k;
    int64_t next;
} Said;

typedef struct Answer {
    Value stream;
    bool decided;
    int64_t sequence, person;
    const char *number, *province[4]; // before, before in the old code, after, after in the old code
} Answer;
static Table answers = {.name = "applied_call", .row_bytes = sizeof(Answer), .population = true};

static const char *said(const Said *event, int field) {
    return value_text(event->of[field][event->k]);
}

static const char *or_else(const char *text, const char *other) {
    return text[0] != '\0' ? text : other;
}

static bool is_cleared(const Said *event, int bit) {
    return value_i64(event->of[CLEARED][event->k]) >> bit & 1;
}

// ---- one event -----------------------------------------------------------------------------------------------------

static void note_change(Call *call, const Said *event, const BaseCitizen *now) {
    BaseChange change = {
        .position = event->next, .person = now->person, .number = now->number, .died_on = now->died_on};
    table_insert(call, &base_changes, &change);
}

static size_t place_of(const Call *call, const char *number) {
    for (size_t i = 0; i < base_citizens.n; i++) {
        const BaseCitizen *row = table_row(call, &base_citizens, i);
        if (row != NULL && strcmp(row->number, number) == 0)
            return i;
    }
    return SIZE_MAX;
}

static void enter(Call *call, const Said *event, const char *number, Answer *answer) {
    BaseCitizen citizen = {.person = 1,
                           .number = number,
                           .name = said(event, NAME),
                           .birth_date = said(event, BIRTH),
                           .sex = or_else(said(event, SEX), "unknown"),
                           .mother = said(event, MOTHER),
                           .province = said(event, PROVINCE),
                           .province63 = said(event, PROVINCE63),
                           .died_on = said(event, DIED)};
    for (size_t i = 0; i < base_citizens.n; i++) { // an identity column: one more than ever was
        const Slot *slot = &base_citizens.slots[i];
        const BaseCitizen *other = slot->now != NULL ? slot->now : slot->next;
        if (other != NULL && other->person >= citizen.person)
            citizen.person = other->person + 1;
    }
    table_insert(call, &base_citizens, &citizen);
    note_change(call, event, &citizen);
    answer->person = citizen.person;
    answer->number = number;
    answer->province[2] = citizen.province;
    answer->province[3] = citizen.province63;
}

static void note_residence(Call *call, const Answer *answer) {
    BaseResidence moved = {.person = answer->person};
    memcpy(moved.province, answer->province, sizeof moved.province);
    if (strcmp(moved.province[0], moved.province[2]) != 0 || strcmp(moved.province[1], moved.province[3]) != 0)
        base_note_residence(call, &moved);
}

static bool set(const char **field, const char *value) {
    bool differs = strcmp(*field, value) != 0;
    *field = value;
    return differs;
}

static void update(Call *call, const Said *event, size_t i, Answer *answer) {
    const BaseCitizen *was = table_row(call, &base_citizens, i);
    BaseCitizen now = *was;
    bool moved = set(&now.name, or_else(said(event, NAME), was->name));
    moved = set(&now.birth_date, or_else(said(event, BIRTH), was->birth_date)) || moved;
    moved = set(&now.sex, or_else(said(event, SEX), was->sex)) || moved;
    if (said(event, MOTHER)[0] != '\0' || is_cleared(event, MOTHER_BIT))
        moved = set(&now.mother, said(event, MOTHER)) || moved;
    if (said(event, PROVINCE)[0] != '\0' || is_cleared(event, PROVINCE_BIT)) {
        moved = set(&now.province, said(event, PROVINCE)) || moved;
        moved = set(&now.province63, said(event, PROVINCE63)) || moved;
    }
    if (said(event, DIED)[0] != '\0' || is_cleared(event, DIED_BIT))
        moved = set(&now.died_on, said(event, DIED)) || moved;
    *answer = (Answer){.person = now.person,
                       .number = now.number,
                       .province = {was->province, was->province63, now.province, now.province63}};
    if (!moved)
        return;
    void *locked;
    int r = table_change(call, &base_citizens, i, &locked);
    assert(r == 0 && locked != NULL); // the state's row is locked, and only here are they changed
    *(BaseCitizen *)locked = now;
    note_change(call, event, &now);
    note_residence(call, answer);
}

static Answer apply(Call *call, const Said *event) {
    Answer answer = {.number = "", .province = {"", "", "", ""}};
    const char *number = or_else(said(event, NUMBER), said(event, SUBJECT_NUMBER)), *kind = said(event, KIND);
    size_t i = place_of(call, number);
    if (i != SIZE_MAX)
        update(call, event, i, &answer);
    else if (strcmp(kind, "birth") == 0 || strcmp(kind, "registered") == 0)
        enter(call, event, number, &answer);
    return answer;
}

// ---- what they were answered with ----------------------------------------------------------------------------------

// NULL, or the first one that names a person, or else the first.
static const Answer *kept(const Call *call, const Answer *of) {
    const Answer *found = NULL;
    for (size_t i = 0; i < answers.n; i++) {
        const Answer *row = table_row(call, &answers, i);
        if (row == NULL || row->sequence != of->sequence || row->decided != of->decided ||
            !value_is(row->stream, of->stream.data, of->stream.n))
            continue;
        if (found == NULL || (found->person == 0 && row->person != 0))
            found = row;
    }
    return found;
}

static void give(Call *call, const Answer *answer) {
    row_begin(call);
    row_i64(call, 0, answer->sequence);
    row_i64(call, 1, answer->person);
    row_text(call, 2, answer->number);
    for (int i = 0; i < 4; i++)
        row_text(call, 3 + i, answer->province[i]);
}

static bool lives_alike(const Answer *a, const Answer *b) {
    return strcmp(a->province[2], b->province[2]) == 0 && strcmp(a->province[3], b->province[3]) == 0;
}

// Of a decision that came to nothing another one follows.
static void answer_event(Call *call, const Said *event, Answer *answer) {
    const Answer *before = kept(call, answer);
    bool holds = before != NULL && before->person != 0 && answer->person != 0 && lives_alike(before, answer);
    give(call, holds ? before : answer);
    if ((!answer->decided || answer->person != 0) && (before == NULL || (before->person == 0 && answer->person != 0)))
        table_insert(call, &answers, answer);
}

// ---- whether they were decided on what holds -----------------------------------------------------------------------

static bool tells_of(const Said *events, size_t n, const char *number) {
    for (size_t k = 0; k < n; k++) {
        if (strcmp(value_text(events->of[NUMBER][k]), number) == 0 ||
            strcmp(value_text(events->of[SUBJECT_NUMBER][k]), number) == 0)
            return true;
    }
    return false;
}

static bool is_own(Call *call, int64_t position) {
    Value *own;
    size_t n = param_array(call, OWN, &own);
    while (n > 0 && value_i64(own[n - 1]) != position)
        n--;
    return n > 0;
}

static bool is_overtaken(Call *call, const Said *events, size_t n) {
    int64_t as_of = param_i64(call, AS_OF);
    for (size_t i = 0; i < base_changes.n; i++) {
        const BaseChange *row = table_row(call, &base_changes, i);
        if (row != NULL && row->position > as_of && row->position < events->next && !is_own(call, row->position) &&
            tells_of(events, n, row->number))
            return true;
    }
    return false;
}

// In each row, once it is known.
static void give_changed(Call *call, int64_t changed) {
    int n = call->n_rows;
    for (call->n_rows = 0; call->n_rows < n;) {
        row_begin(call);
        row_i64(call, 7, changed);
    }
}

// One row, from the beginning.
static int lock_state(Call *call, BaseState **ret) {
    void *locked;
    if (base_population_state.n == 0)
        table_load(&base_population_state, &(BaseState){.position = 0});
    int r = table_change(call, &base_population_state, 0, &locked);
    *ret = locked;
    return r;
}

int base_apply_changes(Call *call) {
    Said event = {0};
    BaseState *state = NULL;
    int r = lock_state(call, &state);
    if (r != 0)
        return r;
    call->seen = base_commits(); // plpgsql's statements see what was committed while it waited
    event.next = state->position + 1;
    size_t n = param_array(call, 1, &event.of[1]), before = base_changes.n;
    for (int i = KIND; i < ARRAYS; i++)
        param_array(call, i, &event.of[i]);
    if (is_overtaken(call, &event, n))
        return base_refuse(call, "40001");
    Value stream = base_keep_value(param_value(call, 0));
    rows_begin(call, 8);
    for (event.k = 0; event.k < n; event.k++) {
        Answer answer = apply(call, &event);
        answer.stream = stream;
        answer.decided = param_bool(call, DECIDED);
        answer.sequence = value_i64(event.of[1][event.k]);
        answer_event(call, &event, &answer);
    }
    bool moved = base_changes.n > before;
    if (moved)
        state->position = event.next;
    give_changed(call, moved ? event.next : 0);
    return 0;
}
