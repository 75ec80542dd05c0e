// SPDX-License-Identifier: Apache-2.0
//
// Whose batch is next: counted in turns, never in seconds.
#include "broker/queue.h"

#include "proto/bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { A = 1, B, C };
#define LIVE false
#define BULK true
#define BYTES 1000

static int make(void **state) {
    return queue_new((Queue **)state);
}

static int unmake(void **state) {
    queue_destroy((Queue **)state);
    return 0;
}

static int push(Queue *queue, Turn turn, uint64_t sequence) {
    Arrival *arrival = calloc(1, sizeof *arrival);
    assert_non_null(arrival);
    arrival->turn = turn;
    arrival->first_sequence = sequence;
    int result = queue_push(queue, arrival);
    if (result != 0)
        arrival_destroy(&arrival);
    return result;
}

static void push_many(Queue *queue, uint32_t agency, bool bulk, uint64_t n) {
    for (uint64_t i = 1; i <= n; i++)
        assert_int_equal(push(queue, (Turn){.agency = agency, .bulk = bulk, .bytes = BYTES}, i), 0);
}

typedef struct Next {
    uint32_t agency; // 0: nobody's turn
    uint64_t sequence;
    Turn turn;
} Next;

static Next next(Queue *queue) {
    Arrival *arrival = queue_next(queue);
    if (arrival == NULL)
        return (Next){0};
    Next ret = {arrival->turn.agency, arrival->first_sequence, arrival->turn};
    arrival_destroy(&arrival);
    return ret;
}

static size_t start_all(Queue *queue, size_t n_of[C + 1]) {
    size_t n = 0;
    for (Next it = next(queue); it.agency != 0; it = next(queue), n++)
        n_of[it.agency]++;
    return n;
}

static void test_one_agency_has_half_of_the_works(void **state) {
    Queue *queue = *state;
    push_many(queue, A, LIVE, 100);
    for (uint64_t i = 1; i <= WORKS_AGENCY_MAX; i++)
        assert_int_equal(next(queue).sequence, i);
    assert_int_equal(next(queue).agency, 0);
    queue_end(queue, &(Turn){.agency = A, .bytes = BYTES});
    assert_int_equal(next(queue).sequence, WORKS_AGENCY_MAX + 1);
    assert_int_equal(next(queue).agency, 0);
    assert_true(2 * WORKS_AGENCY_MAX <= WORKS_MAX);
}

static void test_who_comes_after_a_flood_is_next(void **state) {
    Queue *queue = *state;
    size_t n_of[C + 1] = {0};
    push_many(queue, A, LIVE, 100);
    start_all(queue, n_of);
    push_many(queue, B, LIVE, 1);
    assert_int_equal(next(queue).agency, B);
    assert_int_equal(next(queue).agency, 0);
}

// Two floods have all works; what comes back goes to the third until it has as many as they.
static void test_works_are_evened_out(void **state) {
    Queue *queue = *state;
    size_t n_of[C + 1] = {0};
    push_many(queue, A, LIVE, 100);
    push_many(queue, B, LIVE, 100);
    assert_int_equal(start_all(queue, n_of), WORKS_MAX);
    assert_true(n_of[A] == WORKS_AGENCY_MAX && n_of[B] == WORKS_AGENCY_MAX);
    push_many(queue, C, LIVE, 100);
    for (size_t i = 0; i < WORKS_MAX / 3; i++) {
        queue_end(queue, &(Turn){.agency = i % 2 == 0 ? A : B, .bytes = BYTES});
        assert_int_equal(next(queue).agency, C);
    }
    queue_end(queue, &(Turn){.agency = C, .bytes = BYTES});
    assert_int_equal(next(queue).agency, C); // the fewest
    queue_end(queue, &(Turn){.agency = B, .bytes = BYTES});
    assert_int_equal(next(queue).agency, B);
}

