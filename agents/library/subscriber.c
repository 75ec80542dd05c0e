// SPDX-License-Identifier: Apache-2.0
//
// The receiving half of libdongbo: the same sessions as those of `dongbo-agent receive`, a step at a time, over a sink
// that keeps records until the caller has acknowledged them (kept.h).
#include "agents/library/kept.h"
#include "agents/library/library.h"
#include "agents/record_body.h"
#include "agents/record_message.h"
#include "agents/round.h"
#include "agents/subscription.h"
#include "proto/base/arena.h"
#include "proto/domain.h"

#include <czmq.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_ARENA_BYTES (1024 * 1024)
#define REACH_MS 5000
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define SETTLED_MS 10000 // a session that served us so long was a good one, though nothing new came

struct DongboSubscriber {
    char *name;
    Endpoints endpoints;
    Keys keys, broker[2]; // the exchange's, and its next one
    char *broker_path;
    Round round;
    Successor successor;
    Kept *kept; // what came and is not acknowledged, and the place
    Subscription *subscription;
    Arena *arena; // of the record given out
    Bytes json, protobuf;
    DongboRecord record;
    unsigned endpoint;
    bool away; // no broker has served us since a session was lost
    int64_t pause_ms, resume_ms;
    uint64_t moves;  // as of the last session that was lost
    int64_t lost_ms; // ... which was then
};

// ---- opening --------------------------------------------------------------------------------------------------------

static int agency_keys_load(const DongboSubscriberOptions *options, OriginKey keys[ORIGIN_KEYS_MAX]) {
    if (options->n_agency_keys > ORIGIN_KEYS_MAX)
        return error_fail(ERROR_CONFIG, "agency_keys: %d at most", ORIGIN_KEYS_MAX);
    int r = 0;
    for (size_t i = 0; r == 0 && i < options->n_agency_keys; i++) {
        r = library_need(options->agency_keys[i], "each of agency_keys");
        if (r == 0)
            r = origin_key_load(options->agency_keys[i], &keys[i]);
    }
    return r;
}

static int open_all(DongboSubscriber *s, const DongboSubscriberOptions *options) {
    static const SubscriptionFrom FROM[] = {FROM_SINK, FROM_HEAD, FROM_ACKED, FROM_SNAPSHOT};
    int r = library_need(options->subscription, "subscription");
    if (r == 0 && (options->from < 0 || options->from > DONGBO_FROM_SNAPSHOT))
        r = error_fail(ERROR_CONFIG, "from is one of DONGBO_FROM_");
    if (r < 0)
        return r;
    s->name = strdup(options->subscription);
    if (!s->name)
        return error_fail(ERROR_MEMORY, "no memory for a subscriber");
    r = endpoints_copy(&s->endpoints, options->endpoints, options->n_endpoints);
    if (r == 0)
        r = library_keys(options->keys, options->broker_key, &s->keys, s->broker);
    if (r == 0 && !(s->broker_path = strdup(options->broker_key)))
        r = error_fail(ERROR_MEMORY, "no memory for a path");
    if (r == 0)
        r = arena_new(&s->arena, RECORD_ARENA_BYTES);
    if (r == 0)
        r = kept_new(&s->kept, options->state);
    OriginKey agency_keys[ORIGIN_KEYS_MAX];
    if (r == 0)
        r = agency_keys_load(options, agency_keys);
    if (r < 0)
        return r;
    round_begin(&s->round, &s->broker[0], &s->broker[1]);
    s->successor = (Successor){.broker = s->broker, .path = s->broker_path, .round = &s->round};
    SubscriptionOptions subscription = {.name = s->name,
                                        .keys = &s->keys,
                                        .broker_key = s->broker[0].curve_public,
                                        .successor = &s->successor,
                                        .sign_keys = {s->broker[0].sign_public, s->broker[1].sign_public},
                                        .agency_keys = agency_keys,
                                        .n_agency_keys = options->n_agency_keys,
                                        .sink = kept_sink(s->kept),
                                        .clock = clock_system(),
                                        .from = kept_is_new(s->kept) ? FROM[options->from] : FROM_SINK};
    return subscription_new(&s->subscription, &subscription);
}

int dongbo_subscriber_open(DongboSubscriber **ret, const DongboSubscriberOptions *given) {
    DongboSubscriberOptions options;
    *ret = NULL;
    library_begin();
    int r = library_take(&options, sizeof options, given);
    if (r < 0)
        return r;
    DongboSubscriber *s = calloc(1, sizeof *s);
    if (!s)
        return error_fail(ERROR_MEMORY, "no memory for a subscriber");
    r = open_all(s, &options);
    if (r < 0)
        dongbo_subscriber_close(&s);
    *ret = s;
    return r;
}

