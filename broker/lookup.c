// SPDX-License-Identifier: Apache-2.0
//
// The look-ups' SQL. Never one query per event, never a write.
#include "broker/lookup.h"

#include "broker/decide.h"
#include "broker/decide_whom.h"
#include "proto/base/date.h"
#include "proto/base/error.h"
#include "proto/base/text.h"

#include <string.h>

// Whose candidates are in memory together, and looked for in one statement: a batch has fewer unless it was made to
// hurt, and one that was (hundreds of candidates each, some 30 ms) takes two seconds for these.
#define EVENTS_AT_ONCE 64
#define NEIGHBOURS_BYTES_MAX ((size_t)8 * 1024 * 1024) // of a batch's
#define OID_INT8 20
#define OID_BYTEA 17
#define OID_BYTEA_ARRAY 1001
#define OID_INT2_ARRAY 1005
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009
#define OID_INT2 21
#define OID_INT4 23
#define OID_TEXT 25

static const Oid TEXTS[] = {OID_TEXT_ARRAY};

static const PgStatement PERSONS = {"persons",
                                    "SELECT n.i, " LOOKUP_PERSON_COLUMNS
                                    " FROM unnest($1::text[]) WITH ORDINALITY AS n(number, i) "
                                    "JOIN population.citizen c ON c.citizen_number = n.number",
                                    1, TEXTS};

static const Oid RECORD_TYPES[] = {OID_INT8_ARRAY, OID_INT2_ARRAY, OID_TEXT_ARRAY};
static const PgStatement RECORDS = {
    "records",
    "SELECT n.i, v.record FROM unnest($1::bigint[], $2::smallint[], $3::text[]) WITH ORDINALITY "
    "AS n(person, domain, record_key, i) CROSS JOIN LATERAL (SELECT r.record FROM exchange.record_version r "
    "WHERE r.person = n.person AND r.domain = n.domain AND r.record_key = n.record_key AND NOT r.superseded "
    "ORDER BY r.position DESC LIMIT 1) v",
    3, RECORD_TYPES};

// All versions of a person's records in a domain, or of all persons' of a key, so far as they are few and small: for
// most that is what it takes to find the current ones, and for nobody is it much. One version more than are judged by
// says that there are too many.
#define FEW_VERSIONS(table, by, where)                                                                                 \
    "CROSS JOIN LATERAL (SELECT r.* FROM (SELECT r." by ", r.position, r.superseded, r.record, "                       \
    "sum(octet_length(r.record)) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes "                    \
    "FROM (SELECT r." by ", r.position, r.superseded, r.record FROM exchange." table " r "                             \
    "WHERE " where " AND r.position < $1 ORDER BY r." by " DESC, r.position DESC LIMIT $2) r) r "                      \
    "WHERE coalesce(r.bytes, 0) <= $3) v"
#define NEIGHBOURS_OF(table)                                                                                           \
    "SELECT n.i, n.person, v.record_key, v.position, v.superseded, v.record "                                          \
    "FROM unnest($4::bigint[], $5::smallint[]) WITH ORDINALITY AS n(person, domain, i) " FEW_VERSIONS(                 \
        table, "record_key", "r.person = n.person AND r.domain = n.domain")
// The domain is NEIGHBOURHOOD_KEY_DOMAIN, said here for its partial index.
#define HOLDERS_OF(table)                                                                                              \
    "SELECT n.i, v.person, n.record_key, v.position, v.superseded, v.record "                                          \
    "FROM unnest($4::text[]) WITH ORDINALITY AS n(record_key, i) " FEW_VERSIONS(                                       \
        table, "person", "r.domain = 7 AND r.record_key = n.record_key")
