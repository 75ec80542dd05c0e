// SPDX-License-Identifier: Apache-2.0
//
// PROTOCOL.md is what others write their clients from, so it must not lag behind: it holds the schema word for word,
// every limit and every reason, and an example batch whose bytes are made here again.
#include "proto/base/error.h"
#include "proto/batch.h"
#include "proto/bounds.h"
#include "proto/domain.h"
#include "proto/event.h"
#include "proto/frame.h"
#include "proto/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char *protocol; // PROTOCOL.md
static char *squeezed; // without white space, for bytes in hex that are wrapped

static char *read_source(const char *name) {
    const char *source = getenv("DONGBO_SOURCE");
    char path[1024];
    snprintf(path, sizeof(path), "%s/proto/%s", source != NULL ? source : ".", name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("cannot open %s: set DONGBO_SOURCE to the source tree", path);
    char *text = calloc(1, 1 << 20);
    size_t n = fread(text, 1, (1 << 20) - 1, file);
    assert_true(n > 0 && n < (1 << 20) - 1);
    fclose(file);
    return text;
}

static int setup(void **state) {
    protocol = read_source("PROTOCOL.md");
    char *to = squeezed = strdup(protocol);
    for (const char *from = protocol; *from != 0; from++)
        if (!isspace((unsigned char)*from))
            *to++ = *from;
    *to = 0;
    return 0;
}

static int teardown(void **state) {
    free(protocol);
    free(squeezed);
    return 0;
}

static void assert_has(const char *text, const char *what) {
    if (strstr(protocol, text) == NULL)
        fail_msg("PROTOCOL.md lacks %s:\n%s", what, text);
}

// All that follows package and imports.
static void test_schema_is_there_word_for_word(void **state) {
    static const char *const files[] = {"event.proto", "verdict.proto", "wire.proto", "log.proto", "store.proto"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char *text = read_source(files[i]);
        char *start = strstr(text, "package dongbo;\n") + strlen("package dongbo;\n");
        while (*start == '\n' || strncmp(start, "import ", 7) == 0)
            start = strchr(start, '\n') + 1;
        char what[200];
        snprintf(what, sizeof(what), "the present text of %s: copy it into its annex, and say what changed", files[i]);
        assert_has(start, what);
        free(text);
    }
}

#define LIMIT(name)                                                                                                    \
    { #name, name }

static void test_limits_are_these(void **state) {
    static const struct {
        const char *name;
        long value;
    } limits[] = {
        LIMIT(PROTOCOL_VERSION),
        LIMIT(SCHEMA_VERSION),
        LIMIT(FRAME_HEADER_BYTES),
        LIMIT(FRAME_BODY_BYTES_MAX),
        LIMIT(WIRE_REPEATED_MAX),
        LIMIT(WIRE_FIELDS_MAX),
        LIMIT(WIRE_DEPTH_MAX),
        LIMIT(BATCH_BYTES_MAX),
        LIMIT(BATCH_BYTES_MIN),
        LIMIT(BATCH_EVENTS_MAX),
        LIMIT(EVENT_BYTES_MAX),
        LIMIT(EVENT_DEPTH_MAX),
        LIMIT(EVENT_FIELDS_MAX),
        LIMIT(TEXT_BYTES_MAX),
        LIMIT(CLEARED_FIELDS_MAX),
        LIMIT(REASONS_MAX),
        LIMIT(PUBLISH_CREDIT_BYTES),
        LIMIT(PUBLISH_AGENCY_BATCHES),
        LIMIT(SUBSCRIBE_CREDIT_BYTES),
        LIMIT(SHARES_MAX),
        LIMIT(SNAPSHOT_BUCKETS),
        LIMIT(SNAPSHOT_DIGEST_BYTES),
        LIMIT(SNAPSHOT_CURSOR_BYTES_MAX),
        LIMIT(UNREAD_BYTES),
        LIMIT(UNREAD_AGENCY_BYTES),
        LIMIT(RECORD_KEY_BYTES_MAX),
        LIMIT(SUBSCRIPTION_NAME_BYTES_MAX),
        LIMIT(FOLLOW_NUMBERS_MAX),
        LIMIT(FOLLOW_BYTES_MAX),
        LIMIT(FOLLOW_REQUESTS_MAX),
        LIMIT(FOLLOWED_MAX),
        LIMIT(FOLLOW_CHANGES_PER_DAY_MAX),
        LIMIT(FOLLOW_RECORDS_MAX),
        LIMIT(PING_INTERVAL_MS),
        LIMIT(PEER_SILENT_MS),
        LIMIT(HANDSHAKE_IVL_MS),
        LIMIT(SESSIONS_PER_AGENCY_MAX),
        LIMIT(STREAMS_PER_DAY_MAX),
        LIMIT(HELLOS_AGENCY_BURST),
        LIMIT(HELLOS_AGENCY_PER_SECOND),
        LIMIT(HELLOS_SUBSCRIPTION_BURST),
        LIMIT(HELLOS_SUBSCRIPTION_PER_SECOND),
        LIMIT(CONNECTIONS_BURST),
        LIMIT(CONNECTIONS_PER_SECOND),
        LIMIT(GUESSES_MAX),
        LIMIT(GUESSES_DAYS),
    };
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        char row[100];
        snprintf(row, sizeof(row), "| `%s` | %ld |", limits[i].name, limits[i].value);
        assert_has(row, "a limit as bounds.h has it");
    }
    assert_int_equal(CLOCK_AHEAD_MAX_US, 600 * 1000000);
    assert_has("more than ten minutes ahead", "the clock's limit");
}

static void test_reasons_are_these(void **state) {
    int n;
    const ReasonText *table = reason_table(&n);
    for (int i = 1; i < n; i++) {
        char row[600];
        snprintf(row, sizeof(row), "| %d | `%s` | %s |", table[i].code, table[i].name, table[i].en);
        assert_has(row, "a reason as reason.c has it");
    }
}

static void test_frame_types_are_these(void **state) {
    for (int type = 1; type < 256; type++) {
        const char *name = frame_type_name((FrameType)type);
        if (name[0] == '?')
            continue;
        char row[100];
        snprintf(row, sizeof(row), "| %d | `%s` |", type, name);
        assert_has(row, "a frame type");
    }
}

// ---- the example ------------------------------------------------------------------------------------------------

static int64_t example_now(void *self) {
    return 1646096400000000; // 2022-03-01T01:00:00Z
}

static int example_random(void *self, uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(0x10 + i);
    return 0;
}

static void assert_bytes(const char *what, const uint8_t *data, size_t n) {
    char *hex = malloc(2 * n + 1);
    hex_encode(data, n, hex);
    if (strstr(squeezed, hex) == NULL)
        fail_msg("PROTOCOL.md's example lacks %s:\n%s", what, hex);
    free(hex);
}

static void pack_example(Merkle *merkle, Bytes *scratch, Bytes *out) {
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    subject.citizen_number = (char *)"001099012345";
    subject.full_name = (char *)"Nguyễn Văn An";
    subject.birth_date = (char *)"1999-05-01";
    subject.sex = (char *)"male";
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    dose.vaccine_group = (char *)"COVID-19";
    dose.dose_number = 2;
    dose.occurrence_date = (char *)"2022-03-01";
    dose.status = (char *)"completed";
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    event.schema_version = 1;
    event.operation = DONGBO__OPERATION__UPSERT;
    event.event_time_us = 1646092800000000;
    event.source_key = (char *)"r1";
    event.subject = &subject;
    event_set_body(&event, DONGBO__DOMAIN__HEALTH, &dose.base);
    uint8_t id[EVENT_ID_BYTES];
    event_identify(&event, "MOH", merkle, scratch, id);
    assert_bytes("the event's id", id, sizeof(id));
    bytes_append_message(out, &event.base);
}

static void test_example_s_bytes(void **state) {
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    CLEANUP(signer_destroy) Signer *signer = NULL;
    CLEANUP(arena_destroy) Arena *arena = NULL;
    CLEANUP(bytes_free) Bytes scratch = {0}, event = {0}, sealed = {0}, frame = {0};
    uint8_t seed[KEY_BYTES], key[KEY_BYTES], stream[STREAM_BYTES];
    char key_id[KEY_ID_TEXT_BYTES];
    // RFC 8032, 7.1, TEST 1.
    assert_int_equal(hex_decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, KEY_BYTES),
                     0);
    assert_int_equal(hex_decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", key, KEY_BYTES), 0);
    for (int i = 0; i < STREAM_BYTES; i++)
        stream[i] = (uint8_t)i;
    keys_id(key, key_id);
    assert_has(key_id, "the example's key id");
    assert_int_equal(merkle_new(&merkle) | signer_new(&signer, seed) | arena_new(&arena, 1 << 20), 0);
    pack_example(merkle, &scratch, &event);
    assert_bytes("the event", event.data, event.n);

    const Clock clock = {.now_us = example_now, .random = example_random};
    const ProtobufCBinaryData events[1] = {{.len = event.n, .data = event.data}};
    const BatchSeal seal = {.stream = stream,
                            .first_sequence = 1,
                            .events = events,
                            .n_events = 1,
                            .key_id = key_id,
                            .signer = signer,
                            .clock = &clock,
                            .merkle = merkle};
    assert_int_equal(batch_seal(&seal, &sealed), 0);
    Batch batch;
    CLEANUP(verifier_destroy) Verifier *verifier = NULL;
    assert_int_equal(verifier_new(&verifier, key), 0);
    assert_int_equal(batch_open(sealed.data, sealed.n, verifier, merkle, arena, &batch), BATCH_OK);
    assert_bytes("the leaf", batch.leaves, HASH_BYTES);
    assert_bytes("the signed header", batch.sealed->header.data, batch.sealed->header.len);
    assert_bytes("the signature", batch.sealed->signature.data, SIGNATURE_BYTES);
    frame_write_bytes(&frame, FRAME_BATCH, 0x1122334455667788, 1, sealed.data, sealed.n);
    assert_bytes("the frame", frame.data, frame.n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_is_there_word_for_word),
        cmocka_unit_test(test_limits_are_these),
        cmocka_unit_test(test_reasons_are_these),
        cmocka_unit_test(test_frame_types_are_these),
        cmocka_unit_test(test_example_s_bytes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
