// SPDX-License-Identifier: Apache-2.0
//
// A few statements a work that has such events, and none otherwise.
#include "broker/merger.h"

#include "broker/decide_whom.h"
#include "broker/lookup.h"
#include "broker/retelling.h"
#include "proto/base/error.h"

#include <string.h>

#define OID_BYTEA 17
#define OID_INT8 20
#define OID_TEXT 25
#define OID_BYTEA_ARRAY 1001
#define OID_INT4 23
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009

// Who went under a number, or else who has it.
static const Oid SAID_TYPES[] = {OID_TEXT_ARRAY};
static const PgStatement WENT = {
    "went",
    "SELECT n.i, m.goes, m.number, m.province, m.province63, m.stays, (WITH RECURSIVE way(person) AS (SELECT m.stays "
    "UNION SELECT o.stays FROM way w JOIN population.merger o ON o.goes = w.person) SELECT w.person FROM way w "
    "WHERE NOT EXISTS (SELECT FROM population.merger o WHERE o.goes = w.person)) FROM unnest($1::text[]) WITH ORDINALITY "
    "AS n(number, i) JOIN population.merger m ON m.said_number = n.number ORDER BY n.i, m.position DESC",
    1, SAID_TYPES};
static const PgStatement HAS = {
    "has",
    "SELECT n.i, coalesce(c.person, a.first), c.person IS NULL AND a.first <> a.last "
    "FROM unnest($1::text[]) WITH ORDINALITY AS n(number, i) "
    "LEFT JOIN population.citizen c ON c.citizen_number = n.number "
    "LEFT JOIN LATERAL (SELECT min(o.person) AS first, max(o.person) AS last FROM population.number_alias o "
    "WHERE c.person IS NULL AND o.number = n.number AND o.kind = 'cccd') a ON true "
    "WHERE coalesce(c.person, a.first) IS NOT NULL",
    1, SAID_TYPES};
static const Oid HELD_TYPES[] = {OID_INT8_ARRAY};
static const PgStatement HELD = {
    "held",
    "SELECT n.i, v.record FROM unnest($1::bigint[]) WITH ORDINALITY AS n(person, i) CROSS JOIN LATERAL ("
    "SELECT r.record FROM exchange.record_version r WHERE r.person = n.person AND r.domain = 1 AND r.record_key = '' "
    "AND NOT r.superseded ORDER BY r.position DESC LIMIT 1) v",
    1, HELD_TYPES};

typedef struct Mergers {
    Item **items;
    size_t n;
} Mergers;

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "the batch's mergers do not fit");
}

static bool is_merger(const Item *item) {
    return item->event != NULL && item->domain == DONGBO__DOMAIN__POPULATION && !item->dropped &&
           item->form.verdict == DONGBO__VERDICT__ACCEPTED && item->event->subject != NULL &&
           population_is_merger(item->event->population);
}

static int collect(Mergers *mergers, Work *work) {
    *mergers = (Mergers){0};
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!is_merger(item))
            continue;
        if (mergers->items == NULL)
            mergers->items = arena_alloc(work->arena, work->n_items * sizeof(Item *));
        if (mergers->items == NULL)
            return no_memory();
        item->went = NULL;
        item->goes = NULL;
        item->coming = NULL;
        item->went_to = 0;
        item->goes_several = false;
        mergers->items[mergers->n++] = item;
    }
    return 0;
}

static int query_numbers(Pg *population, const PgStatement *statement, const Mergers *mergers, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_TEXT, (int)mergers->n);
    for (size_t i = 0; i < mergers->n; i++) {
        const char *number = mergers->items[i]->event->subject->citizen_number;
        pg_array_text(&params, number, strlen(number));
    }
    int result = pg_run(population, statement, &params, ret);
    pg_params_free(&params);
    return result;
}