static const Oid NEIGHBOUR_TYPES[] = {OID_INT8, OID_INT8, OID_INT8, OID_INT8_ARRAY, OID_INT2_ARRAY};
static const Oid HOLDER_TYPES[] = {OID_INT8, OID_INT8, OID_INT8, OID_TEXT_ARRAY};
// By persons and by key; the broker's, and those of whoever is shown what they have said that they look at.
static const PgStatement NEIGHBOURS[2][2] = {{{"neighbours", NEIGHBOURS_OF("record_version"), 5, NEIGHBOUR_TYPES},
                                              {"holders", HOLDERS_OF("record_version"), 4, HOLDER_TYPES}},
                                             {{"neighbours-seen", NEIGHBOURS_OF("seen_version"), 5, NEIGHBOUR_TYPES},
                                              {"holders-seen", HOLDERS_OF("seen_version"), 4, HOLDER_TYPES}}};

#define LIFE_COLUMN                                                                                                    \
    "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint # "                                            \
    "((SELECT oid FROM pg_database WHERE datname = current_database())::bigint << 32)"
// A version holds the ids of all events that it was made of, as they are; 16 bytes that mean nothing else do not come
// by chance. Of a record with more versions than that, the earliest are not looked at.
static const Oid REPEAT_TYPES[] = {OID_INT8_ARRAY, OID_INT2_ARRAY, OID_TEXT_ARRAY, OID_BYTEA_ARRAY};
static const PgStatement REPEATS = {
    "repeats",
    "SELECT n.i FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::bytea[]) WITH ORDINALITY "
    "AS n(person, domain, record_key, event_id, i) CROSS JOIN LATERAL (SELECT FROM (SELECT r.record "
    "FROM exchange.record_version r WHERE r.person = n.person AND r.domain = n.domain "
    "AND r.record_key = n.record_key ORDER BY r.position DESC LIMIT 256) r "
    "WHERE position(n.event_id IN r.record) > 0 LIMIT 1) v",
    4, REPEAT_TYPES};

static const PgStatement POPULATION = {
    "population-position", "SELECT " LIFE_COLUMN ", coalesce((SELECT position FROM population.state), 0)", 0, NULL};
static const PgStatement HEAD = {"head-position",
                                 "SELECT " LIFE_COLUMN ", coalesce((SELECT last_position FROM exchange.segment "
                                 "ORDER BY first_position DESC LIMIT 1), 0)",
                                 0, NULL};

// The items wanted, in order: what a row's ordinality means.
typedef struct Wanted {
    Item **items;
    size_t n;
} Wanted;

static int wanted_collect(Wanted *wanted, Work *work) {
    *wanted = (Wanted){.items = arena_alloc(work->arena, work->n_items * sizeof(Item *))};
    if (wanted->items == NULL)
        return error_fail(ERROR_MEMORY, "the batch's look-ups do not fit");
    for (size_t i = 0; i < work->n_items; i++) {
        if (work->items[i].wanted)
            wanted->items[wanted->n++] = &work->items[i];
    }
    return 0;
}

static const char *copy_text(Arena *arena, const char *text, bool *failed) {
    if (text[0] == '\0')
        return "";
    char *copy = arena_strndup(arena, text, strlen(text));
    if (copy == NULL)
        *failed = true;
    return copy;
}

// With its texts in the arena. false for want of memory.
static bool person_keep(Arena *arena, Person *person) {
    bool failed = false;
    const char **texts[] = {&person->citizen_number,
                            &person->full_name,
                            &person->birth_date,
                            &person->sex,
                            &person->residence_province,
                            &person->residence_province63,
                            &person->died_on,
                            &person->mother_name};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = copy_text(arena, *texts[i], &failed);
    return !failed;
}

const char *lookup_read_text(Arena *arena, const PGresult *rows, int row, int column) {
    bool failed = false;
    const char *copy = copy_text(arena, pg_text(rows, row, column), &failed);
    return failed ? NULL : copy;
}

Person lookup_person(const PGresult *rows, int row) {
    return (Person){.key = pg_i64(rows, row, 1),
                    .citizen_number = pg_text(rows, row, 2),
                    .full_name = pg_text(rows, row, 3),
                    .birth_date = pg_text(rows, row, 4),
                    .sex = pg_text(rows, row, 5),
                    .residence_province = pg_text(rows, row, 6),
                    .residence_province63 = pg_text(rows, row, 7),
                    .died_on = pg_text(rows, row, 8),
                    .mother_name = pg_text(rows, row, 9)};
}

