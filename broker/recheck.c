// SPDX-License-Identifier: Apache-2.0
//
// The re-check. Too many strange segments or population changes at once are not read one by one: then everything that
// was read before them counts as stale, which costs time and nothing else.
//
// Positions are compared with one another, and that means something only within one life of a database (Place): after a
// failover the log may end earlier than what was seen, and give the same positions to other events. So:
// - What is remembered here was read or written in the writer's own session, which is with one life. A new session
//   begins with nothing remembered, from the head that it finds; everything read before that head is stale.
// - A work was read by a worker in another session. Its places carry the lives that they are of; it is compared only
//   when these are the lives that the writer speaks with, and is else stale as a whole. No floor of positions would do
//   for that: the new life may have overtaken the old one's last position by the time that a work is looked at, and
//   after a restore every work would be stale for as long as the log takes to grow back.
// - A place beyond what the life is known to have is stale too: a server that keeps its life may lose commits when it
//   crashes with synchronous_commit off.
#include "broker/recheck.h"

#include "broker/entries.h"
#include "broker/guesses.h"
#include "broker/lookup.h"
#include "broker/resent.h"
#include "broker/segment.h"
#include "broker/written.h"
#include "proto/base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX (128 * 1024)
#define PERSONS_MAX (64 * 1024)
#define GUESSES_AT_ONCE_MAX (16 * 1024)
#define ROWS_MAX (32 * 1024)
#define WRITTEN_MAX (32 * 1024) // what the works under way may have been read before
#define WRITTEN_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define MOVES_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define SEGMENTS_MAX 64
#define CHANGES_MAX 20000
#define OID_INT8 20

struct Recheck {
    Prepare *prepare;
    Touched *records; // by position of the log
    Touched *persons; // persons and numbers, by the population store's position
    Touched *hoods;   // neighbourhoods, by position of the log
    Touched *guesses; // of agencies at numbers, by position of the log
    Touched *rows;    // of agencies, of which an event is open; likewise. Of other brokers' events: agencies
    Written *written; // by this broker
    Written *moves;   // ... once more, by neighbourhood: each names the one before it, so that all since are found
    Bytes move;
    Arena *arena;
    uint64_t began; // the head when the transaction began
    bool begun, begun_persons;
    Place head, population; // as far as anything that was read can have come
};

static const Oid TWO_NUMBERS[] = {OID_INT8, OID_INT8};
// Of the kinds of which entries may write a record.
static const PgStatement STRANGE = {
    "strange-segments",
    "SELECT first_position, last_position, format, payload FROM exchange.segment "
    "WHERE first_position > $1 AND kind IN (1, 2, 6, 9) ORDER BY first_position LIMIT $2",
    2, TWO_NUMBERS};
static const PgStatement CHANGES = {
    "population-changes",
    "SELECT position, person, citizen_number FROM population.change WHERE position > $1 ORDER BY position LIMIT $2", 2,
    TWO_NUMBERS};

int recheck_new(Recheck **ret, Prepare *prepare) {
    Recheck *recheck = calloc(1, sizeof *recheck);
    if (recheck == NULL)
        return error_fail(ERROR_MEMORY, "no memory for the re-check");
    recheck->prepare = prepare;
    int result = touched_new(&recheck->records, RECORDS_MAX);
    if (result == 0)
        result = touched_new(&recheck->persons, PERSONS_MAX);
    if (result == 0)
        result = touched_new(&recheck->hoods, RECORDS_MAX);
    if (result == 0)
        result = touched_new(&recheck->guesses, GUESSES_AT_ONCE_MAX);
    if (result == 0)
        result = touched_new(&recheck->rows, ROWS_MAX);
    if (result == 0)
        result = written_new(&recheck->written, WRITTEN_MAX, WRITTEN_BYTES_MAX);
    if (result == 0)
        result = written_new(&recheck->moves, WRITTEN_MAX, MOVES_BYTES_MAX);
    if (result == 0)
        result = arena_new(&recheck->arena, WORK_ARENA_BYTES);
    if (result < 0) {
        recheck_destroy(&recheck);
        return result;
    }
    *ret = recheck;
    return 0;
}

