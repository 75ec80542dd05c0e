// SPDX-License-Identifier: Apache-2.0
//
// The publishing half of libdongbo: events into the spool, batches to the exchange, verdicts back, by the same modules
// as `dongbo-agent publish`. Its rows have one origin in the spool, and each carries its source key, by which its
// verdict is told.
#include "agents/ledger.h"
#include "agents/library/library.h"
#include "agents/proof_store.h"
#include "agents/push.h"
#include "agents/sealer.h"
#include "proto/base/arena.h"
#include "proto/check.h"
#include "proto/domain.h"
#include "proto/reason.h"

#include <stdlib.h>
#include <string.h>

#define SOURCE "libdongbo" // its name in the spool
#define SPOOL_BYTES_DEFAULT (1024ULL * 1024 * 1024)
#define SPOOL_BYTES_MIN (4ULL * BATCH_BYTES_MAX)
#define KEEP_DAYS 7
#define ARENA_BYTES (4 * 1024 * 1024)
#define BODY_BYTES_MAX 512 // of a body's structure

struct DongboPublisher {
    Endpoints endpoints;
    char *agency, *agent;
    const char *kind;     // live | bulk
    Keys keys, broker[2]; // the exchange's, and its next one
    char *broker_path;
    Spool *spool;
    Verdicts verdicts;
    Sealer *sealer;
    Push *push;
    Arena *arena;
    Bytes packed;
    int64_t origin;
    bool open; // a transaction of the spool, with what is not flushed
    // The verdict given out last.
    bool has_verdict;
    int64_t verdict_id;
    ResultKind verdict_kind;
    DongboVerdict verdict;
};

static const char *stream_kind(const DongboPublisherOptions *options) {
    return options->bulk ? "bulk" : "live";
}

// ---- opening --------------------------------------------------------------------------------------------------------

static int origin_find(DongboPublisher *p) {
    Origin origin = {0};
    int r = ledger_origin_next(p->spool, SOURCE, 0, &origin);
    if (r == 1) {
        origin = (Origin){.source = SOURCE, .name = "put", .confidence = -1};
        r = spool_begin(p->spool);
        if (r == 0)
            r = spool_end(p->spool, ledger_origin_add(p->spool, &origin));
    }
    p->origin = origin.id;
    return r;
}

static int spool_make(DongboPublisher *p, const DongboPublisherOptions *options) {
    uint64_t bytes_max = options->spool_bytes_max ? options->spool_bytes_max : SPOOL_BYTES_DEFAULT;
    if (bytes_max < SPOOL_BYTES_MIN)
        return error_fail(ERROR_CONFIG, "a spool needs spool_bytes_max of %llu at least", SPOOL_BYTES_MIN);
    SpoolOptions spool = {
        .path = options->spool, .bytes_max = bytes_max, .keep_days = KEEP_DAYS, .clock = clock_system()};
    int r = spool_open(&p->spool, &spool);
    p->verdicts.spool = p->spool;
    return r == 0 ? origin_find(p) : r;
}

static int stream_make(DongboPublisher *p, const DongboPublisherOptions *options) {
    p->kind = stream_kind(options);
    SealerOptions sealer = {p->spool, p->kind, p->agency, &p->keys};
    int r = sealer_new(&p->sealer, &sealer);
    if (r < 0)
        return r;
    PushOptions push = {.spool = p->spool,
                        .sealer = p->sealer,
                        .verdicts = &p->verdicts,
                        .kind = p->kind,
                        .agent = p->agent,
                        .keys = &p->keys,
                        .broker = &p->broker[0],
                        .broker_next = &p->broker[1],
                        .broker_path = p->broker_path,
                        .endpoints = p->endpoints.at,
                        .n_endpoints = p->endpoints.n,
                        .clock = clock_system()};
    return push_new(&p->push, &push);
}

static int open_all(DongboPublisher *p, const DongboPublisherOptions *options) {
    int r = library_need(options->agency, "agency");
    if (r == 0)
        r = library_need(options->agent, "agent");
    if (r == 0)
        r = library_need(options->spool, "spool");
    if (r < 0)
        return r;
    p->agency = strdup(options->agency);
    p->agent = strdup(options->agent);
    if (!p->agency || !p->agent)
        return error_fail(ERROR_MEMORY, "no memory for a publisher");
    r = endpoints_copy(&p->endpoints, options->endpoints, options->n_endpoints);
    if (r == 0)
        r = library_keys(options->keys, options->broker_key, &p->keys, p->broker);
    if (r == 0 && !(p->broker_path = strdup(options->broker_key)))
        r = error_fail(ERROR_MEMORY, "no memory for a path");
    if (r == 0)
        r = arena_new(&p->arena, ARENA_BYTES);
    if (r == 0)
        r = spool_make(p, options);
    return r == 0 ? stream_make(p, options) : r;
}