int lookup_read_person(Arena *arena, const PGresult *rows, int row, Person *ret) {
    *ret = lookup_person(rows, row);
    return person_keep(arena, ret) ? 0 : error_fail(ERROR_MEMORY, "the batch's persons do not fit");
}

int lookup_read_gone(Arena *arena, const PGresult *rows, int row, int at, Person *ret) {
    *ret = (Person){.key = ret->key,
                    .citizen_number = pg_text(rows, row, at),
                    .residence_province = pg_text(rows, row, at + 1),
                    .residence_province63 = pg_text(rows, row, at + 2),
                    .full_name = "",
                    .birth_date = "",
                    .sex = "",
                    .died_on = "",
                    .mother_name = ""};
    return person_keep(arena, ret) ? 0 : error_fail(ERROR_MEMORY, "somebody who was merged does not fit");
}

static const Oid KEYS_TYPES[] = {OID_INT8_ARRAY};
static const PgStatement KEYS = {
    "persons-by-key", "SELECT 0::bigint, " LOOKUP_PERSON_COLUMNS " FROM population.citizen c WHERE c.person = ANY ($1)",
    1, KEYS_TYPES};

int lookup_keys(Pg *population, Arena *arena, const LookupKeys *keys, Person **ret, size_t *ret_n) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_array_begin(&params, OID_INT8, (int)keys->n);
    for (size_t i = 0; i < keys->n; i++)
        pg_array_i64(&params, keys->list[i]);
    int result = pg_run(population, &KEYS, &params, &rows);
    pg_params_free(&params);
    *ret_n = 0;
    *ret = result < 0 ? NULL : arena_alloc(arena, (size_t)PQntuples(rows) * sizeof **ret + 1);
    if (result == 0 && *ret == NULL)
        result = error_fail(ERROR_MEMORY, "persons do not fit");
    for (int row = 0; result == 0 && row < PQntuples(rows); row++)
        result = lookup_read_person(arena, rows, row, &(*ret)[(*ret_n)++]);
    PQclear(rows);
    return result;
}