void dongbo_subscriber_close(DongboSubscriber **subscriber) {
    DongboSubscriber *s = *subscriber;
    if (!s)
        return;
    subscription_destroy(&s->subscription);
    kept_destroy(&s->kept);
    arena_destroy(&s->arena);
    bytes_free(&s->json);
    bytes_free(&s->protobuf);
    endpoints_free(&s->endpoints);
    keys_wipe(&s->keys);
    free(s->broker_path);
    free(s->name);
    free(s);
    *subscriber = NULL;
}

// ---- a record -------------------------------------------------------------------------------------------------------

static int fields_fill(DongboSubscriber *s, const Dongbo__FeedRecord *record) {
    DongboField *fields = arena_zalloc(s->arena, DOMAIN_FIELDS_MAX * sizeof *fields);
    RecordBody body = record_body_begin(record);
    size_t n = 0;
    while (fields && n < DOMAIN_FIELDS_MAX && record_body_next(&body) == 0) {
        fields[n].name = body.known->name;
        fields[n++].value = body.is_text ? arena_strndup(s->arena, (const char *)body.field.data, body.field.n)
                                         : arena_printf(s->arena, "%" PRIu64, body.field.value);
    }
    s->record.fields = fields;
    s->record.n_fields = n;
    return fields ? 0 : 1;
}

static int changed_fill(DongboSubscriber *s, const Dongbo__FeedRecord *record) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor((int)record->domain);
    const char **changed = arena_zalloc(s->arena, (record->n_changed_fields + 1) * sizeof *changed);
    size_t n = 0;
    for (size_t i = 0; changed && i < record->n_changed_fields; i++)
        if ((changed[n] = field_name(descriptor, record->changed_fields[i])))
            n++;
    s->record.changed = changed;
    s->record.n_changed = n;
    return changed ? 0 : 1;
}

// The whole message stands behind its length.
static void forms_fill(DongboSubscriber *s, const Dongbo__FeedRecord *record) {
    ProtobufCBinaryData origin = {.data = (uint8_t *)s->record.origin, .len = s->record.origin_bytes};
    bytes_clear(&s->json);
    bytes_clear(&s->protobuf);
    if (record_message_append_json(record, origin.len ? &origin : NULL, &s->json) == 0 && !s->json.failed)
        s->json.data[s->json.n - 1] = 0; // in the line feed's place
    (void)record_message_append_delimited(record, origin.len ? &origin : NULL, &s->protobuf);
    size_t length = 0;
    while (length < s->protobuf.n && s->protobuf.data[length++] & 0x80)
        ;
    s->record.json = s->json.n ? (const char *)s->json.data : "";
    s->record.protobuf = s->protobuf.data + length;
    s->record.protobuf_bytes = s->protobuf.n - length;
}

static int record_fill(DongboSubscriber *s, const KeptItem *item) {
    arena_reset(s->arena);
    const Dongbo__FeedRecord *record = dongbo__feed_record__unpack(arena_protobuf(s->arena), item->n, item->record);
    if (!record)
        return error_fail(ERROR_MEMORY, "no memory for a record");
    s->record = (DongboRecord){.position = record->position,
                               .previous = record->previous,
                               .change = (int)record->change,
                               .domain = domain_name((int)record->domain),
                               .record_id = record->record_id.data,
                               .record_id_bytes = record->record_id.len,
                               .person_id = record->person_id.len ? record->person_id.data : NULL,
                               .person_id_bytes = record->person_id.len,
                               .citizen_number = record->citizen_number,
                               .agency = record->agency,
                               .event_time_us = record->event_time_us,
                               .snapshot = item->snapshot,
                               .epoch = item->epoch};
    if (item->origin_n > 0) {
        s->record.origin = item->origin + 1;
        s->record.origin_bytes = item->origin_n - 1;
        s->record.origin_has_event = item->origin[0];
    }
    if (fields_fill(s, record) != 0 || changed_fill(s, record) != 0 || arena_failed(s->arena))
        return error_fail(ERROR_MEMORY, "no memory for a record");
    forms_fill(s, record);
    return s->json.failed || s->protobuf.failed ? error_fail(ERROR_MEMORY, "no memory for a record") : 0;
}

// The next one that was not acknowledged before it came again. 1 when there is none.
static int record_next(DongboSubscriber *s, const DongboRecord **ret) {
    KeptItem item;
    int r = kept_next(s->kept, &item);
    if (r != 0)
        return r;
    if (item.record)
        r = record_fill(s, &item);
    else
        s->record = (DongboRecord){.position = item.position,
                                   .change = DONGBO_SNAPSHOT_END,
                                   .domain = "",
                                   .citizen_number = "",
                                   .agency = "",
                                   .json = "",
                                   .snapshot = item.snapshot,
                                   .epoch = item.epoch};
    if (r < 0)
        return r;
    kept_gave(s->kept);
    *ret = &s->record;
    return 0;
}