int dongbo_publisher_open(DongboPublisher **ret, const DongboPublisherOptions *given) {
    DongboPublisherOptions options;
    *ret = NULL;
    library_begin();
    int r = library_take(&options, sizeof options, given);
    if (r < 0)
        return r;
    DongboPublisher *p = calloc(1, sizeof *p);
    if (!p)
        return error_fail(ERROR_MEMORY, "no memory for a publisher");
    r = open_all(p, &options);
    if (r < 0)
        dongbo_publisher_close(&p);
    *ret = p;
    return r;
}

static void forget(DongboPublisher *p) {
    if (!p->open)
        return;
    sealer_clear(p->sealer);
    spool_rollback(p->spool);
    p->open = false;
}

void dongbo_publisher_close(DongboPublisher **publisher) {
    DongboPublisher *p = *publisher;
    if (!p)
        return;
    forget(p);
    push_destroy(&p->push);
    sealer_destroy(&p->sealer);
    verdicts_free(&p->verdicts);
    spool_close(&p->spool);
    arena_destroy(&p->arena);
    bytes_free(&p->packed);
    endpoints_free(&p->endpoints);
    keys_wipe(&p->keys);
    free(p->agency);
    free(p->broker_path);
    free(p->agent);
    free(p);
    *publisher = NULL;
}

// ---- putting --------------------------------------------------------------------------------------------------------

static int add(DongboPublisher *p, Dongbo__ChangeEvent *event) {
    const char *key = event->source_key;
    Item item = {.origin = p->origin, .text = (const uint8_t *)key, .text_bytes = strlen(key)};
    int r = p->open ? 0 : spool_begin(p->spool);
    if (r < 0)
        return r;
    p->open = true;
    r = sealer_add(p->sealer, event, &item);
    if (r < 0)
        forget(p);
    return r == 1 ? error_fail(ERROR_CONFIG, "the event %s is larger than %d bytes", key, EVENT_BYTES_MAX) : r;
}

int dongbo_publisher_put_bytes(DongboPublisher *p, const void *bytes, size_t n) {
    static const char *const FAULTS[] = {"", "is malformed", "is beyond a limit", "is not clean UTF-8"};
    char field[64];
    if (spool_is_full(p->spool))
        return DONGBO_FULL;
    int fault = check_message(&dongbo__change_event__descriptor, &CHECK_EVENT, bytes, n, field);
    if (fault != 0)
        return error_fail(ERROR_CONFIG, "the event %s: %s", FAULTS[fault], *field ? field : "as a whole");
    arena_reset(p->arena);
    Dongbo__ChangeEvent *event = dongbo__change_event__unpack(arena_protobuf(p->arena), n, bytes);
    if (!event || event_domain(event) == 0)
        return error_fail(ERROR_CONFIG, "the event has no body of a known domain");
    int r = library_need(event->source_key, "source_key");
    if (r == 0 && event->event_time_us == 0)
        r = error_fail(ERROR_CONFIG, "event_time_us is needed");
    if (r < 0)
        return r;
    if (event->schema_version == 0)
        event->schema_version = SCHEMA_VERSION;
    return add(p, event);
}

static char *said(const char *text) {
    return (char *)(text ? text : "");
}

static int body_fill(ProtobufCMessage *body, const DongboEvent *event) {
    for (size_t i = 0; i < event->n_fields; i++) {
        const DongboField *field = &event->fields[i];
        unsigned number = field->name ? field_by_name(body->descriptor, field->name) : 0;
        if (number == 0)
            return error_fail(ERROR_CONFIG, "the domain %s has no field %s", event->domain, said(field->name));
        if (field->value && field_set_text(body, number, field->value) != 0)
            return error_fail(ERROR_CONFIG, "%s is a number", field->name);
    }
    return 0;
}

