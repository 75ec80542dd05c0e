// SPDX-License-Identifier: Apache-2.0
//
// One query for the requests, one for persons, one for their records, one to keep what became of them.
#include "broker/following.h"

#include "broker/lookup.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/mistake.h"

#include <stdlib.h>
#include <string.h>

#define OID_INT8 20
#define OID_INT4 23
#define OID_TEXT 25
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009

// To be followed is whom they were merged into, with all records; to be left is who was named, who may have become
// another since whom nobody wants to leave. Whose records are still to go is in the population store no more. Somebody
// may be changing a request just now: it waits. One look at an index for each person, whatever was thought of the
// tables' sizes when they were empty: hence steps, and sub-selects with a LIMIT, which are not taken for joins.
enum {
    PERSON,
    FOLLOW,
    NUMBER,
    TARGET,
    HELD_NUMBER,
    OWN_IS_HELD,
    WAITS,
    IS_GOING,
    GONE,
    MOVED_TO = GONE + 3,
    MOVED_TO63
};
#define STEP(behind)                                                                                                   \
    "(SELECT q.person FROM exchange.follow_request q WHERE q.subscription = $1 AND q.person > " behind                 \
    " ORDER BY q.subscription, q.person LIMIT 1)"
#define ON_LIST(what, who)                                                                                             \
    "(SELECT " what " FROM exchange.followed f WHERE f.person = " who " AND (f.subscription = $1) IS TRUE "            \
    "AND f.to_position IS NULL LIMIT 1)"
#define TO_BE_RETOLD(who) "(SELECT true FROM exchange.retelling w WHERE w.person = " who " AND NOT w.told LIMIT 1)"
// Where the last move that the log tells of went.
#define MOVED_TO_OF(what, who)                                                                                         \
    "coalesce((SELECT w." what " FROM exchange.retelling w WHERE w.person = " who " AND w.cause IN (2, 3) "            \
    "ORDER BY w.position DESC LIMIT 1), '')"
// Most are nobody else: they are spared the function.
#define WENT(who) "(SELECT true FROM exchange.person_link l WHERE l.person = " who " LIMIT 1)"
static const Oid NEXT_TYPES[] = {OID_INT4, OID_INT4, OID_INT8};
// clang-format off
static const PgStatement NEXT = {
    "follow-next",
    "WITH RECURSIVE step(person) AS (SELECT " STEP("$3") " UNION ALL SELECT " STEP("s.person") " FROM step s "
    "WHERE s.person IS NOT NULL), asked AS MATERIALIZED (SELECT s.person FROM step s WHERE s.person IS NOT NULL "
    "LIMIT $2) SELECT r.person, r.follow, r.number, t.person, "
    ON_LIST("f.number", "t.person") ", " ON_LIST("true", "r.person") ", "
    "coalesce(" TO_BE_RETOLD("t.person") ", " TO_BE_RETOLD("r.person") "), g.person IS NOT NULL, "
    "coalesce(g.number, ''), coalesce(g.province, ''), coalesce(g.province63, ''), "
    MOVED_TO_OF("province_after", "t.person") ", " MOVED_TO_OF("province63_after", "t.person") " "
    "FROM asked a CROSS JOIN LATERAL (SELECT q.* FROM exchange.follow_request q WHERE q.subscription = $1 "
    "AND q.person = a.person FOR NO KEY UPDATE SKIP LOCKED) r "
    "CROSS JOIN LATERAL (SELECT CASE WHEN r.follow AND " WENT("r.person") " THEN exchange.went_to(r.person, true) "
    "ELSE r.person END AS person OFFSET 0) t "
    "LEFT JOIN LATERAL (SELECT * FROM exchange.person_link l WHERE l.person = t.person LIMIT 1) g ON true "
    "ORDER BY r.person",
    3, NEXT_TYPES};
// clang-format on

