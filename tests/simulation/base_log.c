// SPDX-License-Identifier: Apache-2.0
//
// The exchange's statements. Each does what its SQL in broker/ says, on the rows that it sees.
#include "base_rows.h"
#include "base_state.h"

#include "proto/base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_IDENTIFIER 7000000000000000001LL
#define PG_EPOCH_US 946684800000000LL
#define STREAMS_MAX 64 // asked for at once

typedef struct EpochRow {
    int32_t epoch;
    int64_t position, system;
    int32_t timeline;
    const char *reason;
} EpochRow;
typedef struct RequestRow {
    int64_t request;
    int32_t epoch; // 0: none yet
} RequestRow;

Table base_segments = {.name = "segment", .row_bytes = sizeof(BaseSegment)};
Table base_streams = {.name = "stream", .row_bytes = sizeof(BaseStream)};
static Table epochs = {.name = "epoch", .row_bytes = sizeof(EpochRow)};
static Table requests = {.name = "epoch_request", .row_bytes = sizeof(RequestRow)};
static BaseObserver *observer;
static void (*on_move)(void);

const BaseAgency *base_agencies;
size_t base_n_agencies;
const BaseSubscription *base_subscriptions;
size_t base_n_subscriptions;

void base_observe(BaseObserver *given) {
    observer = given;
}

void base_observe_moves(void (*given)(void)) {
    on_move = given;
}

void base_committed(Tx *tx, Table *table, size_t i);
void base_committed(Tx *tx, Table *table, size_t i) {
    if (table == &base_segments && observer != NULL)
        observer(table_committed(table, i), base_locked_population(tx));
    if (table == &base_residences && on_move != NULL)
        on_move();
}

// Of a statement that finds nothing, for the simulation has no rows that it would find.
static int none(Call *call) {
    rows_begin(call, 1);
    return 0;
}

static int done(Call *call) {
    return 0;
}

static int one_false(Call *call) {
    rows_begin(call, 1);
    row_begin(call);
    row_bool(call, 0, false);
    return 0;
}

// ---- agencies ------------------------------------------------------------------------------------------------------

static int agencies(Call *call) {
    rows_begin(call, 5);
    for (size_t i = 0; i < base_n_agencies; i++) {
        row_begin(call);
        row_i32(call, 0, base_agencies[i].agency);
        row_text(call, 1, base_agencies[i].code);
        row_numbers(call, 2, base_agencies[i].domains, base_agencies[i].n_domains);
        row_texts(call, 3, NULL, 0);
        row_texts(call, 4, NULL, 0);
    }
    return 0;
}

static int signing_keys(Call *call) {
    rows_begin(call, 3);
    for (size_t i = 0; i < base_n_agencies; i++) {
        row_begin(call);
        row_i32(call, 0, base_agencies[i].agency);
        row_bytes(call, 1, base_agencies[i].sign_public, 32);
        row_null(call, 2);
    }
    return 0;
}

typedef struct TransportKey {
    const uint8_t *key;
    int32_t agency, subscription;
} TransportKey;

static int compare_keys(const void *a, const void *b) {
    return memcmp(((const TransportKey *)a)->key, ((const TransportKey *)b)->key, 32);
}

static int transport_keys(Call *call) {
    TransportKey keys[16];
    size_t n = 0;
    assert(base_n_agencies + base_n_subscriptions <= sizeof keys / sizeof *keys);
    for (size_t i = 0; i < base_n_agencies; i++)
        keys[n++] = (TransportKey){.key = base_agencies[i].curve_public, .agency = base_agencies[i].agency};
    for (size_t i = 0; i < base_n_subscriptions; i++)
        keys[n++] = (TransportKey){.key = base_subscriptions[i].curve_public,
                                   .subscription = base_subscriptions[i].subscription};
    qsort(keys, n, sizeof *keys, compare_keys);
    rows_begin(call, 4);
    for (size_t i = 0; i < n; i++) {
        row_begin(call);
        row_bytes(call, 0, keys[i].key, 32);
        row_i32(call, 1, keys[i].agency);
        row_i32(call, 2, keys[i].subscription);
        row_i32(call, 3, 0);
    }
    return 0;
}