static int cleared_fill(uint32_t *cleared, const ProtobufCMessageDescriptor *descriptor, const DongboEvent *event) {
    if (event->n_cleared > CLEARED_FIELDS_MAX)
        return error_fail(ERROR_CONFIG, "at most %d fields can be cleared", CLEARED_FIELDS_MAX);
    for (size_t i = 0; i < event->n_cleared; i++) {
        cleared[i] = event->cleared[i] ? field_by_name(descriptor, event->cleared[i]) : 0;
        if (cleared[i] == 0)
            return error_fail(ERROR_CONFIG, "the domain %s has no field %s", event->domain, said(event->cleared[i]));
    }
    return 0;
}

static Dongbo__Subject subject_of(const DongboEvent *event) {
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    subject.citizen_number = said(event->citizen_number);
    subject.full_name = said(event->full_name);
    subject.birth_date = said(event->birth_date);
    subject.sex = said(event->sex);
    subject.mother_name = said(event->mother_name);
    subject.father_name = said(event->father_name);
    subject.residence_province = said(event->residence_province);
    subject.province_code_set = said(event->province_code_set);
    return subject;
}

int dongbo_publisher_put(DongboPublisher *p, const DongboEvent *given) {
    DongboEvent said_event;
    uint32_t cleared[CLEARED_FIELDS_MAX];
    _Alignas(16) char body[BODY_BYTES_MAX];
    int r = library_take(&said_event, sizeof said_event, given);
    if (r == 0)
        r = library_need(said_event.domain, "domain");
    if (r < 0)
        return r;
    int domain = domain_by_name(said_event.domain);
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    if (!descriptor || descriptor->sizeof_message > sizeof body)
        return error_fail(ERROR_CONFIG, "there is no domain %s", said_event.domain);
    protobuf_c_message_init(descriptor, body);
    r = body_fill((ProtobufCMessage *)body, &said_event);
    if (r == 0)
        r = cleared_fill(cleared, descriptor, &said_event);
    if (r < 0)
        return r;
    Dongbo__Subject subject = subject_of(&said_event);
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    event.operation = said_event.operation ? (Dongbo__Operation)said_event.operation : DONGBO__OPERATION__UPSERT;
    event.event_time_us = said_event.event_time_us;
    event.source_key = said(said_event.source_key);
    event.subject = &subject;
    event.cleared_fields = cleared;
    event.n_cleared_fields = said_event.n_cleared;
    event_set_body(&event, domain, (ProtobufCMessage *)body);
    bytes_clear(&p->packed);
    bytes_append_message(&p->packed, &event.base);
    if (p->packed.failed)
        return error_fail(ERROR_MEMORY, "no memory for an event");
    return dongbo_publisher_put_bytes(p, p->packed.data, p->packed.n);
}

int dongbo_publisher_flush(DongboPublisher *p) {
    if (!p->open)
        return 0;
    int r = sealer_flush(p->sealer);
    if (r == 0)
        r = spool_trim(p->spool);
    if (r == 0)
        r = spool_commit(p->spool);
    if (r < 0)
        forget(p);
    p->open = false;
    return r;
}

// ---- delivering -----------------------------------------------------------------------------------------------------

static int64_t now_ms(void) {
    return clock_monotonic_ms(clock_system());
}

typedef int (*IsDone)(DongboPublisher *p, bool *ret);

static int is_answered(DongboPublisher *p, bool *ret) {
    int64_t waiting = 0;
    int r = push_waiting(p->push, &waiting);
    *ret = waiting == 0 && push_is_up_to_date(p->push);
    return r;
}

static int count_proven(DongboPublisher *p, uint64_t *ret_flushed, uint64_t *ret_proven) {
    SpoolStream stream;
    int r = spool_stream(p->spool, p->kind, &stream);
    if (r == 0)
        r = proof_store_proved(p->spool, &stream, ret_proven);
    if (r == 0)
        *ret_flushed = stream.last_sequence;
    return r;
}

static int is_proven(DongboPublisher *p, bool *ret) {
    uint64_t flushed = 0, proven = 0;
    int r = count_proven(p, &flushed, &proven);
    *ret = proven == flushed;
    return r;
}

static int deliver_until(DongboPublisher *p, IsDone is_done, int timeout_ms) {
    int64_t until_ms = now_ms() + timeout_ms;
    int r = dongbo_publisher_flush(p);
    while (r == 0) {
        bool done = false;
        r = push_step(p->push);
        if (r == 0)
            r = is_done(p, &done);
        if (r < 0 || done)
            return r;
        int64_t left_ms = until_ms - now_ms();
        if (left_ms <= 0) {
            (void)error_fail(ERROR_PEER, "%s", push_why(p->push));
            return DONGBO_LATER;
        }
        zmq_pollitem_t items[PUSH_POLL_ITEMS];
        int wait_ms = push_wait_ms(p->push);
        int n = push_poll(p->push, items);
        (void)zmq_poll(items, n, wait_ms < 0 || wait_ms > left_ms ? (long)left_ms : wait_ms);
    }
    return r;
}