// Of the domains that the policy has now; none where it is not about followed persons any more. The first one that is
// too much, by its bytes, is there without what it says.
enum { RECORD_PERSON, RECORD_DOMAIN, RECORD_KEY, RECORD };
static const Oid RECORDS_TYPES[] = {OID_INT8_ARRAY, OID_INT4, OID_INT4, OID_INT8};
static const PgStatement RECORDS = {
    "follow-records",
    "SELECT s.person, s.domain, s.record_key, CASE WHEN s.bytes <= $4 THEN s.record END FROM (SELECT r.*, "
    "sum(octet_length(r.record)) OVER (ORDER BY r.person, r.domain, r.record_key ROWS UNBOUNDED PRECEDING) AS bytes "
    "FROM (SELECT DISTINCT ON (v.person, v.domain, v.record_key) v.person, v.domain, v.record_key, v.record "
    "FROM exchange.record_version v WHERE v.person = ANY ($1) AND NOT v.superseded AND v.domain = ANY (coalesce(("
    "SELECT CASE WHEN p.followed_only THEN p.domains END FROM exchange.subscription_policy p "
    "WHERE p.subscription = $2 ORDER BY p.version DESC LIMIT 1), '{}')) "
    "ORDER BY v.person, v.domain, v.record_key, v.position DESC LIMIT $3) r) s "
    "WHERE s.bytes - octet_length(s.record) <= $4 ORDER BY s.person, s.domain, s.record_key",
    4, RECORDS_TYPES};

// Who was followed from this very position on never was. By person again: an index of all that are open is no help.
#define OF_LIST(persons)                                                                                               \
    "(f.subscription = $1) IS TRUE AND f.person = ANY (" persons ") AND coalesce(f.to_position, 0) = 0"
static const Oid DONE_TYPES[] = {OID_INT4,       OID_INT8_ARRAY, OID_INT8_ARRAY, OID_INT8,
                                 OID_INT8_ARRAY, OID_TEXT_ARRAY, OID_INT8_ARRAY, OID_TEXT_ARRAY};
// clang-format off
static const PgStatement DONE = {
    "follow-done",
    "WITH gone AS (DELETE FROM exchange.follow_request r WHERE (r.subscription = $1) IS TRUE AND r.person = ANY ($2) "
    "RETURNING r.person), "
    "closed AS (UPDATE exchange.followed f SET to_position = $4 WHERE " OF_LIST("$3") " AND f.from_position < $4 "
    "RETURNING f.person), "
    "never AS (DELETE FROM exchange.followed f WHERE " OF_LIST("$3") " AND f.from_position = $4 RETURNING f.person), "
    "renamed AS (UPDATE exchange.followed f SET number = (SELECT n.number FROM unnest($7::bigint[], $8::text[]) "
    "AS n(person, number) WHERE n.person = f.person LIMIT 1) WHERE " OF_LIST("$7") "), "
    "opened AS (INSERT INTO exchange.followed (subscription, person, number, from_position) "
    "SELECT $1, n.person, n.number, $4 FROM unnest($5::bigint[], $6::text[]) AS n(person, number) RETURNING person), "
    "counts AS (SELECT (SELECT count(*) FROM gone) AS done, (SELECT count(*) FROM opened) - "
    "(SELECT count(*) FROM closed) - (SELECT count(*) FROM never) AS more) "
    "INSERT INTO exchange.follow_count AS c (subscription, done, followed) SELECT $1, done, more FROM counts "
    "ON CONFLICT (subscription) DO UPDATE SET done = c.done + excluded.done, "
    "followed = c.followed + excluded.followed",
    8, DONE_TYPES};
// clang-format on

// As one that was carried out once less, for the row of those that were asked is others'.
static const Oid MOVED_TYPES[] = {OID_INT8};
static const PgStatement MOVED = {
    "follow-moved",
    "WITH asked AS (INSERT INTO exchange.follow_request (subscription, person, follow, number) "
    "SELECT f.subscription, f.person, true, f.number FROM exchange.followed f "
    "WHERE f.person = $1 AND f.to_position IS NULL ON CONFLICT DO NOTHING RETURNING subscription) "
    "UPDATE exchange.follow_count c SET done = c.done - 1 FROM asked a WHERE c.subscription = a.subscription",
    1, MOVED_TYPES};

// One request, and what it comes to.
typedef struct Wish {
    int64_t person, target; // who was named, and who that is by now
    const char *number;
    bool follow;
    bool held, own_held;               // the target, and who was named, are on the list
    bool renamed;                      // ... the target under another number
    bool tells;                        // records
    bool taken;                        // carried out in this work
    bool waits;                        // ... and cannot be now
    bool refused;                      // ... by leaving all as it is
    const char *moved_to, *moved_to63; // by the last move that the log tells of; "": it tells of none
    Person gone;                       // of those who are in the population store no more
    const Person *who;                 // whose records are told
} Wish;

typedef struct Wishes {
    Wish *list;
    size_t n;
} Wishes;

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "persons to be followed do not fit");
}

// ---- requests ------------------------------------------------------------------------------------------------------