void recheck_destroy(Recheck **pointer) {
    Recheck *recheck = *pointer;
    if (recheck == NULL)
        return;
    touched_destroy(&recheck->records);
    touched_destroy(&recheck->persons);
    touched_destroy(&recheck->hoods);
    touched_destroy(&recheck->guesses);
    touched_destroy(&recheck->rows);
    written_destroy(&recheck->written);
    written_destroy(&recheck->moves);
    bytes_free(&recheck->move);
    arena_destroy(&recheck->arena);
    free(recheck);
    *pointer = NULL;
}

static int query_after(Pg *pg, const PgStatement *statement, int64_t position, int64_t limit, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, position);
    pg_param_i64(&params, limit);
    int result = pg_run(pg, statement, &params, ret);
    pg_params_free(&params);
    return result;
}

// The neighbourhoods in which a record stands: two at most.
static size_t hoods_of(const Recheck *recheck, int domain, NeighbourName name, NeighbourName ret[2]) {
    const DomainRules *rules = rules_domain(prepare_rules(recheck->prepare), domain);
    if (rules == NULL || rules->n_beside == 0)
        return 0;
    ret[0] = (NeighbourName){name.person, ""};
    ret[1] = (NeighbourName){0, name.record_key};
    return rules->holders ? 2 : 1;
}

static void touch_hoods(const Recheck *recheck, const Dongbo__Entry *entry, uint64_t position) {
    NeighbourName hoods[2];
    size_t n = hoods_of(recheck, (int)entry->domain, (NeighbourName){entry->person, entry->record_key}, hoods);
    for (size_t i = 0; i < n; i++)
        touched_add(recheck->hoods, neighbourhood_hash(hoods[i], (int)entry->domain), position);
}

static void forget_written(Recheck *recheck) {
    written_clear(recheck->written);
    written_clear(recheck->moves);
}

static void restart_records(Recheck *recheck, uint64_t head) {
    touched_restart(recheck->records, head);
    touched_restart(recheck->hoods, head);
    touched_restart(recheck->guesses, head);
    touched_restart(recheck->rows, head);
}

static uint64_t hash_guess(uint32_t agency, const char *number) {
    return record_hash(agency, 2, number);
}

// A row, or with 0 all of the agency's.
static uint64_t hash_row(uint32_t agency, uint64_t row_key) {
    return record_hash((int64_t)(row_key ^ (uint64_t)agency << 32), 3, "");
}

// 1 when one of the segment's entries cannot be read (erased, or of a later format).
static int note_segment(Recheck *recheck, const PGresult *rows, int row) {
    size_t n = 0;
    if (pg_is_null(rows, row, 3))
        return 1;
    const uint8_t *data = pg_bytes(rows, row, 3, &n);
    Dongbo__SegmentPayload *payload = NULL;
    arena_reset(recheck->arena);
    int result = segment_decode_payload(data, n, pg_i16(rows, row, 2), recheck->arena, &payload);
    if (result != 0)
        return 1;
    uint64_t first = (uint64_t)pg_i64(rows, row, 0);
    for (size_t i = 0; i < payload->n_entries; i++) {
        const Dongbo__Entry *entry = payload->entries[i];
        if (entries_is_erased(entry))
            return 1;
        if (entry->verdict == DONGBO__VERDICT__MISMATCH)
            touched_add(recheck->guesses, hash_guess(entry->agency, entry->citizen_number), first + i);
        if (verdict_is_open(entry->verdict))
            touched_add(recheck->rows, hash_row(entry->agency, 0), first + i);
        if (entry->person == 0)
            continue;
        touched_add(recheck->records, record_hash(entry->person, (int)entry->domain, entry->record_key), first + i);
        touch_hoods(recheck, entry, first + i);
    }
    touched_cover(recheck->records, (uint64_t)pg_i64(rows, row, 1));
    return 0;
}

void recheck_forget(Recheck *recheck) {
    recheck->begun = false;
}

void recheck_forget_population(Recheck *recheck) {
    recheck->begun_persons = false;
}

// Nothing is known of what moved up to the head.
static int begin(Recheck *recheck, uint64_t head) {
    int result = lookup_head_position(prepare_exchange(recheck->prepare), &recheck->head);
    if (result < 0)
        return result;
    restart_records(recheck, head);
    forget_written(recheck);
    recheck->begun = true;
    return 0;
}