static int query_persons(Pg *population, Arena *arena, const Wanted *wanted) {
    if (wanted->n == 0)
        return 0;
    PgParams params = {0};
    pg_param_array_begin(&params, OID_TEXT, (int)wanted->n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_text(&params, wanted->items[i]->claimed_number, strlen(wanted->items[i]->claimed_number));
    PGresult *rows = NULL;
    int result = pg_run(population, &PERSONS, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        Person *person = arena_alloc(arena, sizeof *person);
        result = person == NULL ? error_fail(ERROR_MEMORY, "the batch's persons do not fit")
                                : lookup_read_person(arena, rows, row, person);
        if (result == 0)
            wanted->items[pg_i64(rows, row, 0) - 1]->person = person;
    }
    PQclear(rows);
    return result;
}

// Whom an event was settled on stays its person, also where a later event of the batch has given the number to another.
// 0: whoever has it.
static int64_t stays_with(const Item *item) {
    int64_t key = decide_settled_on(item);
    return item->person != NULL && item->person->key != key ? key : 0;
}

static int query_staying(Pg *population, Arena *arena, const Wanted *wanted) {
    int64_t *keys = arena_alloc(arena, wanted->n * sizeof *keys + 1);
    LookupKeys asked = {keys, 0};
    Person *persons = NULL;
    size_t n = 0;
    if (keys == NULL)
        return error_fail(ERROR_MEMORY, "the batch's persons do not fit");
    for (size_t i = 0; i < wanted->n; i++) {
        int64_t key = stays_with(wanted->items[i]);
        if (key != 0)
            keys[asked.n++] = key;
    }
    int result = asked.n == 0 ? 0 : lookup_keys(population, arena, &asked, &persons, &n);
    for (size_t i = 0; result == 0 && n > 0 && i < wanted->n; i++) {
        Item *item = wanted->items[i];
        int64_t key = stays_with(item);
        for (size_t at = 0; key != 0 && at < n; at++) {
            if (persons[at].key != key)
                continue;
            item->named = persons[at];
            item->named.by_alias = item->applied_to != 0 || item->settled_by_alias;
            item->person = &item->named;
            break;
        }
    }
    return result;
}

int lookup_persons(Pg *population, Work *work) {
    Wanted wanted;
    int result = wanted_collect(&wanted, work);
    for (size_t i = 0; result == 0 && i < wanted.n; i++)
        wanted.items[i]->person = NULL;
    if (result == 0)
        result = query_persons(population, work->arena, &wanted);
    return result < 0 ? result : query_staying(population, work->arena, &wanted);
}

// ---- who may be meant ---------------------------------------------------------------------------------------------

static const Oid FIND_TYPES[] = {OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY,
                                 OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_INT4,       OID_TEXT_ARRAY, OID_INT8_ARRAY};
static const PgStatement FIND = {"find",
                                 "SELECT c.place, " LOOKUP_PERSON_COLUMNS
                                 ", c.father_name, c.model, c.citizens, c.n_name, "
                                 "c.n_said, c.n_given, c.n_birth, c.n_year, c.n_province, c.n_mother, c.n_father "
                                 "FROM population.find($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) c",
                                 10, FIND_TYPES};

// What the keys are made of, in the order of find()'s parameters.
typedef enum KeyPart {
    PART_NUMBER,
    PART_NAME,
    PART_BIRTH,
    PART_SWAPPED,
    PART_SEX,
    PART_PROVINCE,
    PART_MOTHER,
    PARTS
} KeyPart;

static void key_part(PgParams *params, const Rules *rules, const Item *item, KeyPart part) {
    const Dongbo__Subject *subject = item->event->subject;
    char folded[4 * TEXT_BYTES_MAX], swapped[DATE_TEXT_BYTES];
    const char *text = folded;
    switch (part) {
    case PART_NUMBER:
        text = verify_is_number(item->claimed_number) ? item->claimed_number : "";
        break;
    case PART_NAME:
        if (text_fold_accents(subject->full_name, folded, sizeof folded) == (size_t)-1)
            text = "";
        break;
    case PART_SWAPPED:
        search_swapped(subject->birth_date, swapped);
        text = swapped;
        break;
    case PART_BIRTH:
        text = subject->birth_date;
        break;
    case PART_SEX:
        text = subject->sex;
        break;
    case PART_PROVINCE:
        text = rules_residence34(rules, subject);
        break;
    default:
        text = subject->mother_name;
    }
    pg_array_text(params, text, strlen(text));
}

static SearchCandidate candidate_read(const PGresult *rows, int row) {
    return (SearchCandidate){
        .person = lookup_person(rows, row),
        .mother_name = pg_text(rows, row, 9),
        .father_name = pg_text(rows, row, 10),
        .counts = {.name = pg_i64(rows, row, 13),
                   .said = pg_i64(rows, row, 14),
                   .given = pg_i64(rows, row, 15),
                   .birth = pg_i64(rows, row, 16),
                   .year = pg_i64(rows, row, 17),
                   .province = pg_i64(rows, row, 18),
                   .mother = pg_i64(rows, row, 19),
                   .father = pg_i64(rows, row, 20)},
    };
}

// One event's rows, from `row` on; returns the first that is not. `candidates` has room for SEARCH_CANDIDATES_MAX.
static int read_answer(Work *work, Item *item, const PGresult *rows, int row, SearchCandidate *candidates) {
    int64_t place = pg_i64(rows, row, 0);
    SearchQuestion question = decide_question(item);
    question.weights = work->agency->weights;
    question.model = pg_i64(rows, row, 11);
    question.citizens = pg_i64(rows, row, 12);
    size_t n = 0;
    for (; row < PQntuples(rows) && pg_i64(rows, row, 0) == place; row++) {
        if (pg_is_null(rows, row, 1) || n == SEARCH_CANDIDATES_MAX)
            question.too_large = true;
        else
            candidates[n++] = candidate_read(rows, row);
    }
    SearchAnswer *answer = arena_alloc(work->arena, sizeof *answer);
    if (answer == NULL)
        return -1;
    search_judge(&question, candidates, n, answer);
    bool failed = false;
    for (size_t i = 0; i < answer->n; i++)
        answer->matches[i].citizen_number = copy_text(work->arena, answer->matches[i].citizen_number, &failed);
    failed = failed || (search_sure(answer) != NULL && !person_keep(work->arena, &answer->person));
    item->found = answer;
    return failed ? -1 : row;
}

#define BESIDE_MAX (SEARCH_NEIGHBOURS_MAX + DECIDE_BEARERS_MAX)

// The numbers beside those that mislead, and the present ones of those who bore a number that is nobody's now; and
// which event each is for.
static int neighbour_params(PgParams *params, const Rules *rules, Arena *arena, Item **items, size_t n) {
    ArenaMark mark = arena_mark(arena);
    SearchNumber *beside = arena_alloc(arena, n * BESIDE_MAX * sizeof *beside);
    int64_t *of = arena_alloc(arena, n * BESIDE_MAX * sizeof *of);
    size_t n_beside = 0;
    if (beside == NULL || of == NULL)
        return error_fail(ERROR_MEMORY, "the batch's candidates do not fit");
    for (size_t i = 0; i < n; i++) {
        const Item *item = items[i];
        size_t end = n_beside;
        if (decide_is_misled(item))
            end += search_neighbours(rules, item->event->subject, item->claimed_number, beside + n_beside);
        end += decide_bearers(item, beside + end);
        while (n_beside < end)
            of[n_beside++] = (int64_t)i + 1;
    }
    pg_param_array_begin(params, OID_TEXT, (int)n_beside);
    for (size_t i = 0; i < n_beside; i++)
        pg_array_text(params, beside[i], sizeof beside[i] - 1);
    pg_param_array_begin(params, OID_INT8, (int)n_beside);
    for (size_t i = 0; i < n_beside; i++)
        pg_array_i64(params, of[i]);
    arena_rewind(arena, &mark);
    return 0;
}

static int query_candidates(Pg *population, const Rules *rules, Arena *arena, const Wanted *wanted, PGresult **ret) {
    Item **items = wanted->items;
    size_t n = wanted->n;
    PgParams params = {0};
    for (int part = 0; part < PARTS; part++) {
        pg_param_array_begin(&params, OID_TEXT, (int)n);
        for (size_t i = 0; i < n; i++)
            key_part(&params, rules, items[i], (KeyPart)part);
    }
    pg_param_i32(&params, SEARCH_BLOCK_MAX);
    int result = neighbour_params(&params, rules, arena, items, n);
    if (result == 0)
        result = pg_run(population, &FIND, &params, ret);
    pg_params_free(&params);
    return result;
}

int lookup_candidates(Pg *population, const Rules *rules, Pg *waiting, Work *work) {
    Wanted wanted;
    int result = wanted_collect(&wanted, work);
    SearchCandidate *candidates = arena_alloc(work->arena, SEARCH_CANDIDATES_MAX * sizeof *candidates);
    if (result == 0 && candidates == NULL)
        result = error_fail(ERROR_MEMORY, "the batch's candidates do not fit");
    for (size_t from = 0; result == 0 && from < wanted.n; from += EVENTS_AT_ONCE) {
        size_t left = wanted.n - from;
        const Wanted some = {&wanted.items[from], left < EVENTS_AT_ONCE ? left : EVENTS_AT_ONCE};
        PGresult *rows = NULL;
        if (from > 0 && waiting != NULL)
            result = pg_command(waiting, "SELECT");
        if (result == 0)
            result = query_candidates(population, rules, work->arena, &some, &rows);
        for (size_t i = 0; i < some.n; i++)
            some.items[i]->found = NULL;
        int row = 0;
        while (result == 0 && row >= 0 && row < PQntuples(rows))
            row = read_answer(work, some.items[pg_i64(rows, row, 0) - 1], rows, row, candidates);
        if (row < 0)
            result = error_fail(ERROR_MEMORY, "the batch's candidates do not fit");
        PQclear(rows);
    }
    return result;
}

// ---- records ------------------------------------------------------------------------------------------------------

static void record_params(PgParams *params, const Wanted *wanted) {
    int n = (int)wanted->n;
    pg_param_array_begin(params, OID_INT8, n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_i64(params, wanted->items[i]->person->key);
    pg_param_array_begin(params, OID_INT2, n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_i16(params, (int16_t)wanted->items[i]->domain);
    pg_param_array_begin(params, OID_TEXT, n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_text(params, wanted->items[i]->record_key, strlen(wanted->items[i]->record_key));
}

static int read_record(Arena *arena, Item *item, const uint8_t *data, size_t n) {
    item->read = dongbo__record__unpack(arena_protobuf(arena), n, data);
    if (item->read == NULL && arena_failed(arena))
        return error_fail(ERROR_MEMORY, "the batch's record versions do not fit");
    if (item->read == NULL)
        item->read = &RECONCILE_UNREADABLE;
    return 0;
}

int lookup_records(Pg *exchange, Work *work) {
    Wanted wanted;
    int result = wanted_collect(&wanted, work);
    if (result < 0 || wanted.n == 0)
        return result;
    for (size_t i = 0; i < wanted.n; i++)
        wanted.items[i]->read = NULL;
    PgParams params = {0};
    record_params(&params, &wanted);
    PGresult *rows = NULL;
    result = pg_run(exchange, &RECORDS, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        size_t n = 0;
        const uint8_t *data = pg_bytes(rows, row, 1, &n);
        result = read_record(work->arena, wanted.items[pg_i64(rows, row, 0) - 1], data, n);
    }
    PQclear(rows);
    return result;
}

int lookup_repeats(Pg *exchange, Work *work) {
    Wanted wanted;
    int result = wanted_collect(&wanted, work);
    if (result < 0 || wanted.n == 0)
        return result;
    PgParams params = {0};
    record_params(&params, &wanted);
    pg_param_array_begin(&params, OID_BYTEA, (int)wanted.n);
    for (size_t i = 0; i < wanted.n; i++) {
        wanted.items[i]->repeated = false;
        const ProtobufCBinaryData *id = &wanted.items[i]->event->event_id;
        pg_array_bytes(&params, id->data, id->len);
    }
    PGresult *rows = NULL;
    result = pg_run(exchange, &REPEATS, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++)
        wanted.items[pg_i64(rows, row, 0) - 1]->repeated = true;
    PQclear(rows);
    return result;
}

// ---- neighbouring records -----------------------------------------------------------------------------------------

static void person_params(PgParams *params, Neighbourhood **hoods, size_t n) {
    pg_param_array_begin(params, OID_INT8, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i64(params, hoods[i]->of.person);
    pg_param_array_begin(params, OID_INT2, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i16(params, (int16_t)hoods[i]->domain);
}

static void key_params(PgParams *params, Neighbourhood **hoods, size_t n) {
    pg_param_array_begin(params, OID_TEXT, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_text(params, hoods[i]->of.record_key, strlen(hoods[i]->of.record_key));
}

static int query_neighbours(Pg *exchange, Neighbourhood **hoods, size_t n, int64_t before, PGresult **ret) {
    bool by_key = hoods[0]->of.person == 0;
    PgParams params = {0};
    pg_param_i64(&params, before);
    pg_param_i64(&params, NEIGHBOUR_VERSIONS_MAX + 1);
    pg_param_i64(&params, NEIGHBOUR_BYTES_MAX);
    if (by_key)
        key_params(&params, hoods, n);
    else
        person_params(&params, hoods, n);
    int result = pg_run(exchange, &NEIGHBOURS[before != INT64_MAX][by_key], &params, ret);
    pg_params_free(&params);
    return result;
}

static int read_neighbour(Work *work, Neighbourhood *hood, const PGresult *rows, int row, size_t *total) {
    NeighbourVersion version = {.name = {pg_i64(rows, row, 1), pg_text(rows, row, 2)},
                                .position = pg_i64(rows, row, 3)};
    version.record = pg_bytes(rows, row, 5, &version.n);
    hood->versions++;
    hood->bytes_n += version.n;
    *total += version.n;
    if (hood->versions > NEIGHBOUR_VERSIONS_MAX || hood->bytes_n > NEIGHBOUR_BYTES_MAX || *total > NEIGHBOURS_BYTES_MAX)
        hood->too_many = true;
    return pg_bool(rows, row, 4) ? 0 : neighbourhood_add(hood, work->arena, &version);
}

// The record that an item is merged onto is among its person's, if there is one.
static int take_read(Work *work) {
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!item->wanted || item->hood == NULL || !item->hood->wanted || item->hood->too_many)
            continue;
        const Neighbour *own = neighbourhood_find(item->hood, (NeighbourName){item->person->key, item->record_key});
        item->wanted = false;
        item->read = NULL;
        int result = own == NULL ? 0 : read_record(work->arena, item, own->stored.data, own->stored.len);
        if (result < 0)
            return result;
    }
    return 0;
}

static int look_up(Pg *exchange, Work *work, Neighbourhood **hoods, size_t n, int64_t before) {
    size_t total = 0;
    PGresult *rows = NULL;
    if (n == 0)
        return 0;
    int result = query_neighbours(exchange, hoods, n, before, &rows);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++)
        result = read_neighbour(work, hoods[pg_i64(rows, row, 0) - 1], rows, row, &total);
    PQclear(rows);
    return result;
}

int lookup_neighbours(Pg *exchange, Work *work, int64_t before) {
    size_t n = 0, n_keys = 0;
    if (work->n_hoods == 0)
        return 0;
    // Those by person from the left, those by key from the right.
    Neighbourhood **wanted = arena_alloc(work->arena, work->n_hoods * sizeof *wanted);
    if (wanted == NULL)
        return error_fail(ERROR_MEMORY, "the batch's look-ups do not fit");
    for (size_t i = 0; i < work->n_hoods; i++) {
        Neighbourhood *hood = work->hoods[i];
        if (!hood->wanted)
            continue;
        neighbourhood_clear(hood);
        hood->position = work->read.position;
        wanted[hood->of.person == 0 ? work->n_hoods - ++n_keys : n++] = hood;
    }
    int result = look_up(exchange, work, wanted, n, before);
    if (result == 0)
        result = look_up(exchange, work, &wanted[work->n_hoods - n_keys], n_keys, before);
    if (result == 0)
        result = take_read(work);
    for (size_t i = 0; result == 0 && i < work->n_hoods; i++)
        work->hoods[i]->wanted = false;
    return result;
}

static int query_place(Pg *pg, const PgStatement *statement, Place *ret) {
    PGresult *rows = NULL;
    int result = pg_run(pg, statement, NULL, &rows);
    if (result == 0)
        *ret = (Place){.life = pg_i64(rows, 0, 0), .position = pg_i64(rows, 0, 1)};
    PQclear(rows);
    return result;
}

int lookup_population_position(Pg *population, Place *ret) {
    return query_place(population, &POPULATION, ret);
}

int lookup_head_position(Pg *exchange, Place *ret) {
    return query_place(exchange, &HEAD, ret);
}

int lookup_connect(Pg *pg) {
    if (pg_connected(pg))
        return 0;
    int result = pg_connect(pg);
    return result < 0 ? result
                      : pg_command(pg, "SET enable_seqscan = off; SET enable_hashjoin = off; "
                                       "SET enable_mergejoin = off; SET jit = off");
}