// ---- the session ----------------------------------------------------------------------------------------------------

static int64_t now_ms(void) {
    return clock_monotonic_ms(clock_system());
}

// A session that is lost is begun again at the next endpoint, after a pause when all were tried.
static void lost(DongboSubscriber *s) {
    if (subscription_moves(s->subscription) != s->moves ||
        subscription_served_ms(s->subscription) - s->lost_ms >= SETTLED_MS)
        s->pause_ms = 0;
    s->moves = subscription_moves(s->subscription);
    s->lost_ms = now_ms();
    s->away = true;
    if (subscription_was_secured(s->subscription))
        round_secured(&s->round);
    s->endpoint = (s->endpoint + 1) % s->endpoints.n;
    s->resume_ms = now_ms() + subscription_doubt_ms(s->subscription);
    if (s->endpoint != 0)
        return;
    round_over(&s->round);
    subscription_set_broker(s->subscription, round_keys(&s->round)->curve_public);
    s->pause_ms = s->pause_ms ? s->pause_ms * 2 : PAUSE_MIN_MS;
    s->pause_ms = s->pause_ms < PAUSE_MAX_MS ? s->pause_ms : PAUSE_MAX_MS;
    s->resume_ms += s->pause_ms;
}

// 0; DONGBO_REFUSED or DONGBO_GONE; DONGBO_LATER when the process was asked to stop; negative.
static int step(DongboSubscriber *s, int64_t wait_ms) {
    int64_t pause_ms = s->resume_ms - now_ms();
    if (pause_ms > 0) {
        zmq_poll(NULL, 0, (long)(pause_ms < wait_ms ? pause_ms : wait_ms));
        return 0;
    }
    int64_t served_ms = subscription_served_ms(s->subscription);
    SubscriptionStep options = {
        .endpoint = s->endpoints.at[s->endpoint], .reach_ms = REACH_MS, .wait_ms = wait_ms < 1000 ? wait_ms : 1000};
    int r = subscription_step(s->subscription, &options);
    if (r == 1) {
        lost(s);
        (void)error_fail(ERROR_PEER, "%s", subscription_text(s->subscription));
        return 0;
    }
    s->away = s->away && subscription_served_ms(s->subscription) == served_ms;
    if (r == 2) {
        (void)error_fail(ERROR_PEER, "%s", subscription_text(s->subscription));
        return subscription_is_gone(s->subscription) ? DONGBO_GONE : DONGBO_REFUSED;
    }
    return r == SUBSCRIPTION_DONE ? DONGBO_LATER : r;
}

static int later(const DongboSubscriber *s) {
    (void)error_fail(ERROR_PEER, "%s", s->away ? subscription_text(s->subscription) : "");
    return DONGBO_LATER;
}

int dongbo_subscriber_next(DongboSubscriber *s, const DongboRecord **ret, int timeout_ms) {
    int64_t until_ms = now_ms() + timeout_ms, left_ms = timeout_ms;
    int r;
    *ret = NULL;
    for (bool first = true; (r = record_next(s, ret)) == 1; first = false) {
        *ret = NULL;
        if (kept_owes(s->kept) && subscription_is_full(s->subscription))
            return DONGBO_FULL;
        if (!first && left_ms <= 0)
            return later(s);
        r = step(s, left_ms > 0 ? left_ms : 0);
        if (r != 0)
            return r;
        left_ms = until_ms - now_ms();
    }
    return r;
}

// The place is stored by now, whatever has become of the session; the exchange hears of it by the next step.
static int acknowledged(DongboSubscriber *s, int r) {
    if (r != 0)
        return r < 0 ? r : DONGBO_LATER;
    r = step(s, 0);
    if (r < 0)
        return r;
    return kept_acknowledged(s->kept) > kept_stored(s->kept) ? DONGBO_LATER : 0; // it is to come again first
}

int dongbo_subscriber_acknowledge(DongboSubscriber *s, uint64_t position) {
    return acknowledged(s, kept_acknowledge(s->kept, position));
}

int dongbo_subscriber_acknowledge_all(DongboSubscriber *s) {
    return acknowledged(s, kept_acknowledge_all(s->kept));
}

int dongbo_subscriber_take_snapshot(DongboSubscriber *s) {
    subscription_take_snapshot(s->subscription);
    kept_forget(s->kept);
    return 0;
}

int dongbo_subscriber_rights_changed(const DongboSubscriber *s) {
    return subscription_rights_changed(s->subscription);
}

int dongbo_subscriber_accept_rights(DongboSubscriber *s) {
    return kept_accept_rights(s->kept, subscription_accept_rights(s->subscription));
}