int recheck_follow(Recheck *recheck, uint64_t head) {
    uint64_t covered = touched_covered(recheck->records);
    if (!recheck->begun || covered > head) {
        int result = begin(recheck, head);
        if (result < 0)
            return result;
        covered = head;
    }
    recheck->head.position = (int64_t)head;
    recheck->began = head;
    if (covered == head)
        return 0;
    PGresult *rows = NULL;
    int result = query_after(prepare_exchange(recheck->prepare), &STRANGE, (int64_t)covered, SEGMENTS_MAX + 1, &rows);
    int n = result == 0 ? PQntuples(rows) : 0;
    bool unread = n > SEGMENTS_MAX;
    for (int row = 0; row < n && !unread; row++)
        unread = note_segment(recheck, rows, row) != 0;
    PQclear(rows);
    if (result < 0)
        return result;
    if (unread)
        restart_records(recheck, head);
    touched_cover(recheck->records, head);
    return 0;
}

static uint64_t hash_person(int64_t person) {
    return record_hash(person, 0, "");
}

static uint64_t hash_number(const char *number) {
    return record_hash(0, 1, number);
}

int recheck_population(Recheck *recheck) {
    Pg *population = prepare_population(recheck->prepare);
    int result = lookup_population_position(population, &recheck->population);
    if (result < 0)
        return result;
    int64_t now = recheck->population.position, covered = recheck_population_position(recheck);
    if (!recheck->begun_persons || now < covered) {
        touched_restart(recheck->persons, (uint64_t)now);
        recheck->begun_persons = true;
        return 0;
    }
    if (now == covered)
        return 0;
    PGresult *rows = NULL;
    result = query_after(population, &CHANGES, covered, CHANGES_MAX + 1, &rows);
    int n = result == 0 ? PQntuples(rows) : 0;
    for (int row = 0; row < n && n <= CHANGES_MAX; row++) {
        uint64_t position = (uint64_t)pg_i64(rows, row, 0);
        touched_add(recheck->persons, hash_person(pg_i64(rows, row, 1)), position);
        touched_add(recheck->persons, hash_number(pg_text(rows, row, 2)), position);
    }
    PQclear(rows);
    if (result < 0)
        return result;
    if (n > CHANGES_MAX)
        touched_restart(recheck->persons, (uint64_t)now);
    touched_cover(recheck->persons, (uint64_t)now);
    return 0;
}

int recheck_population_since(Recheck *recheck, int64_t known) {
    int result = recheck_population(recheck);
    int64_t now = recheck_population_position(recheck);
    if (result < 0 || now >= known)
        return result;
    prepare_note_passing(recheck->prepare);
    return error_fail(ERROR_DATABASE,
                      "the population store is at its change %" PRId64
                      ", and the log was decided by its change %" PRId64
                      ": it was set back alone, or is a standby that lags. Nothing is decided until it has that "
                      "(deploy/RESTORE.md)",
                      now, known);
}

static bool is_of(const Place *read, const Place *now) {
    return read->life == now->life && read->position <= now->position;
}

static bool is_person_stale(const Recheck *recheck, const Work *work, const Item *item) {
    if (work->population.position == recheck->population.position)
        return false;
    // Whoever moved may be meant as well from now on, under whatever number: what says that nobody else is, is old.
    if (item_is_adopted(item))
        return true;
    uint64_t read = (uint64_t)work->population.position;
    const SearchMatch *likely = search_first(item->found);
    if (likely != NULL && touched_since(recheck->persons, hash_person(likely->person), read))
        return true;
    const char *insurance = bearers_insurance(item->event, item->claimed_number);
    if (insurance[0] != '\0' && touched_since(recheck->persons, hash_number(insurance), read))
        return true;
    return touched_since(recheck->persons, hash_number(item->claimed_number), read) ||
           (item->person != NULL && touched_since(recheck->persons, hash_person(item->person->key), read));
}

// What was told of meanwhile counts.
static bool is_guess_stale(const Recheck *recheck, const Work *work, const Item *item) {
    return guesses_concern(work, item) &&
           touched_since(recheck->guesses, hash_guess(work->agency->grants.agency, item->claimed_number),
                         (uint64_t)work->read.position);
}

// An older event of the row may have come since.
static bool is_row_touched(const Recheck *recheck, const Work *work, const Item *item, uint64_t since) {
    if (item->row_key == 0 || !resent_is_taken(work, item))
        return false;
    uint32_t agency = work->agency->grants.agency;
    return touched_since(recheck->rows, hash_row(agency, item->row_key), since) ||
           touched_since(recheck->rows, hash_row(agency, 0), since);
}