static void test_of_equals_who_was_served_longest_ago(void **state) {
    Queue *queue = *state;
    push_many(queue, A, LIVE, 10);
    push_many(queue, B, LIVE, 10);
    push_many(queue, C, LIVE, 10);
    for (uint32_t i = 0; i < 9; i++)
        assert_int_equal(next(queue).agency, A + i % 3);
}

static void test_a_backlog_leaves_works_for_today(void **state) {
    Queue *queue = *state;
    push_many(queue, A, BULK, 100);
    size_t n_of[C + 1] = {0};
    assert_int_equal(start_all(queue, n_of), WORKS_BULK_MAX);
    push_many(queue, A, LIVE, 100);
    assert_int_equal(start_all(queue, n_of), WORKS_AGENCY_MAX - WORKS_BULK_MAX);
    push_many(queue, B, LIVE, 100);
    assert_int_equal(start_all(queue, n_of), WORKS_AGENCY_MAX);
}

static void test_a_backlog_gets_its_turn(void **state) {
    Queue *queue = *state;
    push_many(queue, A, LIVE, 100);
    push_many(queue, B, BULK, 2);
    for (int n = 0; n < 2; n++) {
        for (int i = 0; i < WORKS_LIVE_ROW; i++) {
            Next live = next(queue);
            assert_int_equal(live.agency, A);
            queue_end(queue, &live.turn);
        }
        assert_int_equal(next(queue).agency, B);
    }
    assert_int_equal(next(queue).agency, A);
}

static void test_who_changes_the_population_leaves_works_for_others(void **state) {
    Queue *queue = *state;
    for (uint64_t i = 1; i <= 20; i++) {
        push(queue, (Turn){.agency = A, .population = true, .bytes = BYTES}, i);
        push(queue, (Turn){.agency = B, .population = true, .bytes = BYTES}, i);
    }
    push_many(queue, C, LIVE, 20);
    size_t n_of[C + 1] = {0};
    start_all(queue, n_of);
    assert_int_equal(n_of[A] + n_of[B], WORKS_POPULATION_MAX);
    assert_int_equal(n_of[C], WORKS_AGENCY_MAX);
    queue_end(queue, &(Turn){.agency = B, .population = true, .bytes = BYTES});
    assert_int_equal(next(queue).agency, B);
}

static void test_one_agency_has_half_of_what_waits(void **state) {
    Queue *queue = *state;
    const Turn big = {.agency = A, .bytes = BATCH_BYTES_MAX}, others = {.agency = B, .bytes = BATCH_BYTES_MAX};
    size_t half = PUBLISH_AGENCY_BYTES / BATCH_BYTES_MAX;
    for (size_t i = 0; i < half; i++)
        assert_int_equal(push(queue, big, i), 0);
    assert_int_equal(push(queue, big, half), 2);
    for (size_t i = 0; i < half; i++)
        assert_int_equal(push(queue, others, i), 0);
    assert_int_equal(push(queue, (Turn){.agency = C, .bytes = 1}, 1), 1);
    // What a work has counts until it is done.
    assert_int_equal(next(queue).agency, A);
    assert_int_equal(push(queue, big, half), 1);
    queue_end(queue, &big);
    assert_int_equal(push(queue, big, half), 0);
}

// However short they are: what holds one costs more than its bytes do.
static void test_so_many_wait(void **state) {
    Queue *queue = *state;
    const Turn small = {.agency = A, .bytes = BATCH_BYTES_MIN}, others = {.agency = B, .bytes = BATCH_BYTES_MIN};
    for (size_t i = 0; i < PUBLISH_AGENCY_BATCHES; i++)
        assert_int_equal(push(queue, small, i), 0);
    assert_int_equal(push(queue, small, 0), 2);
    for (size_t i = 0; i < PUBLISH_AGENCY_BATCHES; i++)
        assert_int_equal(push(queue, others, i), 0);
    assert_int_equal(push(queue, (Turn){.agency = C, .bytes = BATCH_BYTES_MIN}, 1), 1);
    assert_int_equal(next(queue).agency, A);
    assert_int_equal(push(queue, small, 0), 1); // what a work has counts until it is done
    queue_end(queue, &small);
    assert_int_equal(push(queue, small, 0), 0);
}