static int read_went(Arena *arena, const PGresult *rows, int row, Went **ret) {
    Went *went = arena_zalloc(arena, sizeof *went);
    if (went == NULL)
        return no_memory();
    went->person.key = pg_i64(rows, row, 1);
    went->into = pg_i64(rows, row, 5);
    *ret = went;
    return lookup_read_gone(arena, rows, row, 2, &went->person);
}

static int find_went(Pg *population, Arena *arena, const Mergers *mergers) {
    PGresult *rows = NULL;
    int result = query_numbers(population, &WENT, mergers, &rows);
    for (int row = PQntuples(rows) - 1; result == 0 && row >= 0; row--) { // so that the latest comes first
        Item *item = mergers->items[pg_i64(rows, row, 0) - 1];
        Went *went = NULL;
        result = read_went(arena, rows, row, &went);
        if (result < 0)
            break;
        went->before = item->went;
        item->went = went;
        item->goes = &went->person;
        item->went_to = pg_i64(rows, row, 6);
    }
    PQclear(rows);
    return result;
}

static int find_goes(Pg *population, Arena *arena, const Mergers *mergers) {
    PGresult *rows = NULL;
    int result = query_numbers(population, &HAS, mergers, &rows);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        Item *item = mergers->items[pg_i64(rows, row, 0) - 1];
        if (item->goes != NULL) // who went under it is known
            continue;
        item->goes_several = pg_bool(rows, row, 2);
        if (item->goes_several)
            continue;
        Person *person = arena_zalloc(arena, sizeof *person);
        if (person == NULL)
            result = no_memory();
        else
            person->key = pg_i64(rows, row, 1);
        item->goes = person;
    }
    PQclear(rows);
    return result;
}

static int find_held(Pg *exchange, Arena *arena, const Mergers *mergers) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_array_begin(&params, OID_INT8, (int)mergers->n);
    for (size_t i = 0; i < mergers->n; i++)
        pg_array_i64(&params, mergers->items[i]->goes == NULL ? 0 : mergers->items[i]->goes->key);
    int result = pg_run(exchange, &HELD, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        size_t n = 0;
        const uint8_t *bytes = pg_bytes(rows, row, 1, &n);
        Item *item = mergers->items[pg_i64(rows, row, 0) - 1];
        item->coming = dongbo__record__unpack(arena_protobuf(arena), n, bytes); // unreadable: nothing comes
        if (item->coming == NULL && arena_failed(arena))
            result = no_memory();
    }
    PQclear(rows);
    return result;
}

int merger_look_up(Pg *population, Pg *exchange, Work *work) {
    Mergers mergers;
    int result = collect(&mergers, work);
    if (result < 0 || mergers.n == 0)
        return result;
    result = find_went(population, work->arena, &mergers);
    if (result == 0)
        result = find_goes(population, work->arena, &mergers);
    return result < 0 ? result : find_held(exchange, work->arena, &mergers);
}

// What the store did with an event before a merger of the same batch, it did with the person who went then, and what it
// was not told was decided on them: their record goes with them.
static void fix_earlier(Work *work, const Item *merger, const Went *went) {
    for (Item *item = work->items; item < merger; item++) {
        if (item->domain != DONGBO__DOMAIN__POPULATION || decide_settled_on(item) != went->person.key)
            continue;
        item->person = &went->person;
        item->fixed = true;
    }
}

void merger_fix(Work *work) {
    for (size_t i = 0; i < work->n_items; i++) {
        for (const Went *went = work->items[i].went; went != NULL; went = went->before)
            fix_earlier(work, &work->items[i], went);
    }
}

// ---- the exchange's own note ---------------------------------------------------------------------------------------

static const Oid LINK_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY, OID_INT8_ARRAY,  OID_TEXT_ARRAY, OID_TEXT_ARRAY,
                                 OID_TEXT_ARRAY, OID_INT4,       OID_BYTEA_ARRAY, OID_INT8_ARRAY};