static int read_wish(Arena *arena, const PGresult *rows, int row, Wish *wish) {
    *wish = (Wish){.person = pg_i64(rows, row, PERSON),
                   .target = pg_i64(rows, row, TARGET),
                   .number = lookup_read_text(arena, rows, row, NUMBER),
                   .moved_to = lookup_read_text(arena, rows, row, MOVED_TO),
                   .moved_to63 = lookup_read_text(arena, rows, row, MOVED_TO63),
                   .follow = pg_bool(rows, row, FOLLOW),
                   .held = !pg_is_null(rows, row, HELD_NUMBER),
                   .renamed = strcmp(pg_text(rows, row, HELD_NUMBER), pg_text(rows, row, NUMBER)) != 0,
                   .own_held = pg_bool(rows, row, OWN_IS_HELD)};
    wish->tells = wish->follow != wish->held && (wish->follow || !MISTAKE(UNFOLLOWED_UNTOLD));
    wish->waits = pg_bool(rows, row, WAITS);
    wish->taken = !wish->waits;
    wish->gone.key = wish->target;
    if (wish->number == NULL || wish->moved_to == NULL || wish->moved_to63 == NULL)
        return no_memory();
    if (!pg_bool(rows, row, IS_GOING))
        return 0;
    wish->who = &wish->gone;
    return lookup_read_gone(arena, rows, row, GONE, &wish->gone);
}

// Two who were named may be one by now: the second one's turn comes with the next work.
static void take_once(Wishes *wishes) {
    for (size_t i = 0; i < wishes->n; i++) {
        Wish *wish = &wishes->list[i];
        for (size_t j = 0; wish->target != wish->person && j < wishes->n; j++)
            wish->taken = wish->taken && (j == i || wishes->list[j].target != wish->target || !wishes->list[j].taken);
    }
}

static int read_wishes(Pg *exchange, const Work *work, Wishes *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i32(&params, work->advance->subscription);
    pg_param_i32(&params, FOLLOWING_PERSONS_MAX);
    pg_param_i64(&params, work->advance->person);
    int result = pg_run(exchange, &NEXT, &params, &rows);
    pg_params_free(&params);
    *ret = (Wishes){0};
    if (result == 0)
        ret->list = arena_alloc(work->arena, (size_t)PQntuples(rows) * sizeof *ret->list + 1);
    if (result == 0 && ret->list == NULL)
        result = no_memory();
    for (int row = 0; result == 0 && row < PQntuples(rows); row++)
        result = read_wish(work->arena, rows, row, &ret->list[ret->n++]);
    PQclear(rows);
    take_once(ret);
    return result;
}

// ---- records -------------------------------------------------------------------------------------------------------

typedef struct Most {
    int records;
    int64_t bytes;
} Most;
static const Most OF_WORK = {FOLLOWING_RECORDS_MAX, FOLLOWING_BYTES_MAX};
static const Most OF_PERSON = {FOLLOW_RECORDS_MAX, FOLLOW_RECORDS_BYTES_MAX};

static int find_records(Pg *exchange, int32_t subscription, const Wishes *wishes, const Most *most, PGresult **ret) {
    PgParams params = {0};
    int n = 0;
    for (size_t i = 0; i < wishes->n; i++)
        n += wishes->list[i].taken && wishes->list[i].tells;
    pg_param_array_begin(&params, OID_INT8, n);
    for (size_t i = 0; i < wishes->n; i++)
        if (wishes->list[i].taken && wishes->list[i].tells)
            pg_array_i64(&params, wishes->list[i].target);
    pg_param_i32(&params, subscription);
    pg_param_i32(&params, most->records + 1);
    pg_param_i64(&params, most->bytes);
    int result = pg_run(exchange, &RECORDS, &params, ret);
    pg_params_free(&params);
    return result;
}

static bool is_cut(const PGresult *rows, const Most *most) {
    int n = PQntuples(rows);
    return n > most->records || (n > 0 && pg_is_null(rows, n - 1, RECORD));
}

// Not all records were read: of whom some may be missing waits, but for the first of all. True when that one is left
// alone.
static bool put_off(const Wishes *wishes, const PGresult *rows) {
    int64_t first = pg_i64(rows, 0, RECORD_PERSON), cut = pg_i64(rows, PQntuples(rows) - 1, RECORD_PERSON);
    for (size_t i = 0; i < wishes->n; i++) {
        Wish *wish = &wishes->list[i];
        if (wish->tells && (first == cut ? wish->target != first : wish->target >= cut))
            wish->taken = false;
    }
    return first == cut;
}

