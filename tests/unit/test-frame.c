// SPDX-License-Identifier: Apache-2.0
//
// Frames: the header byte for byte, what is no frame, and bodies that are too much.
#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/frame.h"
#include "wire.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void write_ping(Bytes *out) {
    Dongbo__Ping ping = DONGBO__PING__INIT;
    ping.nonce = 5;
    frame_write(out, FRAME_PING, 0x0102030405060708, 9, &ping.base);
    assert_false(out->failed);
}

static void test_header_byte_for_byte(void **state) {
    CLEANUP(bytes_free) Bytes out = {0};
    write_ping(&out);
    static const uint8_t expected[] = {'D', 'B', 1, 32, 0, 0, 0, 2, 1, 2, 3, 4, 5,
                                       6,   7,   8, 0,  0, 0, 0, 0, 0, 0, 9, 8, 5};
    assert_int_equal(out.n, sizeof(expected));
    assert_memory_equal(out.data, expected, sizeof(expected));

    Frame frame;
    assert_int_equal(frame_read(out.data, out.n, &frame), 0);
    assert_int_equal(frame.type, FRAME_PING);
    assert_true(frame.session == 0x0102030405060708 && frame.sequence == 9);
    assert_ptr_equal(frame.body, out.data + FRAME_HEADER_BYTES);
    assert_int_equal(frame.body_bytes, 2);
}

static void test_empty_body(void **state) {
    CLEANUP(bytes_free) Bytes out = {0};
    frame_write(&out, FRAME_GOODBYE, 1, 2, NULL);
    assert_int_equal(out.n, FRAME_HEADER_BYTES);
    Frame frame;
    assert_int_equal(frame_read(out.data, out.n, &frame), 0);
    assert_int_equal(frame.type, FRAME_GOODBYE);
    assert_int_equal(frame.body_bytes, 0);
}

static void test_packed_body_is_verbatim(void **state) {
    CLEANUP(bytes_free) Bytes out = {0};
    frame_write_bytes(&out, FRAME_BATCH, 3, 1001, (const uint8_t *)"sealed", 6);
    Frame frame;
    assert_int_equal(frame_read(out.data, out.n, &frame), 0);
    assert_int_equal(frame.type, FRAME_BATCH);
    assert_true(frame.sequence == 1001);
    assert_int_equal(frame.body_bytes, 6);
    assert_memory_equal(frame.body, "sealed", 6);
}

static void test_what_is_no_frame(void **state) {
    CLEANUP(bytes_free) Bytes out = {0};
    write_ping(&out);
    Frame frame;
    for (size_t n = 0; n < out.n; n++)
        assert_int_equal(frame_read(out.data, n, &frame), 1);
    bytes_append_u8(&out, 0); // one byte more than said
    assert_int_equal(frame_read(out.data, out.n, &frame), 1);
    out.n--;
    out.data[0] = 'd';
    assert_int_equal(frame_read(out.data, out.n, &frame), 1);
    out.data[0] = 'D';
    out.data[2] = 2;
    assert_int_equal(frame_read(out.data, out.n, &frame), 2);
    out.data[2] = PROTOCOL_VERSION;
    for (unsigned type = 0; type < 256; type++) {
        out.data[3] = (uint8_t)type;
        bool known = (type >= 1 && type <= 7) || (type >= 16 && type <= 29) || (type >= 32 && type <= 35);
        assert_int_equal(frame_read(out.data, out.n, &frame), known ? 0 : 1);
        assert_int_equal(strcmp(frame_type_name((FrameType)type), "?") == 0, !known);
    }
}

static void test_body_too_long(void **state) {
    size_t n = FRAME_BODY_BYTES_MAX + 1;
    uint8_t *body = calloc(1, n + FRAME_HEADER_BYTES);
    CLEANUP(bytes_free) Bytes out = {0};
    frame_write_bytes(&out, FRAME_BATCH, 1, 1, body, n - 1);
    assert_false(out.failed);
    Frame frame;
    assert_int_equal(frame_read(out.data, out.n, &frame), 0);
    bytes_append_u8(&out, 0);
    out.data[7]++; // now the length is true, and too much
    assert_int_equal(frame_read(out.data, out.n, &frame), 1);
    bytes_clear(&out);
    frame_write_bytes(&out, FRAME_BATCH, 1, 1, body, n);
    assert_true(out.failed);
    assert_int_equal(out.n, 0);
    free(body);
}