// ---- the head ------------------------------------------------------------------------------------------------------

const BaseSegment *base_head(const Call *call) {
    const BaseSegment *head = NULL;
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *segment = table_row(call, &base_segments, i);
        if (segment != NULL && (head == NULL || segment->first_position > head->first_position))
            head = segment;
    }
    return head;
}

static int64_t head_position(const Call *call) {
    const BaseSegment *head = base_head(call);
    return head == NULL ? 0 : head->last_position;
}

static int head(Call *call) {
    const BaseSegment *last = base_head(call);
    rows_begin(call, 7);
    if (last == NULL)
        return 0;
    row_begin(call);
    row_i32(call, 0, last->epoch);
    row_i64(call, 1, last->last_position);
    row_i64(call, 2, last->leaf_index);
    row_i64(call, 3, last->stored_at_us);
    row_i64(call, 4, last->population_position);
    row_value(call, 5, last->hash);
    row_value(call, 6, last->frontier);
    return 0;
}

static int segment_hash(Call *call) {
    const BaseSegment *last = NULL;
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *row = table_row(call, &base_segments, i);
        if (row != NULL && row->first_position <= param_i64(call, 0) &&
            (last == NULL || row->first_position > last->first_position))
            last = row;
    }
    rows_begin(call, 2);
    if (last == NULL)
        return 0;
    row_begin(call);
    row_i64(call, 0, last->last_position);
    row_value(call, 1, last->hash);
    return 0;
}

static int head_place(Call *call) {
    rows_begin(call, 2);
    row_begin(call);
    row_i64(call, 0, base.lives[0]);
    row_i64(call, 1, head_position(call));
    return 0;
}

static int verdict_head(Call *call) {
    rows_begin(call, 1);
    row_begin(call);
    row_i64(call, 0, head_position(call));
    return 0;
}

static int feed_head(Call *call) {
    const BaseSegment *last = base_head(call);
    rows_begin(call, 3);
    if (last == NULL)
        return 0;
    row_begin(call);
    row_i32(call, 0, last->epoch);
    row_i64(call, 1, last->last_position);
    row_value(call, 2, last->hash);
    return 0;
}

// ---- segments ------------------------------------------------------------------------------------------------------

int base_refuse(Call *call, const char *sqlstate) {
    call->sqlstate = sqlstate;
    return ERROR_DATA;
}

static int segment(Call *call) {
    BaseSegment row = {.first_position = param_i64(call, 0),
                       .last_position = param_i64(call, 1),
                       .epoch = (int32_t)param_i64(call, 2),
                       .format = (int16_t)param_i64(call, 3),
                       .kind = (int16_t)param_i64(call, 4),
                       .agency = base_keep_value(param_value(call, 5)),
                       .stream = base_keep_value(param_value(call, 6)),
                       .first_sequence = param_i64(call, 7),
                       .last_sequence = param_i64(call, 8),
                       .batch_root = base_keep_value(param_value(call, 9)),
                       .stored_at_us = param_i64(call, 10),
                       .population_position = param_i64(call, 11),
                       .leaf_index = param_i64(call, 12),
                       .hash = base_keep_value(param_value(call, 13)),
                       .frontier = base_keep_value(param_value(call, 14)),
                       .summary = base_keep_value(param_value(call, 15)),
                       .payload = base_keep_value(param_value(call, 16)),
                       .batch = base_keep_value(param_value(call, 17)),
                       .leaf = base_keep_value(param_value(call, 18)),
                       .origin = base_keep_value(param_value(call, 19)),
                       // As if every other segment were older than the column.
                       .entries_root = param_i64(call, 12) % 2 == 0 ? base_keep_value(param_value(call, 21))
                                                                    : (Value){.null = true}};
    // The primary key holds whatever a statement sees.
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *other = table_newest(&base_segments, i);
        if (other == NULL || other->first_position != row.first_position)
            continue;
        int r = base_taken(call, &base_segments, i);
        // The key holds, and all would be done again; and still nobody may ask for that.
        if (r == ERROR_DATA && observer != NULL)
            world_fail("position %lld is given out twice", (long long)row.first_position);
        return r;
    }
    table_insert(call, &base_segments, &row);
    return 0;
}

