// SPDX-License-Identifier: Apache-2.0
//
// What brokers say and hear: receipts are judged, and what records go out; sessions, batches and agents' streams are
// remembered.
#include "truth_state.h"

// ---- frames --------------------------------------------------------------------------------------------------------

static void note_welcome(const Frame *frame) {
    Dongbo__WelcomePublish *welcome = dongbo__welcome_publish__unpack(NULL, frame->body_bytes, frame->body);
    if (welcome != NULL && truth.n_sessions < SESSIONS_MAX_KEPT)
        truth.sessions[truth.n_sessions++] =
            (Session){welcome->session != 0 ? welcome->session : frame->session, welcome->session_epoch};
    if (welcome != NULL)
        dongbo__welcome_publish__free_unpacked(welcome, NULL);
}

// A Hello that arrives late, or twice, is not what the agent says now.
static void note_stream(const Process *process, const Frame *frame) {
    int agent = -1;
    Dongbo__HelloPublish *hello = dongbo__hello_publish__unpack(NULL, frame->body_bytes, frame->body);
    if (hello != NULL && hello->stream.len == STREAM_BYTES && sscanf(process->name, "agent-%d", &agent) == 1 &&
        agent >= 1 && agent <= TRUTH_AGENTS_MAX)
        memcpy(truth.present_streams[agent - 1], hello->stream.data, STREAM_BYTES);
    if (hello != NULL)
        dongbo__hello_publish__free_unpacked(hello, NULL);
}

static const BaseSegment *find_segment(const ProtobufCBinaryData *stream, uint64_t first_sequence) {
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *segment = table_committed(&base_segments, i);
        if (segment != NULL && !segment->batch_root.null && segment->first_sequence == (int64_t)first_sequence &&
            value_is(segment->stream, stream->data, stream->len))
            return segment;
    }
    return NULL;
}

// What a broker says is stored must be.
static void judge_receipt(const Frame *frame) {
    Dongbo__Receipt *receipt = dongbo__receipt__unpack(NULL, frame->body_bytes, frame->body);
    Dongbo__ReceiptBody *body =
        receipt == NULL ? NULL : dongbo__receipt_body__unpack(NULL, receipt->body.len, receipt->body.data);
    if (body != NULL) {
        // Of a life that is over: its agent is asked anew.
        const BaseSegment *segment = find_segment(&body->stream, body->first_sequence);
        bool same =
            truth_was_stored(body) || (segment != NULL && segment->last_sequence == (int64_t)body->last_sequence &&
                                       value_is(segment->batch_root, body->batch_root.data, body->batch_root.len));
        truth_counted.lost += same ? 0 : body->last_sequence - body->first_sequence + 1;
        if (!same)
            world_fail("a receipt for events from %" PRIu64 " on went out, and %s", body->first_sequence,
                       segment == NULL ? "they are not stored" : "others are stored under their numbers");
        dongbo__receipt_body__free_unpacked(body, NULL);
    }
    if (receipt != NULL)
        dongbo__receipt__free_unpacked(receipt, NULL);
}

static void note_batch(const Frame *frame) {
    uint32_t epoch = 0;
    for (size_t i = 0; i < truth.n_sessions; i++) {
        if (truth.sessions[i].number == frame->session)
            epoch = truth.sessions[i].epoch;
    }
    Dongbo__SealedBatch *batch = dongbo__sealed_batch__unpack(NULL, frame->body_bytes, frame->body);
    Dongbo__BatchHeader *header =
        batch == NULL ? NULL : dongbo__batch_header__unpack(NULL, batch->header.len, batch->header.data);
    if (header != NULL && header->stream.len == STREAM_BYTES && epoch != 0) {
        Reception *reception = &truth.receptions[truth.n_receptions++ % RECEPTIONS_MAX];
        *reception = (Reception){.first_sequence = header->first_sequence, .epoch = epoch};
        memcpy(reception->root_of, header->stream.data, sizeof reception->root_of);
    }
    if (header != NULL)
        dongbo__batch_header__free_unpacked(header, NULL);
    if (batch != NULL)
        dongbo__sealed_batch__free_unpacked(batch, NULL);
}

// ---- the feed -----------------------------------------------------------------------------------------------------

static int32_t *greeted_by(const Process *broker) {
    size_t i = 0;
    while (i + 1 < BROKER_LIVES_MAX && truth.greeted[i].broker != NULL && truth.greeted[i].broker != broker)
        i++;
    truth.greeted[i].broker = broker;
    return &truth.greeted[i].subscription;
}

static void note_hello(const Process *broker, const Frame *frame) {
    Dongbo__HelloSubscribe *hello = dongbo__hello_subscribe__unpack(NULL, frame->body_bytes, frame->body);
    for (size_t i = 0; hello != NULL && i < base_n_subscriptions; i++) {
        if (strcmp(base_subscriptions[i].name, hello->subscription) == 0)
            *greeted_by(broker) = base_subscriptions[i].subscription;
    }
    if (hello != NULL)
        dongbo__hello_subscribe__free_unpacked(hello, NULL);
}

static void note_feed(const Process *broker, const Frame *frame) {
    Dongbo__WelcomeSubscribe *welcome = dongbo__welcome_subscribe__unpack(NULL, frame->body_bytes, frame->body);
    if (welcome != NULL && truth.n_feeds < SESSIONS_MAX_KEPT)
        truth.feeds[truth.n_feeds++] = (FeedSession){frame->session, *greeted_by(broker)};
    if (welcome != NULL)
        dongbo__welcome_subscribe__free_unpacked(welcome, NULL);
}

// What may have left is never understated, whatever the database was set back to: but for a broker that does not know
// of that yet, for it has lost its session.
static void judge_records(const Process *process, const Frame *frame) {
    Dongbo__Records *records = dongbo__records__unpack(NULL, frame->body_bytes, frame->body);
    for (size_t i = 0; records != NULL && i < truth.n_feeds; i++) {
        int64_t released = base_released(truth.feeds[i].subscription);
        if (truth.feeds[i].number == frame->session && (int64_t)records->last > released &&
            base_has_session(process, "dongbo feed"))
            world_fail("position %" PRIu64 " goes out, and %" PRId64 " is what may have", records->last, released);
    }
    if (records != NULL)
        dongbo__records__free_unpacked(records, NULL);
}

void truth_frame(Process *process, bool sent, const uint8_t *data, size_t n) {
    Frame frame;
    if (frame_read(data, n, &frame) != 0) {
        world_fail("%s handles a frame that is none", process->name);
        return;
    }
    world_trace(frame_type_name(frame.type), sent, (int64_t)frame.sequence);
    if (!sent && frame.type == FRAME_HELLO_PUBLISH)
        note_stream(process, &frame);
    if (sent && frame.type == FRAME_WELCOME_PUBLISH)
        note_welcome(&frame);
    if (sent && frame.type == FRAME_RECEIPT)
        judge_receipt(&frame);
    if (!sent && frame.type == FRAME_HELLO_SUBSCRIBE)
        note_hello(process, &frame);
    if (sent && frame.type == FRAME_WELCOME_SUBSCRIBE)
        note_feed(process, &frame);
    if (sent && frame.type == FRAME_RECORDS)
        judge_records(process, &frame);
    if (!sent && frame.type == FRAME_BATCH)
        note_batch(&frame);
}
