// SPDX-License-Identifier: Apache-2.0
//
// `dongbo erase`: says what the log holds of an event, or of a citizen, and who was sent it (erase_find.h,
// erase_say.h), asks, and then has brokers log tombstones, waits until they stand in the log, and takes the content
// away (erasure.h).
#include "operators/answer.h"
#include "operators/commands.h"
#include "operators/commits.h"
#include "operators/erase_say.h"
#include "operators/erasure.h"
#include "operators/result.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ORDER_BYTES_MAX 200
#define WAIT_MS 60000
#define LOOK_MS 500
#define ROUNDS_MAX 10

static const char NOTES[] =
    "What goes, salts and all: the events in their signed batches, the log's entries about them and those that repeat\n"
    "their records, what they said in record versions, also of whoever the person was merged into, and what was kept to\n"
    "decide them. Committees are told the records as they are without them, or that they are gone. What stays: hashes,\n"
    "signatures and verdicts, so that every proof holds; a tombstone in the log for each entry, with the order and who\n"
    "carried it out; who had been sent what (`dongbo disclosures`), without what it said.\n"
    "A population event goes from the exchange as any other does. What it changed in the population store is the store's\n"
    "own, and its owner's to erase; so is what subscribers hold, and what stands in backups and archived write-ahead logs.\n"
    "On a terminal it asks before anything is done; elsewhere it wants --yes, or --dry-run. There is no way back but a\n"
    "backup, which the order may concern, too.\n";

typedef struct Erasing {
    const char *event, *citizen, *order, *by;
    bool yes, dry_run, json;
    long long expect; // entries; -1: not said
    uint8_t event_id[EVENT_ID_BYTES];
    Identity identity;
    EraseFind find;
    json_t *said;
} Erasing;

static void erasing_free(Erasing *erasing) {
    erase_find_free(&erasing->find);
    identity_free(&erasing->identity);
    json_decref(erasing->said);
}

// ---- finding --------------------------------------------------------------------------------------------------------

static int find(Desk *desk, Erasing *erasing) {
    char *end = NULL;
    int r = 0;
    if (erasing->citizen) {
        r = identity_find(desk, &erasing->identity);
        erasing->find.identity = &erasing->identity;
        return r < 0 ? r : erase_find(&erasing->find);
    }
    if (hex_decode(erasing->event, erasing->event_id, EVENT_ID_BYTES) != 0) {
        long long position = strtoll(erasing->event, &end, 10);
        if (*end || position < 1)
            return error_fail(ERROR_CONFIG, "--event: an event's id (32 hexadecimal digits) or its position");
        r = erase_find_event(erasing->find.exchange, position, erasing->event_id);
    }
    erasing->find.event_id = erasing->event_id;
    return r < 0 ? r : erase_find(&erasing->find);
}

// ---- asking for it --------------------------------------------------------------------------------------------------

static const PgStatement INSERT = {
    "erase_insert",
    "INSERT INTO exchange.erasure (position, ordered, agency, leaf, stream, sequence, person, domain, record_key, "
    "event_id, event_time_us, about) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
    12, NULL};
static const PgStatement SAID = {
    "erase_insert_said",
    "INSERT INTO exchange.erased_entry (position, person, domain, record_key, event_id, event_time_us, stream, sequence) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
    8, NULL};
static const PgStatement AGAIN = {"erase_again", "SELECT exchange.erase_again($1, $2)", 2, NULL};
static const PgStatement WAITING = {"erase_waiting",
                                    "SELECT count(*) FROM exchange.erasure WHERE logged_position IS NULL "
                                    "AND refused IS NULL",
                                    0, NULL};
// Of these, or of others.
static const PgStatement REFUSED = {"erase_refused",
                                    "SELECT position, refused, position = ANY ($1) FROM exchange.erasure "
                                    "WHERE refused IS NOT NULL ORDER BY position = ANY ($1) DESC, position LIMIT 1",
                                    1, NULL};
static const PgStatement ANEW = {"erase_anew", "SELECT exchange.erase_anew($1)", 1, NULL};

static void param_bytes_if(PgParams *params, bool there, const uint8_t *data, size_t n) {
    if (there)
        pg_param_bytes(params, data, n);
    else
        pg_param_null(params);
}

static void param_i64_if(PgParams *params, bool there, int64_t value) {
    if (there)
        pg_param_i64(params, value);
    else
        pg_param_null(params);
}

static int insert(Pg *exchange, const EraseTarget *target, const char *ordered) {
    PgParams params = {0};
    pg_param_i64(&params, target->position);
    pg_param_text(&params, ordered);
    pg_param_i32(&params, (int32_t)target->agency);
    param_bytes_if(&params, target->has_leaf, target->leaf, HASH_BYTES);
    param_bytes_if(&params, target->is_event, target->stream, STREAM_BYTES);
    param_i64_if(&params, target->is_event, (int64_t)target->sequence);
    param_i64_if(&params, target->tells, target->person);
    if (target->tells)
        pg_param_i16(&params, (int16_t)target->domain);
    else
        pg_param_null(&params);
    if (target->tells)
        pg_param_text(&params, target->record_key);
    else
        pg_param_null(&params);
    param_bytes_if(&params, target->tells, target->event_id, EVENT_ID_BYTES);
    param_i64_if(&params, target->tells, target->event_time_us);
    param_i64_if(&params, target->person != 0, target->person);
    int r = pg_queue(exchange, &INSERT, &params);
    pg_params_free(&params);
    return r;
}

