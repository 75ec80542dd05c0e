// SPDX-License-Identifier: Apache-2.0
// What an agent makes of the keys that an exchange says will follow.
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agents/successor.h"
#include "proto/base/bytes.h"

enum { FIRST, SECOND, THIRD, KEYS };

typedef struct Case {
    char directory[SCRATCH_BYTES], path[SCRATCH_BYTES + 16], next[SCRATCH_BYTES + 32];
    Keys keys[KEYS]; // the exchange's, one after the other
    Keys broker[2];
    Round round;
    Successor successor;
} Case;

static void put(const char *path, const Keys *keys) {
    char hex[2 * KEY_BYTES + 1];
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    hex_encode(keys->curve_public, KEY_BYTES, hex);
    fprintf(file, "curve_public: \"%s\"\n", hex);
    hex_encode(keys->sign_public, KEY_BYTES, hex);
    fprintf(file, "sign_public: \"%s\"\n", hex);
    fclose(file);
}

// As an agent that starts.
static void start(Case *c) {
    assert_int_equal(keys_load_exchange(c->path, c->broker), 0);
    round_begin(&c->round, &c->broker[0], &c->broker[1]);
    c->successor = (Successor){.broker = c->broker, .path = c->path, .round = &c->round};
}

static int setup(void **state) {
    Case *c = calloc(1, sizeof *c);
    scratch_make(c->directory);
    snprintf(c->path, sizeof c->path, "%s/broker.pub", c->directory);
    snprintf(c->next, sizeof c->next, "%s.next", c->path);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(keys_generate(&c->keys[i]), 0);
    put(c->path, &c->keys[FIRST]);
    start(c);
    *state = c;
    return 0;
}

static int teardown(void **state) {
    Case *c = *state;
    scratch_remove(c->directory);
    free(c);
    return 0;
}

static bool same(const Keys *a, const Keys *b) {
    return memcmp(a->curve_public, b->curve_public, KEY_BYTES) == 0 &&
           memcmp(a->sign_public, b->sign_public, KEY_BYTES) == 0;
}

// The exchange, which has these keys, says that those follow. 1 when the agent learns of it.
static int say(Case *c, const Keys *present, const Keys *next) {
    NextKeys *exchange = NULL;
    ProtobufCBinaryData challenge;
    assert_int_equal(next_keys_new(&exchange, present, next), 0);
    assert_int_equal(successor_ask(&c->successor, clock_system(), &challenge), 0);
    int r = successor_hear(&c->successor, next_keys_say(exchange, &challenge));
    next_keys_destroy(&exchange);
    return r;
}

static void test_is_learnt_and_kept(void **state) {
    Case *c = *state;
    struct stat status;
    assert_int_equal(say(c, &c->keys[FIRST], &c->keys[SECOND]), 1);
    assert_true(same(&c->broker[0], &c->keys[FIRST]) && same(&c->broker[1], &c->keys[SECOND]));
    assert_int_equal(say(c, &c->keys[FIRST], &c->keys[SECOND]), 0);
    assert_int_equal(stat(c->next, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
    start(c);
    assert_true(same(&c->broker[1], &c->keys[SECOND]));
    round_over(&c->round);
    assert_true(same(round_keys(&c->round), &c->keys[SECOND]));
    // The operators change their minds.
    assert_int_equal(say(c, &c->keys[SECOND], &c->keys[FIRST]), 0);
    round_over(&c->round);
    assert_int_equal(say(c, &c->keys[FIRST], &c->keys[THIRD]), 1);
    start(c);
    assert_true(same(&c->broker[1], &c->keys[THIRD]));
}

static void test_goes_on_from_what_was_learnt(void **state) {
    Case *c = *state;
    assert_int_equal(say(c, &c->keys[FIRST], &c->keys[SECOND]), 1);
    round_over(&c->round); // the exchange has gone over
    assert_int_equal(say(c, &c->keys[SECOND], &c->keys[THIRD]), 1);
    assert_true(same(round_keys(&c->round), &c->keys[SECOND]));
    start(c);
    assert_true(same(&c->broker[0], &c->keys[SECOND]) && same(&c->broker[1], &c->keys[THIRD]));
}

static void test_is_believed_of_the_key_in_use_alone(void **state) {
    Case *c = *state;
    assert_int_equal(say(c, &c->keys[SECOND], &c->keys[THIRD]), 0);
    assert_true(same(&c->broker[1], &c->keys[FIRST]));
    assert_int_not_equal(access(c->next, F_OK), 0);
}

static void test_is_not_said_again_by_another(void **state) {
    Case *c = *state;
    NextKeys *exchange = NULL;
    ProtobufCBinaryData challenge;
    assert_int_equal(next_keys_new(&exchange, &c->keys[FIRST], &c->keys[SECOND]), 0);
    assert_int_equal(successor_ask(&c->successor, clock_system(), &challenge), 0);
    Dongbo__NextKeys *said = next_keys_say(exchange, &challenge);
    assert_int_equal(successor_ask(&c->successor, clock_system(), &challenge), 0);
    assert_int_equal(successor_hear(&c->successor, said), 0);
    said->signature.len = 3;
    assert_int_equal(successor_hear(&c->successor, said), 0);
    assert_null(next_keys_say(exchange, &(ProtobufCBinaryData){0}));
    next_keys_destroy(&exchange);
    assert_int_equal(next_keys_new(&exchange, &c->keys[FIRST], NULL), 0);
    assert_null(next_keys_say(exchange, &challenge));
    assert_true(same(&c->broker[1], &c->keys[FIRST]));
}

static void test_a_keepers_file_stays(void **state) {
    Case *c = *state;
    put(c->next, &c->keys[THIRD]);
    start(c);
    assert_int_equal(say(c, &c->keys[FIRST], &c->keys[SECOND]), 0);
    start(c);
    assert_true(same(&c->broker[1], &c->keys[THIRD]));
}

static void test_where_nothing_can_be_written_it_is_known_all_the_same(void **state) {
    Case *c = *state;
    snprintf(c->next, sizeof c->next, "%s/none/broker.pub", c->directory);
    c->successor.path = c->next;
    assert_int_equal(say(c, &c->keys[FIRST], &c->keys[SECOND]), 1);
    assert_true(same(&c->broker[1], &c->keys[SECOND]));
    c->successor.path = NULL;
    ProtobufCBinaryData challenge;
    assert_int_equal(successor_ask(&c->successor, clock_system(), &challenge), 0);
    assert_int_equal(challenge.len, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_is_learnt_and_kept),
        TEST(test_goes_on_from_what_was_learnt),
        TEST(test_is_believed_of_the_key_in_use_alone),
        TEST(test_is_not_said_again_by_another),
        TEST(test_a_keepers_file_stays),
        TEST(test_where_nothing_can_be_written_it_is_known_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