static int stored_batch(Call *call) {
    Value stream = param_value(call, 0);
    rows_begin(call, 9);
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *row = table_row(call, &base_segments, i);
        if (row == NULL || row->batch_root.null || row->first_sequence != param_i64(call, 1) ||
            !value_is(row->stream, stream.data, stream.n))
            continue;
        row_begin(call);
        row_i64(call, 0, row->first_position);
        row_i64(call, 1, row->last_position);
        row_i64(call, 2, row->last_sequence);
        row_i32(call, 3, row->epoch);
        row_i64(call, 4, row->stored_at_us);
        row_value(call, 5, row->batch_root);
        row_value(call, 6, row->hash);
        row_i16(call, 7, row->format);
        row_value(call, 8, row->payload);
    }
    return 0;
}

static int strange_segments(Call *call) {
    int64_t n_max = param_i64(call, 1);
    rows_begin(call, 4);
    for (size_t i = 0; i < base_segments.n && call->n_rows < n_max; i++) {
        const BaseSegment *row = table_row(call, &base_segments, i);
        if (row == NULL || row->first_position <= param_i64(call, 0) ||
            (row->kind != 1 && row->kind != 2 && row->kind != 6 && row->kind != 9))
            continue;
        row_begin(call);
        row_i64(call, 0, row->first_position);
        row_i64(call, 1, row->last_position);
        row_i16(call, 2, row->format);
        row_value(call, 3, row->payload);
    }
    return 0;
}

// ---- streams -------------------------------------------------------------------------------------------------------

static size_t stream_find(const uint8_t *id, size_t n) {
    for (size_t i = 0; i < base_streams.n; i++) {
        const Slot *slot = &base_streams.slots[i];
        const BaseStream *row = slot->now != NULL ? slot->now : slot->next;
        if (row != NULL && value_is(row->stream, id, n))
            return i;
    }
    return SIZE_MAX;
}

static bool has_key(int64_t agency, Value key, bool signs) {
    for (size_t i = 0; i < base_n_agencies; i++) {
        const BaseAgency *owner = &base_agencies[i];
        if (owner->agency == agency)
            return value_is(key, signs ? owner->sign_public : owner->curve_public, 32);
    }
    return false;
}

typedef struct AskedStream {
    Value id;
    size_t place;
} AskedStream;