// What was said is to be found when only its entry goes.
static int insert_said(Pg *exchange, const EraseTarget *target) {
    PgParams params = {0};
    bool is_event = target->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT;
    pg_param_i64(&params, target->position);
    pg_param_i64(&params, target->person);
    pg_param_i16(&params, (int16_t)target->domain);
    pg_param_text(&params, target->record_key);
    pg_param_bytes(&params, target->event_id, EVENT_ID_BYTES);
    pg_param_i64(&params, target->event_time_us);
    param_bytes_if(&params, is_event, target->stream, STREAM_BYTES);
    param_i64_if(&params, is_event, (int64_t)target->sequence);
    int r = pg_queue(exchange, &SAID, &params);
    pg_params_free(&params);
    return r;
}

static int insert_one(Pg *exchange, const EraseTarget *target, const char *ordered) {
    int r = target->is_again ? 0 : insert(exchange, target, ordered);
    return r == 0 && target->is_said && !target->tells ? insert_said(exchange, target) : r;
}

static int ask_again(const EraseFind *find, const char *ordered) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, (int)find->n);
    for (size_t i = 0; i < find->n; i++)
        pg_array_i64(&params, find->targets[i].is_again ? find->targets[i].position : 0);
    pg_param_text(&params, ordered);
    int r = pg_run(find->exchange, &AGAIN, &params, NULL);
    pg_params_free(&params);
    return r;
}

static void param_positions(PgParams *params, const EraseFind *find) {
    pg_param_array_begin(params, OID_INT8, (int)find->n);
    for (size_t i = 0; i < find->n; i++)
        pg_array_i64(params, find->targets[i].position);
}

// Who ordered one of these wrongly has no say in whether it goes.
static int forget_refused(const EraseFind *find) {
    PgParams params = {0};
    param_positions(&params, find);
    int r = pg_run(find->exchange, &ANEW, &params, NULL);
    pg_params_free(&params);
    return r;
}

// What a broker found in the way of what it was asked for.
static int look_for_refused(const EraseFind *find) {
    RESULT refused = NULL;
    PgParams params = {0};
    param_positions(&params, find);
    int r = pg_run(find->exchange, &REFUSED, &params, &refused);
    pg_params_free(&params);
    if (r < 0 || PQntuples(refused) == 0)
        return r;
    if (pg_bool(refused, 0, 2))
        return error_fail(ERROR_PEER, "the broker refused to erase position %" PRId64 ": %s; nothing was erased yet",
                          pg_i64(refused, 0, 0), pg_text(refused, 0, 1));
    log_warn("somebody's order to erase position %" PRId64 " was refused: %s", pg_i64(refused, 0, 0),
             pg_text(refused, 0, 1));
    return 0;
}

static int ask(const Erasing *erasing, bool first) {
    const EraseFind *find = &erasing->find;
    char ordered[ORDER_BYTES_MAX + 1];
    snprintf(ordered, sizeof ordered, "%s%s%s", erasing->order, erasing->by ? ", by " : "",
             erasing->by ? erasing->by : "");
    int r = pg_command(find->exchange, "BEGIN");
    if (r == 0)
        r = forget_refused(find);
    for (size_t i = 0; r == 0 && i < find->n; i++)
        r = insert_one(find->exchange, &find->targets[i], ordered);
    if (r == 0)
        r = pg_flush(find->exchange);
    if (r == 0 && first)
        r = ask_again(find, ordered);
    return r < 0 ? r : pg_command(find->exchange, "COMMIT");
}

static int wait_for_tombstones(Pg *exchange) {
    int64_t until_ms = clock_monotonic_ms(clock_system()) + WAIT_MS;
    int r = 0;
    while (r == 0) {
        RESULT waiting = NULL;
        r = pg_run(exchange, &WAITING, NULL, &waiting);
        if (r < 0 || pg_i64(waiting, 0, 0) == 0)
            return r;
        if (clock_monotonic_ms(clock_system()) > until_ms)
            return error_fail(ERROR_PEER,
                              "no broker has logged the tombstones within %d s: see that one runs, and say "
                              "the same again; nothing was erased yet",
                              WAIT_MS / 1000);
        r = commits_wait(exchange, -1, LOOK_MS);
    }
    return r;
}

