// SPDX-License-Identifier: Apache-2.0
//
// The re-decider's thread. Never decides what is not open: the writer looks once more under its lock. What waits for a
// person is decided again only where the population store moved, and only if that settles it; population events of that
// kind are left to the person.
#include "broker/redecide_state.h"

#include "broker/lookup.h"
#include "broker/mail.h"
#include "broker/thread.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define POLL_MS 2000 // others than this broker move the population store too
#define SWEEP_MS 60000
#define NUMBERS_AT_ONCE 1000 // of population.change
#define CHANGES_MAX 20000    // that a broker looks at again when it begins
#define OID_INT4 23
#define OID_INT8 20
#define OID_TEXT 25
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009

// ---- mail ---------------------------------------------------------------------------------------------------------

// True when the work came back.
static bool receive(Actor *actor) {
    MailKind kind;
    void *pointer = NULL;
    bool back = false;
    while (mail_receive(actor->inbox, &kind, &pointer) == 0) {
        if (kind == MAIL_AGENCIES) {
            agencies_unref(&actor->agencies);
            actor->agencies = pointer;
        } else if (kind == MAIL_POPULATION || kind == MAIL_REVIEW) {
            actor->moved = true;
        } else if (kind == MAIL_SWEEP) {
            actor->moved = true;
            actor->sweep_ms = 0;
        } else if (kind == MAIL_WORK) {
            back = true;
        }
    }
    return back;
}

static bool wait_mail(Actor *actor, long timeout_ms) {
    zmq_pollitem_t items[] = {{.socket = zsock_resolve(actor->pipe), .events = ZMQ_POLLIN},
                              {.socket = zsock_resolve(actor->inbox), .events = ZMQ_POLLIN}};
    if (zmq_poll(items, 2, timeout_ms) < 0 || items[0].revents != 0)
        actor->stopped = true;
    return receive(actor);
}

// ---- one work -----------------------------------------------------------------------------------------------------

static int copy_bytes_of(Arena *arena, const PGresult *rows, int row, int column, ProtobufCBinaryData *ret) {
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, row, column, &n);
    uint8_t *copy = arena_alloc(arena, n);
    if (copy == NULL)
        return error_fail(ERROR_MEMORY, "deferred events do not fit");
    memcpy(copy, data, n);
    *ret = (ProtobufCBinaryData){.data = copy, .len = n};
    return 0;
}

static int say_replaced(Arena *arena, Item *item, int64_t newer) {
    item->why = arena_printf(arena, "superseded: the agency's newer event of the row, at position %lld, was taken",
                             (long long)newer);
    return item->why == NULL ? error_fail(ERROR_MEMORY, "what closes a row's event does not fit") : 0;
}

static int fill_item(Work *work, Item *item, const PGresult *rows, int row) {
    ProtobufCBinaryData leaf;
    int result = copy_bytes_of(work->arena, rows, row, 4, &item->bytes);
    if (result == 0)
        result = copy_bytes_of(work->arena, rows, row, 5, &leaf);
    if (result < 0)
        return result;
    item->leaf = leaf.len == HASH_BYTES ? leaf.data : NULL;
    item->exception = pg_i64(rows, row, 0);
    item->sequence = (uint64_t)pg_i64(rows, row, 2);
    item->expired = pg_bool(rows, row, 6);
    item->was = pg_i16(rows, row, 7);
    item->held = pg_bool(rows, row, 8);
    item->stands = pg_i64(rows, row, 9);
    return PQnfields(rows) > 10 ? say_replaced(work->arena, item, pg_i64(rows, row, 10)) : 0;
}

static bool leaves_apart(const Review *review) {
    return review != NULL && (review->action == REVIEW_LINK || review->action == REVIEW_REPLACED);
}

// What is another person's by an officer's word leaves the record in which it stands before it goes into theirs; and
// what came again leaves it to the newer event.
static int fill_items(Work *work, const PGresult *rows, int row) {
    Item *item = &work->items[work->n_items++];
    int result = fill_item(work, item, rows, row);
    if (result < 0 || item->stands == 0 || !leaves_apart(work->review))
        return result;
    Item *own = &work->items[work->n_items++];
    *own = *item;
    own->stands = 0;
    item->leaves = true;
    return 0;
}

