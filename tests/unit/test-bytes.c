// SPDX-License-Identifier: Apache-2.0
//
// The write buffer and the batch arena: contents, limits, alignment, memory kept and let go.
#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "event.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <string.h>

static void test_append(void **state) {
    Bytes bytes = {0};
    bytes_append_u8(&bytes, 1);
    bytes_append_u16(&bytes, 0x0203);
    bytes_append_u32(&bytes, 0x04050607);
    bytes_append_u64(&bytes, 0x08090a0b0c0d0e0f);
    bytes_append_text(&bytes, "!");
    bytes_append(&bytes, NULL, 0);
    assert_int_equal(bytes.n, 16);
    assert_memory_equal(bytes.data, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17!", 16);
    bytes_clear(&bytes);
    bytes_append_hex(&bytes, (const uint8_t *)"\xde\xad\0\1", 4);
    assert_int_equal(bytes.n, 8);
    assert_memory_equal(bytes.data, "dead0001", 8);
    bytes_free(&bytes);
    assert_null(bytes.data);
}

static void test_numbers_in_place(void **state) {
    uint8_t data[10] = {0};
    bytes_put_number(data + 1, 8, 0x8102030405060708);
    assert_memory_equal(data, "\0\x81\2\3\4\5\6\7\10\0", 10);
    assert_true(bytes_get_number(data + 1, 8) == 0x8102030405060708);
    bytes_put_number(data + 3, 2, 0x1ff0e);
    assert_memory_equal(data, "\0\x81\2\xff\x0e\5\6\7\10\0", 10);
    assert_int_equal(bytes_get_number(data + 2, 3), 0x02ff0e);
}

static void test_grows(void **state) {
    Bytes bytes = {0};
    for (uint32_t i = 0; i < 100000; i++)
        bytes_append_u32(&bytes, i);
    assert_int_equal(bytes.n, 400000);
    assert_memory_equal(bytes.data + 4 * 99999, "\x00\x01\x86\x9f", 4);
    bytes_free(&bytes);
}

static void test_failure_stays(void **state) {
    Bytes bytes = {0};
    bytes_append_text(&bytes, "kept");
    assert_null(bytes_reserve(&bytes, SIZE_MAX));
    assert_true(bytes.failed);
    bytes_append_text(&bytes, "lost");
    bytes_append_hex(&bytes, (const uint8_t *)"x", 1);
    assert_int_equal(bytes.n, 4);
    bytes_clear(&bytes);
    assert_false(bytes.failed);
    assert_non_null(bytes_reserve(&bytes, 1));
    bytes_free(&bytes);
}

static void test_json(void **state) {
    Bytes bytes = {0};
    bytes_append_json(&bytes, "a\"b\\c\n\r\t\x01\x1fĐỗ");
    bytes_append_u8(&bytes, 0);
    assert_string_equal((char *)bytes.data, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001fĐỗ\"");
    bytes_free(&bytes);
}

static void test_hex(void **state) {
    uint8_t out[2];
    char text[5];
    assert_int_equal(hex_decode("Ff09", out, 2), 0);
    assert_memory_equal(out, "\xff\x09", 2);
    assert_int_equal(hex_decode("ff0", out, 2), 1);
    assert_int_equal(hex_decode("ff091", out, 2), 1);
    assert_int_equal(hex_decode("fg09", out, 2), 1);
    assert_int_equal(hex_decode("", out, 2), 1);
    hex_encode((const uint8_t *)"\xab\x00", 2, text);
    assert_string_equal(text, "ab00");
}

static void test_message(void **state) {
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Bytes bytes = {0};
    Arena *arena = NULL;
    event.source_key = (char *)"row 1";
    bytes_append_message(&bytes, &event.base);
    assert_int_equal(bytes.n, protobuf_c_message_get_packed_size(&event.base));
    assert_int_equal(arena_new(&arena, 4096), 0);
    Dongbo__ChangeEvent *read = dongbo__change_event__unpack(arena_protobuf(arena), bytes.n, bytes.data);
    assert_string_equal(read->source_key, "row 1");
    dongbo__change_event__free_unpacked(read, arena_protobuf(arena));
    arena_destroy(&arena);
    // A message that does not fit the arena fails as a whole.
    assert_int_equal(arena_new(&arena, 64), 0);
    assert_null(dongbo__change_event__unpack(arena_protobuf(arena), bytes.n, bytes.data));
    assert_true(arena_failed(arena));
    arena_reset(arena);
    assert_false(arena_failed(arena));
    arena_destroy(&arena);
    // Broken bytes fail as well, and not for want of room.
    assert_int_equal(arena_new(&arena, 4096), 0);
    assert_null(dongbo__change_event__unpack(arena_protobuf(arena), bytes.n - 1, bytes.data));
    assert_false(arena_failed(arena));
    arena_destroy(&arena);
    bytes_free(&bytes);
}

static void test_arena_limit(void **state) {
    Arena *arena = NULL;
    assert_int_equal(arena_new(&arena, 1000), 0);
    assert_null(arena_alloc(arena, 1001));
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_non_null(arena_alloc(arena, 500));
    assert_null(arena_alloc(arena, 500)); // 512 are taken already
    assert_int_equal(arena_used(arena), 512);
    assert_non_null(arena_alloc(arena, 480));
    assert_null(arena_strndup(arena, "too much", 8));
    assert_null(arena_printf(arena, "%s", "too much"));
    arena_reset(arena);
    assert_int_equal(arena_used(arena), 0);
    assert_string_equal(arena_strndup(arena, "abcdef", 3), "abc");
    assert_string_equal(arena_printf(arena, "%d-%s", 5, "x"), "5-x");
    arena_destroy(&arena);
    assert_null(arena);
    arena_destroy(&arena);
}

static void test_arena_pieces(void **state) {
    Arena *arena = NULL;
    static uint8_t *pieces[2000];
    assert_int_equal(arena_new(&arena, 64 * 1024 * 1024), 0);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 2000; i++) {
            size_t n = (i * 7919 + (size_t)round * 104729) % 20000;
            pieces[i] = i % 2 ? arena_alloc(arena, n) : arena_zalloc(arena, n);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            for (size_t j = 0; i % 2 == 0 && j < n; j++)
                assert_true(pieces[i][j] == 0);
            memset(pieces[i], (int)(i % 251), n);
        }
        for (size_t i = 0; i < 2000; i++) {
            size_t n = (i * 7919 + (size_t)round * 104729) % 20000;
            for (size_t j = 0; j < n; j++)
                if (pieces[i][j] != i % 251)
                    fail_msg("piece %zu was overwritten", i);
        }
        arena_reset(arena);
    }
    arena_destroy(&arena);
}

static size_t allocated(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void test_arena_reuse(void **state) {
    Arena *arena = NULL;
    assert_int_equal(arena_new(&arena, 8 * 1024 * 1024), 0);
    size_t before = allocated();
    void *first = arena_alloc(arena, 16);
    for (size_t i = 0; i < 200; i++) {
        // Up, so that each round's large piece fits none of the chunks kept, and down again.
        size_t n = (2000 + (i < 100 ? i : 200 - i) * 16) * 1024;
        arena_reset(arena);
        assert_ptr_equal(arena_alloc(arena, 16), first);
        uint8_t *large = arena_alloc(arena, n);
        assert_non_null(large);
        large[0] = large[n - 1] = 1;
        assert_true(allocated() < before + 24 * 1024 * 1024);
    }
    arena_destroy(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),       cmocka_unit_test(test_numbers_in_place),
        cmocka_unit_test(test_grows),        cmocka_unit_test(test_failure_stays),
        cmocka_unit_test(test_json),         cmocka_unit_test(test_hex),
        cmocka_unit_test(test_message),      cmocka_unit_test(test_arena_limit),
        cmocka_unit_test(test_arena_pieces), cmocka_unit_test(test_arena_reuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