static const PgStatement LINK = {
    "link",
    "WITH said AS (SELECT DISTINCT ON (person) * FROM unnest($1, $2, $3, $4, $5, $6, $8, $9) AS s(person, merged_into, "
    "position, number, province, province63, event_id, event_time_us) ORDER BY person, position) "
    "INSERT INTO exchange.person_link (person, merged_into, position, number, province, province63, agency, "
    "event_id, event_time_us) SELECT person, merged_into, position, number, province, province63, $7, event_id, "
    "event_time_us FROM said ON CONFLICT DO NOTHING",
    9, LINK_TYPES};
// What events taught of insurance numbers goes over at once, for the next event asks, and so does what agencies were
// told of whoever went: of both together it may be as much as is told (`last`), and that is looked at again.
static const Oid GIVE_TYPES[] = {OID_INT8_ARRAY};
static const PgStatement GIVE = {
    "give",
    "WITH stays AS (SELECT p AS goes, exchange.went_to(p, false) AS person FROM unnest($1) p), "
    "guesses AS (UPDATE exchange.guess g SET person = s.person, last = true FROM stays s WHERE g.person = s.goes), "
    "gone AS (DELETE FROM exchange.person_alias a USING stays s WHERE a.person = s.goes "
    "RETURNING a.number, a.kind, s.person, a.position) "
    "INSERT INTO exchange.person_alias (number, kind, person, position) SELECT * FROM gone ON CONFLICT DO NOTHING",
    1, GIVE_TYPES};

typedef const char *TextOf(const Person *person);

static const char *number_of(const Person *person) {
    return person->citizen_number;
}

static const char *province_of(const Person *person) {
    return person->residence_province;
}

static const char *province63_of(const Person *person) {
    return person->residence_province63;
}

static void param_texts(PgParams *params, const Went **gone, int n, TextOf *text_of) {
    pg_param_array_begin(params, OID_TEXT, n);
    for (int i = 0; i < n; i++) {
        const char *text = text_of(&gone[i]->person);
        pg_array_text(params, text, strlen(text));
    }
}

static void keys_param(PgParams *params, const Went **gone, int n) {
    pg_param_array_begin(params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(params, gone[i]->person.key);
}

static void link_params(PgParams *params, const Went **gone, const Item **items, int n, uint32_t agency) {
    keys_param(params, gone, n);
    pg_param_array_begin(params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(params, gone[i]->into);
    pg_param_array_begin(params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(params, (int64_t)items[i]->position);
    param_texts(params, gone, n, number_of);
    param_texts(params, gone, n, province_of);
    param_texts(params, gone, n, province63_of);
    pg_param_i32(params, (int32_t)agency);
    retelling_param_events(params, items, n);
}

static size_t count_gone(const Work *work) {
    size_t n = 0;
    for (size_t i = 0; i < work->n_entries; i++)
        for (const Went *went = work->entry_items[i]->went; went != NULL; went = went->before)
            n++;
    return n;
}

int merger_link(Pg *exchange, const Work *work) {
    size_t size = count_gone(work);
    int n = 0;
    if (size == 0)
        return 0;
    const Went **gone = arena_alloc(work->arena, size * sizeof *gone);
    const Item **items = arena_alloc(work->arena, size * sizeof *items);
    if (gone == NULL || items == NULL)
        return no_memory();
    for (size_t i = 0; i < work->n_entries; i++) {
        for (const Went *went = work->entry_items[i]->went; went != NULL; went = went->before) {
            items[n] = work->entry_items[i];
            gone[n++] = went;
        }
    }
    PgParams params = {0};
    link_params(&params, gone, items, n, work->agency->grants.agency);
    int result = pg_run(exchange, &LINK, &params, NULL);
    pg_params_clear(&params);
    keys_param(&params, gone, n);
    if (result == 0)
        result = pg_run(exchange, &GIVE, &params, NULL);
    pg_params_free(&params);
    return result;
}