static int fill_work(Actor *actor, const PGresult *rows, int from, int to) {
    Work *work = actor->work;
    work->kind = WORK_REDECIDE;
    work->agencies = agencies_ref(actor->agencies);
    work->agency = agencies_find(work->agencies, (uint32_t)pg_i32(rows, from, 3));
    if (work->agency == NULL)
        return 0; // disabled: as long as it may not speak, nothing is decided in its name
    size_t n = 0;
    const uint8_t *stream = pg_bytes(rows, from, 1, &n);
    if (n != STREAM_BYTES)
        return error_fail(ERROR_DATABASE, "an open event is of a stream whose name has %zu bytes", n);
    memcpy(work->stream, stream, STREAM_BYTES);
    work->items = decide_items_new(work, 2 * (size_t)(to - from));
    if (work->items == NULL)
        return error_fail(ERROR_MEMORY, "deferred events do not fit");
    int result = 0;
    for (int row = from; result == 0 && row < to; row++)
        result = fill_items(work, rows, row);
    return result;
}

// Whether there is anything to store. Population events are decided for good where they are applied, by the writer;
// those of nobody known need not go there.
static bool says_something(const Work *work) {
    if (!prepare_changes_population(work))
        return work->n_entries > 0;
    for (size_t i = 0; i < work->n_items; i++) {
        if (!work->items[i].dropped && work->items[i].decision.verdict != DONGBO__VERDICT__DEFERRED)
            return true;
    }
    return false;
}

int redecide_store(Actor *actor) {
    mail_send(actor->writer, MAIL_WORK, actor->work);
    bool back = false;
    while (!actor->stopped && !back)
        back = wait_mail(actor, -1);
    return actor->stopped ? ERROR_STOPPED : 0;
}

int redecide_prepare(Actor *actor, const PGresult *rows, int from, int to) {
    return redecide_decide(actor, fill_work(actor, rows, from, to));
}

int redecide_decide(Actor *actor, int filled) {
    int result = filled;
    prepare_forget_failure(actor->prepare);
    if (result == 0 && actor->work->agency == NULL)
        return REDECIDE_DISABLED;
    if (result == 0)
        result = prepare_decide(actor->prepare, actor->work);
    if (result == ERROR_DATABASE && prepare_is_passing(actor->prepare))
        return result;
    return result < 0 ? REDECIDE_CANNOT : 0;
}

static int decide_rows(Actor *actor, const PGresult *rows, int from, int to) {
    work_reset(actor->work);
    int result = redecide_prepare(actor, rows, from, to);
    if (result == REDECIDE_CANNOT) // the next sweep tries again; other streams' events must not wait for that
        log_error("deferred events of one stream cannot be decided: %s", error_text());
    if (result != 0 || !says_something(actor->work))
        return result < 0 ? result : 0;
    return redecide_store(actor);
}

// ---- pages of open events -----------------------------------------------------------------------------------------

// In the order of streams, so that each stream's rows are one work; the page itself is taken in the order of positions.
#define PAGE_SQL(which)                                                                                                \
    "SELECT d.* FROM (SELECT position, stream, sequence, agency, event, leaf, "                                        \
    "at < now() - make_interval(days => $2) AS expired, verdict, " REDECIDE_HELD " AS held, " REDECIDE_STANDS          \
    " AS stands "                                                                                                      \
    "FROM exchange.exception e "                                                                                       \
    "WHERE open AND " which " AND position > $1 ORDER BY position LIMIT $3) d ORDER BY stream, position"

static const Oid PAGE_TYPES[] = {OID_INT8, OID_INT4, OID_INT4, OID_TEXT_ARRAY, OID_INT8_ARRAY};
static const PgStatement ALL = {"deferred", PAGE_SQL("verdict = 5"), 3, PAGE_TYPES};
// 4 is MISMATCH. What an officer has decided already is carried out as they decided it, and what is held is theirs too.
static const PgStatement OF_NUMBERS = {
    "open-of-numbers",
    PAGE_SQL(
        "(citizen_number = ANY ($4) OR person = ANY ($5)) AND (verdict = 5 OR (verdict = 4 AND domain <> 1 AND NOT " REDECIDE_HELD
        " AND NOT EXISTS ("
        "SELECT FROM exchange.review_decision w WHERE w.review_case = e.review_case AND w.state = 'waiting')))"),
    5, PAGE_TYPES};

static int read_page(Actor *actor, int64_t after, const PGresult *numbers, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, after);
    pg_param_i32(&params, actor->days);
    pg_param_i32(&params, REDECIDE_ITEMS_MAX);
    if (numbers != NULL) {
        pg_param_array_begin(&params, OID_TEXT, PQntuples(numbers));
        for (int row = 0; row < PQntuples(numbers); row++) {
            const char *number = pg_text(numbers, row, 1);
            pg_array_text(&params, number, strlen(number));
        }
        pg_param_array_begin(&params, OID_INT8, PQntuples(numbers));
        for (int row = 0; row < PQntuples(numbers); row++)
            pg_array_i64(&params, pg_i64(numbers, row, 2));
    }
    int result = pg_run(prepare_exchange(actor->prepare), numbers == NULL ? &ALL : &OF_NUMBERS, &params, ret);
    pg_params_free(&params);
    return result;
}