// While brokers logged the tombstones, records were told on as they were: until nothing more is found.
static int log_tombstones(Erasing *erasing) {
    size_t more = erasing->find.n;
    int r = commits_listen(erasing->find.exchange);
    for (int round = 0; r == 0 && more > 0; round++) {
        if (round == ROUNDS_MAX)
            return error_fail(ERROR_PEER, "records of what goes are told again and again: say the same again later; "
                                          "nothing was erased yet");
        r = ask(erasing, round == 0);
        if (r == 0)
            r = wait_for_tombstones(erasing->find.exchange);
        if (r == 0)
            r = look_for_refused(&erasing->find);
        if (r == 0)
            r = erase_find_since(&erasing->find, &more);
    }
    return r;
}

// ---- the command ----------------------------------------------------------------------------------------------------

static int carry_out(Desk *desk, Erasing *erasing) {
    uint64_t n = 0;
    int r = log_tombstones(erasing);
    if (r == 0)
        r = erasure_take_away(desk, &n);
    if (r == 0 && erasing->json)
        json_object_set_new(erasing->said, "erased", json_integer((json_int_t)n));
    else if (r == 0)
        printf("erased %" PRIu64 " entries; a tombstone of each stands in the log\n", n);
    return r;
}

// 1 when the answer is no.
static int confirm(const Erasing *erasing) {
    char line[32] = "", expected[32];
    snprintf(expected, sizeof expected, "%zu", erasing->find.n);
    printf("This cannot be undone. Ordered by: %s%s%s\nType the number of entries to erase them: ", erasing->order,
           erasing->by ? ", by " : "", erasing->by ? erasing->by : "");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin))
        line[strcspn(line, "\r\n")] = '\0';
    if (strcmp(line, expected) == 0)
        return 0;
    printf("nothing was done\n");
    return 1;
}

static int decide(Desk *desk, Erasing *erasing) {
    size_t n = erasing->find.n;
    if (erasing->expect >= 0 && (uint64_t)erasing->expect != n)
        return error_fail(ERROR_CONFIG, "--expect %lld: there are %zu entries now, and nothing was done",
                          erasing->expect, n);
    if (erasing->dry_run || n == 0) {
        if (!erasing->json)
            printf("nothing was done%s\n", n ? ": say --order and --yes to do it" : "");
        return 0;
    }
    int r = erasing->yes ? 0 : confirm(erasing);
    return r != 0 ? r : carry_out(desk, erasing);
}

static int erase(Desk *desk, Erasing *erasing) {
    int r = erasing->citizen ? identity_read_number(erasing->citizen, erasing->identity.number) : 0;
    if (r == 0)
        r = desk_exchange(desk, &erasing->find.exchange);
    if (r == 0)
        r = find(desk, erasing);
    if (r == 0)
        r = erase_say(desk, &erasing->find, &erasing->said);
    if (r < 0)
        return r;
    if (!erasing->json)
        erase_say_text(erasing->said);
    r = decide(desk, erasing);
    return r == 0 && erasing->json ? answer_print(json_incref(erasing->said), 0) : r;
}

static int check(const Erasing *erasing) {
    if (!erasing->event == !erasing->citizen)
        return error_fail(ERROR_CONFIG, "erase needs --event or --citizen, one of them");
    if (erasing->yes && erasing->dry_run)
        return error_fail(ERROR_CONFIG, "erase takes --dry-run or --yes, not both");
    if (!erasing->dry_run && !erasing->yes && (!isatty(STDIN_FILENO) || erasing->json))
        return error_fail(ERROR_CONFIG, "erase asks before it does anything, and here is nobody to ask: say --dry-run "
                                        "to see what would go, or --yes to have it done");
    if (!erasing->dry_run && (!erasing->order || strspn(erasing->order, " ") == strlen(erasing->order)))
        return error_fail(ERROR_CONFIG, "erase needs --order: by which law or order; it stands in the log for good");
    if (erasing->order && strlen(erasing->order) + (erasing->by ? strlen(erasing->by) + 5 : 0) > ORDER_BYTES_MAX)
        return error_fail(ERROR_CONFIG, "--order and --by together have %d bytes at most", ORDER_BYTES_MAX);
    return 0;
}

int erase_run(Desk *desk, int argc, char **argv) {
    CLEANUP(erasing_free) Erasing erasing = {.expect = -1};
    int operand = 0;
    const Option options[] = {
        {"event", 0, OPTION_TEXT, "ID|POSITION", "all that is about this event", &erasing.event},
        {"citizen", 0, OPTION_TEXT, "NUMBER|-", "all that is about this citizen, under any number", &erasing.citizen},
        {"order", 0, OPTION_TEXT, "TEXT", "by which law or order; it stands in the log", &erasing.order},
        {"by", 0, OPTION_TEXT, "NAME", "who ordered it, beside the login that does it", &erasing.by},
        {"dry-run", 0, OPTION_FLAG, NULL, "only say what would go, and who was sent it", &erasing.dry_run},
        {"yes", 0, OPTION_FLAG, NULL, "do it without asking", &erasing.yes},
        {"expect", 0, OPTION_INT, "N", "refuse unless it is so many entries", &erasing.expect},
        {"json", 0, OPTION_FLAG, NULL, "one JSON object; with --dry-run or --yes", &erasing.json},
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = check(&erasing);
    return r < 0 ? r : erase(desk, &erasing);
}