static int compare_asked(const void *a, const void *b) {
    const AskedStream *left = a, *right = b;
    int order = memcmp(left->id.data, right->id.data, STREAM_BYTES);
    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

static int streams(Call *call) {
    Value *ids, *signers, *transports;
    AskedStream asked[STREAMS_MAX];
    size_t n = param_array(call, 0, &ids);
    param_array(call, 1, &signers);
    param_array(call, 2, &transports);
    assert(n <= STREAMS_MAX);
    for (size_t k = 0; k < n; k++)
        asked[k] = (AskedStream){ids[k], k};
    qsort(asked, n, sizeof *asked, compare_asked);
    rows_begin(call, 6);
    for (size_t k = 0; k < n; k++) { // in the order of streams
        size_t i = stream_find(asked[k].id.data, asked[k].id.n), place = asked[k].place;
        const BaseStream *row = i == SIZE_MAX ? NULL : table_row(call, &base_streams, i);
        if (row == NULL)
            continue;
        void *locked;
        int r = table_change(call, &base_streams, i, &locked);
        if (r != 0)
            return r;
        row = locked;
        row_begin(call);
        row_i64(call, 0, (int64_t)place + 1);
        row_i32(call, 1, row->agency);
        row_i64(call, 2, row->last_sequence);
        row_i32(call, 3, row->session_epoch);
        row_bool(call, 4, has_key(row->agency, signers[place], true));
        row_bool(call, 5, has_key(row->agency, transports[place], false));
    }
    return 0;
}

static int advance(Call *call) {
    Value *ids, *sequences;
    size_t n = param_array(call, 0, &ids);
    param_array(call, 1, &sequences);
    for (size_t k = 0; k < n; k++) {
        size_t i = stream_find(ids[k].data, ids[k].n);
        void *row;
        int r = i == SIZE_MAX ? 0 : table_change(call, &base_streams, i, &row);
        if (r != 0)
            return r;
        if (i != SIZE_MAX && row != NULL)
            ((BaseStream *)row)->last_sequence = value_i64(sequences[k]);
    }
    return 0;
}

static int now(Call *call) {
    rows_begin(call, 1);
    row_begin(call);
    row_i64(call, 0, world_date_us() - PG_EPOCH_US);
    return 0;
}

static const BaseStream *stream_seen(const Call *call, Value id) {
    size_t i = id.null ? SIZE_MAX : stream_find(id.data, id.n);
    return i == SIZE_MAX ? NULL : table_row(call, &base_streams, i);
}

static bool is_foreign(const Call *call, Value id, int64_t agency) {
    const BaseStream *row = stream_seen(call, id);
    return row != NULL && row->agency != agency;
}

static int stream_open(Call *call, size_t i, bool in_time) {
    void *locked;
    int r = table_change(call, &base_streams, i, &locked);
    BaseStream *row = locked;
    if (r != 0 || row == NULL || row->agency != param_i64(call, 1) || !in_time)
        return r;
    row->session_epoch++;
    row_begin(call);
    row_i32(call, 0, row->session_epoch);
    row_i64(call, 1, row->last_sequence);
    const BaseSegment *last = base_head(call);
    row_i32(call, 2, last == NULL ? 0 : last->epoch);
    return 0;
}

static int open_session(Call *call) {
    Value id = param_value(call, 0);
    // timestamptz as it came: PostgreSQL's own form of microseconds.
    bool in_time = world_date_us() - PG_EPOCH_US < param_i64(call, 5);
    size_t i = stream_find(id.data, id.n);
    rows_begin(call, 3);
    if (i != SIZE_MAX && base_streams.slots[i].now == NULL && base_streams.slots[i].owner != call->tx) {
        call->waits_for = base_streams.slots[i].owner;
        return BASE_WAIT;
    }
    if (i == SIZE_MAX && in_time && !is_foreign(call, param_value(call, 4), param_i64(call, 1))) {
        BaseStream row = {.stream = base_keep_value(id),
                          .agency = (int32_t)param_i64(call, 1),
                          .agent = param_text(call, 2),
                          .kind = param_text(call, 3),
                          .replaces = base_keep_value(param_value(call, 4)),
                          .opened_us = world_date_us()};
        table_insert(call, &base_streams, &row);
        i = base_streams.n - 1;
    }
    return i == SIZE_MAX ? 0 : stream_open(call, i, in_time);
}

static int why_not_opened(Call *call) {
    rows_begin(call, 4);
    row_begin(call);
    row_bool(call, 0, is_foreign(call, param_value(call, 0), param_i64(call, 1)));
    row_bool(call, 1, stream_seen(call, param_value(call, 0)) != NULL);
    row_bool(call, 2, is_foreign(call, param_value(call, 2), param_i64(call, 1)));
    row_bool(call, 3, false);
    return 0;
}

static const char *hex_of(Value id) {
    char text[2 * STREAM_BYTES + 1];
    assert(id.n == STREAM_BYTES);
    hex_encode(id.data, id.n, text);
    return base_keep(text, sizeof text - 1);
}

static int replacing_streams(Call *call) {
    rows_begin(call, 5);
    for (size_t i = 0; i < base_streams.n && call->n_rows < param_i64(call, 0); i++) {
        const BaseStream *row = table_row(call, &base_streams, i);
        if (row == NULL || row->replaces.null)
            continue;
        bool declared = false;
        for (size_t k = 0; k < base_segments.n && !declared; k++) {
            const BaseSegment *other = table_row(call, &base_segments, k);
            declared = other != NULL && other->kind == 5 && value_is(other->stream, row->stream.data, row->stream.n);
        }
        if (declared)
            continue;
        row_begin(call);
        row_value(call, 0, row->stream);
        row_i32(call, 1, row->agency);
        row_text(call, 2, row->agent);
        row_text(call, 3, hex_of(row->stream));
        row_text(call, 4, hex_of(row->replaces));
    }
    return 0;
}

// ---- verdicts for agents -------------------------------------------------------------------------------------------

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int verdict_place(Call *call) {
    int64_t place = least(param_i64(call, 0), head_position(call)), said = param_i64(call, 1), newest = 0;
    for (size_t i = 0; i < epochs.n; i++) {
        const EpochRow *row = table_row(call, &epochs, i);
        if (row != NULL && row->epoch > newest)
            newest = row->epoch;
    }
    for (size_t i = 0; i < epochs.n; i++) {
        const EpochRow *row = table_row(call, &epochs, i);
        if (row != NULL && said != 0 && (row->epoch > said || (row->epoch < said && row->epoch == newest)))
            place = least(place, row->position - 1);
    }
    rows_begin(call, 1);
    row_begin(call);
    row_i64(call, 0, place);
    return 0;
}

// The stream itself, and those whose place it took one after another.
static size_t stream_chain(const Call *call, Value stream, Value chain[9]) {
    size_t n = 0;
    for (Value at = stream; !at.null && n < 9;) {
        chain[n++] = at;
        const BaseStream *row = stream_seen(call, at);
        const BaseStream *before = row == NULL ? NULL : stream_seen(call, row->replaces);
        if (before == NULL || before->agency != row->agency)
            break;
        at = before->stream;
    }
    return n;
}

static int verdicts(Call *call) {
    Value chain[9];
    size_t n = stream_chain(call, param_value(call, 0), chain);
    bool decisions_only = param_bool(call, 2);
    rows_begin(call, 5);
    for (size_t i = 0; i < base_segments.n && call->n_rows < param_i64(call, 3); i++) {
        const BaseSegment *row = table_row(call, &base_segments, i);
        if (row == NULL || row->first_position <= param_i64(call, 1) || row->payload.null || row->stream.null)
            continue;
        for (size_t depth = 0; depth < n; depth++) {
            bool wanted = row->kind == 2 || (row->kind == 1 && depth == 0 && !decisions_only);
            if (!wanted || !value_is(row->stream, chain[depth].data, chain[depth].n))
                continue;
            row_begin(call);
            row_i64(call, 0, row->first_position);
            row_i64(call, 1, row->last_position);
            row_i16(call, 2, row->format);
            row_value(call, 3, row->payload);
            row_bool(call, 4, depth == 0);
        }
    }
    return 0;
}

// ---- epochs --------------------------------------------------------------------------------------------------------

static int identity(Call *call) {
    rows_begin(call, 3);
    row_begin(call);
    row_i64(call, 0, SYSTEM_IDENTIFIER);
    row_i32(call, 1, base.timeline);
    row_i64(call, 2, (world_date_us() + 500000) / 1000000); // a cast rounds
    return 0;
}

static const EpochRow *newest_epoch(const Call *call) {
    const EpochRow *last = NULL;
    for (size_t i = 0; i < epochs.n; i++) {
        const EpochRow *row = table_row(call, &epochs, i);
        if (row != NULL && (last == NULL || row->epoch > last->epoch))
            last = row;
    }
    return last;
}

static int last_epoch(Call *call) {
    const EpochRow *last = newest_epoch(call);
    rows_begin(call, 3);
    if (last == NULL)
        return 0;
    row_begin(call);
    row_i32(call, 0, last->epoch);
    row_i64(call, 1, last->system);
    row_i32(call, 2, last->timeline);
    return 0;
}

bool base_epoch_holds(const Call *call) {
    const EpochRow *last = newest_epoch(call);
    for (size_t i = 0; i < requests.n; i++) {
        const RequestRow *row = table_row(call, &requests, i);
        if (row != NULL && row->epoch == 0)
            return false;
    }
    return last != NULL && last->timeline == base.timeline;
}

static int epoch(Call *call) {
    EpochRow row = {.epoch = (int32_t)param_i64(call, 0),
                    .position = param_i64(call, 1),
                    .system = param_i64(call, 2),
                    .timeline = (int32_t)param_i64(call, 3),
                    .reason = param_text(call, 4)};
    for (size_t i = 0; i < epochs.n; i++) {
        const EpochRow *other = table_newest(&epochs, i);
        if (other != NULL && other->epoch == row.epoch)
            return base_taken(call, &epochs, i);
    }
    table_insert(call, &epochs, &row);
    return 0;
}

static int feed_epoch(Call *call) {
    rows_begin(call, 2);
    for (size_t i = 0; i < epochs.n; i++) { // in their order
        const EpochRow *row = table_row(call, &epochs, i);
        if (row == NULL || row->epoch <= param_i64(call, 0))
            continue;
        row_begin(call);
        row_i64(call, 0, row->position);
        row_text(call, 1, row->reason);
        break;
    }
    return 0;
}

void base_ask_epoch(void) {
    table_load(&requests, &(RequestRow){.request = (int64_t)requests.n + 1});
}

static int epoch_request(Call *call) {
    table_insert(call, &requests, &(RequestRow){.request = (int64_t)requests.n + 1});
    return 0;
}

static int epoch_requests(Call *call) {
    rows_begin(call, 3);
    for (size_t i = 0; i < requests.n && call->n_rows < param_i64(call, 0); i++) {
        const RequestRow *row = table_row(call, &requests, i);
        if (row == NULL || row->epoch != 0)
            continue;
        row_begin(call);
        row_i64(call, 0, row->request);
        row_text(call, 1, "set back");
        row_text(call, 2, "operator");
    }
    return 0;
}

static int honour_request(Call *call) {
    for (size_t i = 0; i < requests.n; i++) {
        const RequestRow *row = table_row(call, &requests, i);
        void *locked = NULL;
        if (row == NULL || row->request != param_i64(call, 0))
            continue;
        int r = table_change(call, &requests, i, &locked);
        if (r != 0)
            return r;
        ((RequestRow *)locked)->epoch = (int32_t)param_i64(call, 1);
    }
    return 0;
}

// What the simulation never puts into the tables behind these is not there to be found: no reviews, no mergers,
// nothing let go, no learnt weights.
const BaseStatement BASE_LOG[] = {
    {"agencies", agencies},
    {"signing-keys", signing_keys},
    {"transport-keys", transport_keys},
    {"weights", none},
    {"head", head},
    {"head-position", head_place},
    {"segment-hash", segment_hash},
    {"verdict-head", verdict_head},
    {"feed_head", feed_head},
    {"segment", segment},
    {"segment-partition", done},
    {"stored-batch", stored_batch},
    {"strange-segments", strange_segments},
    {"streams", streams},
    {"advance", advance},
    {"now", now},
    {"open-session", open_session},
    {"why-not-opened", why_not_opened},
    {"replacing-streams", replacing_streams},
    {"verdict-place", verdict_place},
    {"verdicts", verdicts},
    {"claims-outlived", done},
    {"identity", identity},
    {"last-epoch", last_epoch},
    {"epoch", epoch},
    {"feed_epoch", feed_epoch},
    {"epoch_request", epoch_request},
    {"epoch-requests", epoch_requests},
    {"honour-request", honour_request},
    {"policy-changes", none},
    {"erasures-waiting", one_false},
    {"reviews-waiting", none},
    {"moves-waiting", none},
    {NULL, NULL},
};