static bool same_stream(const PGresult *rows, int a, int b) {
    size_t n_a = 0, n_b = 0;
    const uint8_t *left = pg_bytes(rows, a, 1, &n_a), *right = pg_bytes(rows, b, 1, &n_b);
    return n_a == n_b && memcmp(left, right, n_a) == 0;
}

int redecide_page(Actor *actor, const PGresult *rows, RedecideRows decide, int64_t *after) {
    int n = PQntuples(rows), from = 0, result = 0;
    while (result == 0 && from < n) {
        int to = from;
        for (; to < n && same_stream(rows, from, to); to++) {
            if (pg_i64(rows, to, 0) > *after)
                *after = pg_i64(rows, to, 0);
        }
        result = decide(actor, rows, from, to);
        from = to;
    }
    return result;
}

// All deferred events, or the open ones of these numbers.
static int decide_all(Actor *actor, const PGresult *numbers) {
    int64_t after = 0;
    for (;;) {
        PGresult *rows = NULL;
        int result = read_page(actor, after, numbers, &rows);
        int n = result == 0 ? PQntuples(rows) : 0;
        if (result == 0)
            result = redecide_page(actor, rows, decide_rows, &after);
        PQclear(rows);
        if (result < 0 || n < REDECIDE_ITEMS_MAX)
            return result;
    }
}

// ---- when the population moved ------------------------------------------------------------------------------------

static const Oid CHANGE_TYPES[] = {OID_INT8, OID_INT8, OID_TEXT, OID_INT4, OID_INT8};
static const PgStatement CHANGES = {
    "changed-numbers",
    "SELECT position, citizen_number, person FROM population.change WHERE position >= $1 AND position <= $2 "
    "AND (position, citizen_number, person) > ($1, $3, $5) ORDER BY position, citizen_number, person LIMIT $4",
    5, CHANGE_TYPES};
static const Oid NEWEST_TYPES[] = {OID_INT8, OID_INT4};
static const PgStatement NEWEST = {
    "newest-changes",
    "SELECT coalesce((SELECT position FROM population.change WHERE position <= $1 ORDER BY position DESC "
    "OFFSET $2 LIMIT 1), 0)",
    2, NEWEST_TYPES};
static const PgStatement ANY = {"any-open", "SELECT EXISTS (SELECT FROM exchange.exception WHERE open)", 0, NULL};

static int any_open(Actor *actor, bool *ret) {
    PGresult *rows = NULL;
    int result = pg_run(prepare_exchange(actor->prepare), &ANY, NULL, &rows);
    *ret = result == 0 && pg_bool(rows, 0, 0);
    PQclear(rows);
    return result;
}

// The position behind which the last changes stand: a broker that begins does not know which of them the one before it
// came to.
static int find_newest(Actor *actor, int64_t upto, int64_t *ret) {
    PgParams params = {0};
    pg_param_i64(&params, upto);
    pg_param_i32(&params, CHANGES_MAX);
    PGresult *rows = NULL;
    int result = pg_run(prepare_population(actor->prepare), &NEWEST, &params, &rows);
    pg_params_free(&params);
    *ret = result == 0 ? pg_i64(rows, 0, 0) : 0;
    PQclear(rows);
    return result;
}

// Officers do not wait for a large move to be gone through, nor does who wants the broker to end.
int redecide_see_to_officers(Actor *actor) {
    wait_mail(actor, 0);
    return actor->stopped ? ERROR_STOPPED : redecide_reviews(actor);
}

static int decide_changed(Actor *actor, int64_t after, int64_t upto) {
    char number[64] = "\x7f"; // beyond every number: those of `after` itself were done
    int64_t person = 0;
    for (;;) {
        PgParams params = {0};
        pg_param_i64(&params, after);
        pg_param_i64(&params, upto);
        pg_param_text(&params, number);
        pg_param_i32(&params, NUMBERS_AT_ONCE);
        pg_param_i64(&params, person);
        PGresult *rows = NULL;
        int result = pg_run(prepare_population(actor->prepare), &CHANGES, &params, &rows);
        pg_params_free(&params);
        int n = result == 0 ? PQntuples(rows) : 0;
        if (n > 0) {
            after = pg_i64(rows, n - 1, 0);
            snprintf(number, sizeof number, "%s", pg_text(rows, n - 1, 1));
            person = pg_i64(rows, n - 1, 2);
            result = decide_all(actor, rows);
        }
        PQclear(rows);
        if (result == 0 && n == NUMBERS_AT_ONCE)
            result = redecide_see_to_officers(actor);
        if (result < 0 || n < NUMBERS_AT_ONCE)
            return result;
    }
}

