// SPDX-License-Identifier: Apache-2.0
//
// Lines of received records as `dongbo log check` takes them from a file, held against an event. What is read as a
// record says, written again by what receivers write with, the same.
#include "agents/record_json.h"
#include "agents/record_message.h"
#include "operators/received_line.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/domain.h"
#include "proto/origin.h"
#include "tests/fuzz/fuzz.h"

static Arena *arena;

static json_t *load(const uint8_t *data, size_t n) {
    return json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);
}

static void check_again(const Dongbo__FeedRecord *record, bool is_plain) {
    static const uint8_t ID[16];
    Dongbo__FeedRecord said = *record;
    ReceivedLine again;
    Bytes out = {0};
    said.record_id = (ProtobufCBinaryData){sizeof ID, (uint8_t *)ID};
    // 1: text that no sink keeps.
    int r = is_plain ? record_json_append(&said, NULL, &out) : record_message_append_json(&said, NULL, &out);
    json_t *line = r == 0 ? load(out.data, out.n) : NULL;
    if (line) {
        FUZZ_ASSERT(received_line_read(line, arena, &again) == 0);
        FUZZ_ASSERT(fuzz_same(&again.record.base, &record->base));
    }
    json_decref(line);
    bytes_free(&out);
}

static void check_fit(const Dongbo__FeedRecord *record) {
    Dongbo__OriginProof proof = DONGBO__ORIGIN_PROOF__INIT;
    Bytes event = {0};
    OriginFit fit;
    fuzz_event((int)record->domain, 1, &event);
    proof.event = (ProtobufCBinaryData){event.n, event.data};
    origin_fit(&proof, record, arena, &fit);
    FUZZ_ASSERT((fit.lies & fit.others) == 0 && (fit.wrong || (fit.lies == 0 && !fit.about)));
    bytes_free(&event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    ReceivedLine read;
    if (!arena)
        FUZZ_ASSERT(arena_new(&arena, BATCH_ARENA_BYTES) == 0);
    arena_reset(arena);
    json_t *line = load(data, n);
    if (json_is_object(line)) {
        int r = received_line_read(line, arena, &read);
        FUZZ_ASSERT(r == 0 || (r == 1 && read.wrong) || r == ERROR_MEMORY);
        if (r == 0 && !read.is_border) {
            check_again(&read.record, json_object_get(line, "fields") != NULL);
            check_fit(&read.record);
        }
    }
    json_decref(line);
    return 0;
}

// ---- seeds ----

static void seed(int domain, int change, bool is_plain) {
    static const uint8_t ID[16] = {1};
    uint32_t changed[] = {1, 2};
    char name[] = {(char)('0' + domain), (char)('0' + change), is_plain ? 'p' : 'j', 0};
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    Bytes body = {0}, out = {0};
    fuzz_body(domain, &body);
    record.position = record.previous = 7;
    record.domain = (Dongbo__Domain)domain;
    record.change = (Dongbo__ChangeKind)change;
    record.record_id = record.person_id = (ProtobufCBinaryData){sizeof ID, (uint8_t *)ID};
    record.citizen_number = FUZZ_NUMBER;
    record.agency = "MOH";
    record.event_time_us = FUZZ_NOW;
    record.changed_fields = changed;
    record.n_changed_fields = 2;
    record.body = (ProtobufCBinaryData){body.n, body.data};
    int r = is_plain ? record_json_append(&record, NULL, &out) : record_message_append_json(&record, NULL, &out);
    FUZZ_ASSERT(r == 0);
    fuzz_seed(name, out.data, out.n);
    bytes_free(&body);
    bytes_free(&out);
}

void fuzz_seeds(void) {
    static const char BORDER[] = "{\"snapshot\":\"begin\",\"first\":7}";
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        seed(domain, 1 + domain % 4, true);
        seed(domain, 1 + domain % 4, false);
    }
    fuzz_seed("border", BORDER, sizeof BORDER - 1);
}