static void test_decode(void **state) {
    CLEANUP(arena_destroy) Arena *arena = NULL;
    assert_int_equal(arena_new(&arena, 65536), 0);
    CLEANUP(bytes_free) Bytes out = {0};
    Dongbo__HelloPublish hello = DONGBO__HELLO_PUBLISH__INIT;
    hello.protocol_version = PROTOCOL_VERSION;
    hello.agent = (char *)"máy 1";
    frame_write(&out, FRAME_HELLO_PUBLISH, 0, 1, &hello.base);
    Frame frame;
    assert_int_equal(frame_read(out.data, out.n, &frame), 0);
    ProtobufCMessage *message = NULL;
    assert_int_equal(frame_decode(&frame, hello.base.descriptor, arena_protobuf(arena), &message), 0);
    assert_string_equal(((Dongbo__HelloPublish *)message)->agent, "máy 1");

    out.data[out.n - 1] = 0xFF; // no longer UTF-8
    assert_int_equal(frame_decode(&frame, hello.base.descriptor, arena_protobuf(arena), &message), 1);
    frame.body_bytes--; // cut
    assert_int_equal(frame_decode(&frame, hello.base.descriptor, arena_protobuf(arena), &message), 1);
}

// The decoded message must not outgrow what the caller gave, and a full arena is a refusal, not a crash.
static void test_decode_is_bounded(void **state) {
    CLEANUP(arena_destroy) Arena *arena = NULL;
    assert_int_equal(arena_new(&arena, 8192), 0);
    CLEANUP(bytes_free) Bytes body = {0};
    for (int i = 0; i < WIRE_REPEATED_MAX; i++)
        bytes_append(&body, "\x22\x00", 2); // an empty FeedRecord: 2 bytes on the wire, many in memory
    Frame frame = {.type = FRAME_RECORDS, .body = body.data, .body_bytes = body.n};
    ProtobufCMessage *message = NULL;
    assert_int_equal(frame_decode(&frame, &dongbo__records__descriptor, arena_protobuf(arena), &message), 1);
    assert_null(message);

    CLEANUP(arena_destroy) Arena *large = NULL;
    assert_int_equal(arena_new(&large, BATCH_ARENA_BYTES), 0);
    assert_int_equal(frame_decode(&frame, &dongbo__records__descriptor, arena_protobuf(large), &message), 0);
    bytes_append(&body, "\x22\x00", 2);
    frame = (Frame){.type = FRAME_RECORDS, .body = body.data, .body_bytes = body.n};
    assert_int_equal(frame_decode(&frame, &dongbo__records__descriptor, arena_protobuf(large), &message), 1);
}

// Every message, damaged at random in a seeded loop: read or refused, never more than the arena, never out of bounds.
static void test_random_damage(void **state) {
    static const ProtobufCMessageDescriptor *const bodies[] = {
        &dongbo__hello_publish__descriptor, &dongbo__verdicts__descriptor,          &dongbo__records__descriptor,
        &dongbo__feed_record__descriptor,   &dongbo__welcome_subscribe__descriptor, &dongbo__receipt_body__descriptor,
        &dongbo__refusal__descriptor,       &dongbo__watermark__descriptor,
    };
    CLEANUP(arena_destroy) Arena *arena = NULL;
    assert_int_equal(arena_new(&arena, 1 << 20), 0);
    unsigned seed = 76626;
    int read = 0;
    for (int round = 0; round < 40000; round++) {
        // Fields of likely numbers, types and lengths: nearer to what decodes than plain noise.
        uint8_t data[FRAME_HEADER_BYTES + 64] = {'D', 'B', PROTOCOL_VERSION, FRAME_VERDICTS};
        size_t n = (size_t)rand_r(&seed) % 64, at = 0;
        while (at < n) {
            data[FRAME_HEADER_BYTES + at++] = (uint8_t)((1 + rand_r(&seed) % 10) << 3 | (rand_r(&seed) % 3 ? 2 : 0));
            data[FRAME_HEADER_BYTES + at++] = (uint8_t)(rand_r(&seed) % 12);
        }
        data[7] = (uint8_t)at;
        uint8_t *exact = malloc(FRAME_HEADER_BYTES + at);
        memcpy(exact, data, FRAME_HEADER_BYTES + at);
        Frame frame;
        ProtobufCMessage *message = NULL;
        assert_int_equal(frame_read(exact, FRAME_HEADER_BYTES + at, &frame), 0);
        for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
            int r = frame_decode(&frame, bodies[i], arena_protobuf(arena), &message);
            assert_true(r == 0 || r == 1);
            read += r == 0 && at > 8;
        }
        arena_reset(arena);
        free(exact);
    }
    assert_true(read > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_byte_for_byte),    cmocka_unit_test(test_empty_body),
        cmocka_unit_test(test_packed_body_is_verbatim), cmocka_unit_test(test_what_is_no_frame),
        cmocka_unit_test(test_body_too_long),           cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_is_bounded),       cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