// What a database that was set back holds open again may have been settled by changes that were checked before.
static bool is_set_back(const Actor *actor, const Place *log) {
    return log->life != actor->log.life || log->position < actor->log.position;
}

static int round_of(Actor *actor) {
    Place place = {0}, log = {0};
    bool any = false;
    int result = lookup_connect(prepare_exchange(actor->prepare));
    if (result == 0)
        result = lookup_connect(prepare_population(actor->prepare));
    if (result == 0)
        result = lookup_population_position(prepare_population(actor->prepare), &place);
    if (result == 0)
        result = lookup_head_position(prepare_exchange(actor->prepare), &log);
    if (result == 0)
        result = redecide_reviews(actor);
    if (result == 0)
        result = redecide_resent(actor);
    if (result == 0)
        result = any_open(actor, &any);
    int64_t now = place.position;
    bool begins = actor->checked < 0 || now < actor->checked || place.life != actor->life || is_set_back(actor, &log);
    bool sweep = begins || clock_monotonic_ms(actor->clock) >= actor->sweep_ms;
    if (result == 0 && (sweep || actor->woken || now != actor->checked))
        result = redecide_moves(actor);
    if (result == 0)
        result = redecide_erasures(actor);
    if (result == 0)
        result = redecide_follows(actor);
    if (result == 0 && (sweep || actor->woken || now != actor->checked))
        result = redecide_lives(actor);
    if (result == 0 && begins)
        result = find_newest(actor, now, &actor->checked_before);
    if (result < 0)
        return result;
    if (sweep)
        actor->sweep_ms = clock_monotonic_ms(actor->clock) + SWEEP_MS; // here: MAIL_SWEEP may come meanwhile
    if (any && sweep)
        result = decide_all(actor, NULL);
    // From the round before on: a batch that was being stored meanwhile is found this time.
    if (result == 0 && any && now > actor->checked_before)
        result = decide_changed(actor, actor->checked_before, now);
    if (result < 0) {
        actor->sweep_ms = sweep ? 0 : actor->sweep_ms;
        return result;
    }
    if (!begins)
        actor->checked_before = actor->checked;
    actor->checked = now;
    actor->life = place.life;
    actor->log = log;
    return 0;
}

// ---- the thread ---------------------------------------------------------------------------------------------------

static void run_rounds(Actor *actor) {
    while (!actor->stopped) {
        wait_mail(actor, actor->moved ? 0 : POLL_MS);
        if (actor->stopped || actor->agencies == NULL)
            continue;
        actor->woken = actor->moved;
        actor->moved = false;
        int result = round_of(actor);
        if (result < 0 && result != ERROR_STOPPED && !actor->failing)
            log_warn("deferred events and reviews wait for a database: %s", error_text());
        actor->failing = result < 0;
    }
}

static void destroy(void *state) {
    Actor *actor = state;
    if (actor->inbox != NULL)
        receive(actor);
    agencies_unref(&actor->agencies);
    prepare_destroy(&actor->prepare);
    zsock_destroy(&actor->inbox);
    zsock_destroy(&actor->writer);
    free(actor);
}

static void run(zsock_t *pipe, void *state) {
    Actor *actor = state;
    actor->pipe = pipe;
    run_rounds(actor);
}

int redecide_new(zactor_t **ret, const RedecideOptions *options) {
    static const ThreadKind kind = {"the re-decider", run, destroy};
    Actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL)
        return error_fail(ERROR_MEMORY, "no memory for the re-decider");
    actor->clock = options->prepare.clock;
    actor->work = options->work;
    actor->days = (int32_t)options->not_found_after_days;
    actor->checked = actor->checked_before = -1;
    int result = prepare_new(&actor->prepare, &options->prepare);
    if (result == 0)
        result = mail_bind(&actor->inbox, options->inbox);
    if (result == 0)
        result = mail_connect(&actor->writer, options->writer);
    if (result < 0) {
        destroy(actor);
        return result;
    }
    return thread_start(ret, &kind, actor);
}