// Credit that is given fits into an agency's half, as long as that has a batch for each of its sessions.
static void test_windows_fit(void **state) {
    (void)state;
    assert_int_equal(queue_window(1, 1), PUBLISH_CREDIT_BYTES);
    for (size_t n = 1; n <= SESSIONS_PER_AGENCY_MAX; n++) {
        uint64_t window = queue_window(n, n);
        assert_in_range(window, BATCH_BYTES_MAX, PUBLISH_CREDIT_BYTES);
        assert_true(n * window <= PUBLISH_AGENCY_BYTES || window == BATCH_BYTES_MAX);
        assert_true(queue_window(n + 1, 1) >= window);
    }
    assert_int_equal(queue_window(SESSIONS_MAX, 1), BATCH_BYTES_MAX);
}

#define AGENCIES 9

// At random: no limit is passed, each stream's batches come in order, and all come.
static void test_any_order_of_arrivals_and_answers(void **state) {
    Queue *queue = *state;
    uint64_t pushed[AGENCIES][2] = {{0}}, seen[AGENCIES][2] = {{0}};
    Turn out[WORKS_MAX];
    size_t n_out = 0, n_of[AGENCIES] = {0}, n_bulk = 0, left = 5000;
    unsigned seed = 11;
    for (;;) {
        uint32_t agency = (uint32_t)rand_r(&seed) % AGENCIES;
        bool bulk = rand_r(&seed) % 3 == 0;
        if (left > 0 && rand_r(&seed) % 2 == 0) {
            left--;
            assert_int_equal(push(queue, (Turn){.agency = agency, .bulk = bulk, .bytes = 1}, ++pushed[agency][bulk]),
                             0);
        }
        Next it = next(queue);
        if (it.agency != 0 || it.sequence != 0) {
            assert_int_equal(it.sequence, ++seen[it.agency][it.turn.bulk]);
            out[n_out++] = it.turn;
            assert_true(++n_of[it.agency] <= WORKS_AGENCY_MAX && n_out <= WORKS_MAX);
            n_bulk += it.turn.bulk;
            assert_true(n_bulk <= WORKS_BULK_MAX);
        } else if (n_out == 0 && left == 0) {
            break;
        }
        if (n_out > 0 && rand_r(&seed) % 5 < 2) {
            size_t i = (size_t)rand_r(&seed) % n_out;
            queue_end(queue, &out[i]);
            n_of[out[i].agency]--;
            n_bulk -= out[i].bulk;
            out[i] = out[--n_out];
        }
    }
    assert_memory_equal(seen, pushed, sizeof seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_agency_has_half_of_the_works, make, unmake),
        cmocka_unit_test_setup_teardown(test_who_comes_after_a_flood_is_next, make, unmake),
        cmocka_unit_test_setup_teardown(test_works_are_evened_out, make, unmake),
        cmocka_unit_test_setup_teardown(test_of_equals_who_was_served_longest_ago, make, unmake),
        cmocka_unit_test_setup_teardown(test_a_backlog_leaves_works_for_today, make, unmake),
        cmocka_unit_test_setup_teardown(test_a_backlog_gets_its_turn, make, unmake),
        cmocka_unit_test_setup_teardown(test_who_changes_the_population_leaves_works_for_others, make, unmake),
        cmocka_unit_test_setup_teardown(test_one_agency_has_half_of_what_waits, make, unmake),
        cmocka_unit_test_setup_teardown(test_so_many_wait, make, unmake),
        cmocka_unit_test(test_windows_fit),
        cmocka_unit_test_setup_teardown(test_any_order_of_arrivals_and_answers, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