static void refuse(const Wishes *wishes) {
    for (size_t i = 0; i < wishes->n; i++) {
        Wish *wish = &wishes->list[i];
        if (!wish->taken || !wish->tells)
            continue;
        wish->refused = wish->follow;
        log_warn("person %lld has more than %d records, or more than %d MiB of them%s", (long long)wish->target,
                 FOLLOW_RECORDS_MAX, FOLLOW_RECORDS_BYTES_MAX / (1024 * 1024),
                 wish->follow ? ", and cannot be followed" : ": not all could be taken back from who followed them");
    }
}

// Of all who are taken, or of one who has many. *ret as from pg_run().
static int read_records(Pg *exchange, const Work *work, const Wishes *wishes, PGresult **ret) {
    int32_t subscription = work->advance->subscription;
    int result = find_records(exchange, subscription, wishes, &OF_WORK, ret);
    if (result < 0 || !is_cut(*ret, &OF_WORK) || !put_off(wishes, *ret))
        return result;
    PQclear(*ret);
    *ret = NULL;
    result = find_records(exchange, subscription, wishes, &OF_PERSON, ret);
    if (result == 0 && is_cut(*ret, &OF_PERSON))
        refuse(wishes);
    return result;
}

// ---- items ---------------------------------------------------------------------------------------------------------

// The population store may have a move that the log does not tell of yet, or was loaded with: where they lived as far
// as the log tells is not known then. Else whoever lost sight of them let go of all when they moved, and what was
// recorded of them since is not to be told.
static bool is_move_told(const Wish *wish) {
    return strcmp(wish->moved_to, wish->who->residence_province) == 0 &&
           strcmp(wish->moved_to63, wish->who->residence_province63) == 0;
}

// What was withdrawn, or cannot be read, was let go when that happened.
static int fill(Work *work, const Wish *wish, const PGresult *rows, int row) {
    size_t n = 0;
    if (pg_is_null(rows, row, RECORD)) // too long
        return 0;
    const uint8_t *bytes = pg_bytes(rows, row, RECORD, &n);
    Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(work->arena), n, bytes);
    if (record == NULL && arena_failed(work->arena))
        return no_memory();
    if (record == NULL || record->retracted)
        return 0;
    Item *item = &work->items[work->n_items];
    int result = work_told_by(work->arena, record, item);
    if (result < 0 || item->event == NULL)
        return result;
    work->n_items++;
    item->domain = pg_i16(rows, row, RECORD_DOMAIN);
    item->record_key = lookup_read_text(work->arena, rows, row, RECORD_KEY);
    if (item->record_key == NULL)
        return no_memory();
    item->person = wish->who;
    item->claimed_number = wish->who->citizen_number;
    item->province_before = item->province_after = wish->who->residence_province;
    item->province63_before = item->province63_after = wish->who->residence_province63;
    if (!wish->follow && !is_move_told(wish))
        item->province_before = item->province63_before = "";
    item->record_hash = record_hash(wish->who->key, item->domain, item->record_key);
    item->merged.deleted = !wish->follow;
    item->merged.record = wish->follow ? record : NULL;
    return 0;
}

static int fill_all(Work *work, const Wishes *wishes, const PGresult *rows) {
    int result = 0;
    const Wish *wish = NULL;
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        int64_t person = pg_i64(rows, row, RECORD_PERSON);
        for (size_t i = 0; (wish == NULL || wish->target != person) && i < wishes->n; i++)
            if (wishes->list[i].taken && wishes->list[i].tells && wishes->list[i].target == person)
                wish = &wishes->list[i];
        if (wish != NULL && wish->target == person && !wish->refused && wish->who != NULL)
            result = fill(work, wish, rows, row);
    }
    return result;
}

// Those who are in the population store. Of whom neither it nor a merger knows, nothing is told.
static int find_persons(Prepare *prepare, Arena *arena, const Wishes *wishes) {
    int64_t *keys = arena_alloc(arena, wishes->n * sizeof *keys + 1);
    Person *persons = NULL;
    size_t n = 0, n_persons = 0;
    if (keys == NULL)
        return no_memory();
    for (size_t i = 0; i < wishes->n; i++)
        if (wishes->list[i].taken && wishes->list[i].tells)
            keys[n++] = wishes->list[i].target;
    int result =
        n == 0 ? 0 : lookup_keys(prepare_population(prepare), arena, &(LookupKeys){keys, n}, &persons, &n_persons);
    for (size_t i = 0; result == 0 && i < wishes->n; i++)
        for (size_t j = 0; j < n_persons; j++)
            if (persons[j].key == wishes->list[i].target)
                wishes->list[i].who = &persons[j];
    return result;
}