int dongbo_publisher_run(DongboPublisher *p, int timeout_ms) {
    return deliver_until(p, is_answered, timeout_ms);
}

int dongbo_publisher_proven(DongboPublisher *p, uint64_t *ret_flushed, uint64_t *ret_proven, int timeout_ms) {
    int r = deliver_until(p, is_proven, timeout_ms);
    int counted = r < 0 ? r : count_proven(p, ret_flushed, ret_proven);
    return counted < 0 ? counted : r;
}

// ---- verdicts -------------------------------------------------------------------------------------------------------

static int reasons_copy(DongboPublisher *p, const Dongbo__EventVerdict *verdict) {
    DongboReason *reasons = arena_zalloc(p->arena, (verdict->n_reasons + 1) * sizeof *reasons);
    for (size_t i = 0; reasons && i < verdict->n_reasons; i++) {
        const Dongbo__Reason *reason = verdict->reasons[i];
        const ReasonText *text = reason_find((int)reason->code);
        reasons[i] = (DongboReason){.code = (int)reason->code,
                                    .name = text->name,
                                    .field = arena_strndup(p->arena, reason->field, strlen(reason->field)),
                                    .expected = arena_strndup(p->arena, reason->expected, strlen(reason->expected)),
                                    .text_vi = text->vi,
                                    .text_en = text->en};
    }
    p->verdict.reasons = reasons;
    p->verdict.n_reasons = verdict->n_reasons;
    return arena_failed(p->arena) ? error_fail(ERROR_MEMORY, "no memory for a verdict") : 0;
}

// Keeps the older of what both kinds have.
static int verdict_keep(void *self, const Result *result) {
    DongboPublisher *p = self;
    if (p->has_verdict && p->verdict_id < result->id)
        return 0;
    p->has_verdict = true;
    p->verdict_id = result->id;
    p->verdict_kind = result->kind;
    p->verdict = (DongboVerdict){
        .source_key = arena_strndup(p->arena, (const char *)result->item.text, result->item.text_bytes),
        .verdict = verdict_name((int)result->verdict->verdict),
        .position = result->verdict->position,
    };
    return reasons_copy(p, result->verdict);
}

int dongbo_publisher_verdict(DongboPublisher *p, const DongboVerdict **ret) {
    int64_t last;
    *ret = NULL;
    arena_reset(p->arena);
    p->has_verdict = false;
    for (int kind = 0; kind < RESULT_KINDS; kind++) {
        ResultQuery query = {.origin = p->origin, .kind = (ResultKind)kind, .limit = 1};
        int r = ledger_results(p->spool, &query, verdict_keep, p, &last);
        if (r < 0) {
            forget(p); // SQLite may have ended the transaction that it was read in
            return r;
        }
    }
    if (!p->has_verdict)
        return DONGBO_LATER;
    *ret = &p->verdict;
    return 0;
}

int dongbo_publisher_take(DongboPublisher *p) {
    if (!p->has_verdict)
        return error_fail(ERROR_CONFIG, "no verdict was given out");
    int r = dongbo_publisher_flush(p);
    if (r == 0)
        r = spool_begin(p->spool);
    if (r < 0)
        return r;
    p->has_verdict = false;
    return spool_end(p->spool, ledger_results_delete(p->spool, p->origin, p->verdict_kind, p->verdict_id));
}

void dongbo_publisher_counts(const DongboPublisher *p, DongboCounts *ret) {
    const uint64_t *counts = p->verdicts.counts;
    *ret = (DongboCounts){.accepted = counts[DONGBO__VERDICT__ACCEPTED],
                          .unchanged = counts[DONGBO__VERDICT__UNCHANGED],
                          .superseded = counts[DONGBO__VERDICT__SUPERSEDED],
                          .mismatch = counts[DONGBO__VERDICT__MISMATCH],
                          .deferred = counts[DONGBO__VERDICT__DEFERRED],
                          .rejected = counts[DONGBO__VERDICT__REJECTED]};
}