// The version that moved, if it was this broker that wrote it. 1 when it must be looked up.
static int read_written(const Recheck *recheck, const Work *work, Item *item) {
    WrittenKey key = {.hash = item->record_hash,
                      .person = item->person->key,
                      .domain = item->domain,
                      .record_key = item->record_key,
                      .position = touched_last(recheck->records, item->record_hash)};
    size_t n = 0;
    const uint8_t *record = written_find(recheck->written, &key, &n);
    Dongbo__Record *read = record == NULL ? NULL : dongbo__record__unpack(arena_protobuf(work->arena), n, record);
    if (read == NULL)
        return 1;
    item->read = read;
    return 0;
}

// ---- neighbourhoods -------------------------------------------------------------------------------------------------

// A move: where the one before it stands, whose record, its key, closed by 0, and the record.
typedef struct Move {
    uint64_t before;
    int64_t person;
} Move;

static WrittenKey move_key(NeighbourName of, int domain, uint64_t hash, uint64_t position) {
    return (WrittenKey){.hash = record_hash((int64_t)(hash ^ position << 16), domain, ""),
                        .person = of.person,
                        .domain = domain,
                        .record_key = of.record_key,
                        .position = position};
}

static void note_move(Recheck *recheck, const Item *item, NeighbourName of, const ProtobufCBinaryData *record) {
    uint64_t hash = neighbourhood_hash(of, item->domain);
    Move move = {touched_last(recheck->hoods, hash), item->person->key};
    bytes_clear(&recheck->move);
    bytes_append(&recheck->move, &move, sizeof move);
    bytes_append(&recheck->move, item->record_key, strlen(item->record_key) + 1);
    bytes_append(&recheck->move, record->data, record->len);
    WrittenKey key = move_key(of, item->domain, hash, item->position);
    if (!recheck->move.failed)
        written_add(recheck->moves, &key, recheck->move.data, recheck->move.n);
    touched_add(recheck->hoods, hash, item->position);
}

// All that moved in it since, newest first, if it was this broker that wrote it. 1 when it must be looked up.
static int read_moves(const Recheck *recheck, const Work *work, Neighbourhood *hood, uint64_t since) {
    uint64_t newest = touched_last(recheck->hoods, hood->hash);
    Move move;
    for (uint64_t at = newest; at > since; at = move.before) {
        size_t n = 0;
        WrittenKey key = move_key(hood->of, hood->domain, hood->hash, at);
        const uint8_t *found = written_find(recheck->moves, &key, &n);
        if (found == NULL)
            return 1;
        memcpy(&move, found, sizeof move);
        const char *record_key = (const char *)found + sizeof move;
        size_t skip = sizeof move + strlen(record_key) + 1;
        NeighbourVersion version = {
            .name = {move.person, record_key}, .position = (int64_t)at, .record = found + skip, .n = n - skip};
        if (move.before >= at || neighbourhood_add(hood, work->arena, &version) < 0)
            return 1;
    }
    hood->position = (int64_t)newest;
    return 0;
}

static int mark_hood(const Recheck *recheck, const Work *work, Item *item, Neighbourhood *hood) {
    if (hood == NULL)
        return 0;
    uint64_t since = (uint64_t)(hood->position > work->read.position ? hood->position : work->read.position);
    if (!touched_since(recheck->hoods, hood->hash, since))
        return 0;
    DecideContext context = {.rules = prepare_rules(recheck->prepare)};
    if (!touched_forgot(recheck->hoods, since) && read_moves(recheck, work, hood, since) == 0)
        return decide_stands(&context, work, item) ? 0 : 1;
    item->stale_record = true;
    return 2;
}

// ---- marking --------------------------------------------------------------------------------------------------------

static int mark_record(const Recheck *recheck, const Work *work, Item *item) {
    if (!touched_since(recheck->records, item->record_hash, (uint64_t)work->read.position))
        return 0;
    if (read_written(recheck, work, item) == 0)
        return 1;
    item->stale_record = true;
    return 2;
}