// The next work goes on behind those who were looked at; whoever was only put off comes with it.
static void set_place(const Wishes *wishes, Advance *advance) {
    bool put_off = false;
    for (size_t i = 0; i < wishes->n; i++) {
        const Wish *wish = &wishes->list[i];
        put_off = put_off || (!wish->taken && !wish->waits);
        advance->rows += wish->taken;
        advance->person = put_off ? advance->person : wish->person;
    }
}

int following_build(Prepare *prepare, Pg *exchange, Work *work) {
    PGresult *rows = NULL;
    Wishes wishes;
    work_rewind(work);
    work->advance->rows = 0;
    int result = read_wishes(exchange, work, &wishes);
    if (result == 0)
        result = read_records(exchange, work, &wishes, &rows);
    if (result == 0)
        result = find_persons(prepare, work->arena, &wishes);
    if (result == 0)
        work->items = decide_items_new(work, (size_t)PQntuples(rows) + 1);
    if (result == 0 && work->items == NULL)
        result = no_memory();
    if (result == 0)
        result = fill_all(work, &wishes, rows);
    PQclear(rows);
    work->wishes = wishes.list;
    work->n_wishes = wishes.n;
    if (result == 0)
        set_place(&wishes, work->advance);
    return result;
}

// ---- what became of them -------------------------------------------------------------------------------------------

typedef struct Row {
    int64_t person;
    const char *number;
} Row;

typedef struct Rows {
    Row *list;
    size_t n;
} Rows;

static int rows_new(Arena *arena, size_t n, Rows *ret) {
    *ret = (Rows){.list = arena_alloc(arena, n * sizeof *ret->list + 1)};
    return ret->list == NULL ? no_memory() : 0;
}

static void add(Rows *rows, int64_t person, const char *number) {
    rows->list[rows->n++] = (Row){person, number};
}

static void param_persons(PgParams *params, const Rows *rows) {
    pg_param_array_begin(params, OID_INT8, (int)rows->n);
    for (size_t i = 0; i < rows->n; i++)
        pg_array_i64(params, rows->list[i].person);
}

static void param_numbers(PgParams *params, const Rows *rows) {
    pg_param_array_begin(params, OID_TEXT, (int)rows->n);
    for (size_t i = 0; i < rows->n; i++)
        pg_array_text(params, rows->list[i].number, strlen(rows->list[i].number));
}

typedef struct Changes {
    Rows gone, closed, opened, renamed; // requests; persons on the list
} Changes;

// Who was named has become another person: that one is on the list in their place.
static void sort_wish(const Wish *wish, Changes *changes) {
    bool became = wish->target != wish->person;
    add(&changes->gone, wish->person, wish->number);
    if (wish->refused)
        return;
    if (wish->own_held && (became || !wish->follow))
        add(&changes->closed, wish->person, "");
    if (wish->follow && !wish->held)
        add(&changes->opened, wish->target, wish->number);
    else if (wish->follow && wish->renamed && !became)
        add(&changes->renamed, wish->target, wish->number);
}

static int sort_wishes(const Work *work, Changes *ret) {
    Rows *const lists[] = {&ret->gone, &ret->closed, &ret->opened, &ret->renamed};
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof lists / sizeof *lists; i++)
        result = rows_new(work->arena, 2 * work->n_wishes, lists[i]);
    for (size_t i = 0; result == 0 && i < work->n_wishes; i++)
        if (work->wishes[i].taken)
            sort_wish(&work->wishes[i], ret);
    return result;
}

int following_done(Pg *exchange, const Work *work, uint64_t position) {
    Changes changes;
    int result = sort_wishes(work, &changes);
    if (result < 0)
        return result;
    PgParams params = {0};
    pg_param_i32(&params, work->advance->subscription);
    param_persons(&params, &changes.gone);
    param_persons(&params, &changes.closed);
    pg_param_i64(&params, (int64_t)position);
    param_persons(&params, &changes.opened);
    param_numbers(&params, &changes.opened);
    param_persons(&params, &changes.renamed);
    param_numbers(&params, &changes.renamed);
    result = pg_run(exchange, &DONE, &params, NULL);
    pg_params_free(&params);
    return result;
}

int following_moved(Pg *exchange, const Work *work) {
    PgParams params = {0};
    pg_param_i64(&params, work->link->went.person.key);
    int result = pg_run(exchange, &MOVED, &params, NULL);
    pg_params_free(&params);
    return result;
}