// As recheck_mark() says, of one item.
static int mark(const Recheck *recheck, const Work *work, Item *item) {
    if (item->event == NULL || item->dropped)
        return 0;
    item->replaces = item->replaces || is_row_touched(recheck, work, item, (uint64_t)work->read.position);
    item->stale_person =
        item->stale_person || is_person_stale(recheck, work, item) || is_guess_stale(recheck, work, item);
    if (item->stale_person || item->stale_record)
        return 2;
    if (item->record_hash == 0)
        return 0;
    int record = mark_record(recheck, work, item), hood = mark_hood(recheck, work, item, item->hood);
    int holders = mark_hood(recheck, work, item, item->holders);
    int result = record > hood ? record : hood;
    return result > holders ? result : holders;
}

int recheck_mark(Recheck *recheck, Work *work) {
    if (!is_of(&work->read, &recheck->head) || !is_of(&work->population, &recheck->population))
        work_rewind(work);
    int result = work->rewound ? 1 : 0;
    for (size_t i = 0; i < work->n_items; i++) {
        int one = mark(recheck, work, &work->items[i]);
        result = one > result ? one : result;
    }
    return result;
}

int recheck_renew(Recheck *recheck, Work *work) {
    int result = prepare_again(recheck->prepare, work);
    return result < 0 ? result : entries_build(work);
}

int recheck_repeats(Recheck *recheck, Work *work) {
    int result = prepare_repeats(recheck->prepare, work);
    return result < 0 ? result : entries_build(work);
}

void recheck_date(Recheck *recheck, Work *work, uint64_t head) {
    recheck->head.position = (int64_t)head;
    work->read = recheck->head;
    work->population = recheck->population;
}

static void note_written(Recheck *recheck, const Work *work, size_t row, const Item *item) {
    WrittenKey key = {.hash = item->record_hash,
                      .person = item->person->key,
                      .domain = item->domain,
                      .record_key = item->record_key,
                      .position = item->position};
    written_add(recheck->written, &key, work->records.data + work->packed_at[row], work->packed_n[row]);
}

// In the order of positions, which that of the rows is not: each names the one before.
static void note_moves(Recheck *recheck, const Work *work) {
    for (size_t at = 0; at < work->n_entries; at++) {
        const Item *item = work->entry_items[at];
        if (item->row == 0 || item->merged.superseded)
            continue;
        NeighbourName hoods[2];
        size_t n = hoods_of(recheck, item->domain, (NeighbourName){item->person->key, item->record_key}, hoods);
        ProtobufCBinaryData record = {.data = work->records.data + work->packed_at[item->row - 1],
                                      .len = work->packed_n[item->row - 1]};
        for (size_t i = 0; i < n; i++)
            note_move(recheck, item, hoods[i], &record);
    }
}

bool recheck_resent(Recheck *recheck, const Work *work) {
    bool any = false;
    // What a judgement opens is noted, too; it replaces nothing itself.
    if (work->kind != WORK_BATCH && work->kind != WORK_REDECIDE && work->kind != WORK_JUDGE)
        return false;
    for (size_t i = 0; i < work->n_entries; i++) {
        Item *item = work->entry_items[i];
        if (item->row_key != 0 && verdict_is_open(item->decision.verdict))
            touched_add(recheck->rows, hash_row(work->agency->grants.agency, item->row_key), item->position);
        item->replaces = item->replaces || is_row_touched(recheck, work, item, recheck->began);
        any = any || (item->replaces && resent_is_taken(work, item));
    }
    return any;
}

static void note_guesses(Recheck *recheck, const Work *work) {
    for (size_t i = 0; i < work->n_entries; i++) {
        const Item *item = work->entry_items[i];
        if (item->is_guess)
            touched_add(recheck->guesses, hash_guess(work->agency->grants.agency, item->claimed_number),
                        item->position);
    }
}

void recheck_note(Recheck *recheck, const Work *work) {
    note_guesses(recheck, work);
    for (size_t i = 0; i < work->n_records; i++) {
        const Item *item = work->entry_items[work->record_index[i]];
        touched_add(recheck->records, item->record_hash, item->position);
        if (!item->merged.superseded)
            note_written(recheck, work, i, item);
    }
    if (work->n_hoods > 0 || work->kind != WORK_BATCH)
        note_moves(recheck, work);
}

void recheck_committed(Recheck *recheck, uint64_t head) {
    touched_cover(recheck->records, head);
}

void recheck_failed(Recheck *recheck) {
    forget_written(recheck);
}

int64_t recheck_population_position(const Recheck *recheck) {
    return (int64_t)touched_covered(recheck->persons);
}
