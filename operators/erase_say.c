// SPDX-License-Identifier: Apache-2.0
//
// See erase_say.h. Who was sent what is what `dongbo disclosures` says of the entries that go.
#include "operators/erase_say.h"

#include "operators/columns.h"
#include "operators/disclosure.h"
#include "operators/line.h"
#include "operators/result.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Whom all these persons are by now, each once.
static const PgStatement PERSONS = {
    "erase_persons",
    "WITH RECURSIVE way(person) AS (SELECT DISTINCT n.person FROM unnest($1::bigint[]) AS n(person) WHERE n.person <> 0 "
    "UNION SELECT l.merged_into FROM way w JOIN exchange.seen_link l ON l.person = w.person) "
    "SELECT w.person FROM way w WHERE NOT EXISTS (SELECT FROM exchange.seen_link l WHERE l.person = w.person)",
    1, NULL};

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for what is to be erased");
}

static int by_position(const void *a, const void *b) {
    const EraseTarget *left = a, *right = b;
    return left->position < right->position ? -1 : left->position > right->position;
}

static bool goes(const EraseFind *find, const json_t *record) {
    const EraseTarget wanted = {.position = json_integer_value(json_object_get(record, "position"))};
    bool erased = json_is_true(json_object_get(record, "erased"));
    return !erased && bsearch(&wanted, find->targets, find->n, sizeof wanted, by_position) != NULL;
}

static void count(json_t *holder, const char *name) {
    json_object_set_new(holder, name, json_integer(json_integer_value(json_object_get(holder, name)) + 1));
}

static void count_feed(const EraseFind *find, const json_t *policies, json_t *holder) {
    size_t i, j;
    json_t *policy, *record;
    json_array_foreach(policies, i, policy) json_array_foreach(json_object_get(policy, "records"), j, record) {
        if (goes(find, record))
            count(holder, json_string_value(json_object_get(record, "delivery")));
    }
}

static void count_snapshots(const EraseFind *find, const json_t *snapshots, json_t *holder) {
    size_t i, j;
    json_t *snapshot, *record;
    json_array_foreach(snapshots, i, snapshot) json_array_foreach(json_object_get(snapshot, "records"), j, record) {
        if (goes(find, record))
            count(holder, "snapshots");
    }
}

static json_t *holder_of(json_t *holders, const json_t *one) {
    const char *name = json_string_value(json_object_get(one, "subscription"));
    size_t i;
    json_t *holder;
    json_array_foreach(holders, i, holder) if (strcmp(json_string_value(json_object_get(holder, "subscription")),
                                                      name) == 0) return holder;
    holder = json_pack("{s:s, s:O, s:i, s:i, s:i}", "subscription", name, "subscriber",
                       json_object_get(one, "subscriber"), "delivered", 0, "possibly", 0, "snapshots", 0);
    json_array_append_new(holders, holder);
    return holder;
}

static bool was_sent(const json_t *holder) {
    return json_integer_value(json_object_get(holder, "delivered")) +
               json_integer_value(json_object_get(holder, "possibly")) +
               json_integer_value(json_object_get(holder, "snapshots")) >
           0;
}

static int count_person(Desk *desk, const EraseFind *find, int64_t person, json_t *holders) {
    const Identity identity = {.person = person};
    json_t *answer = NULL, *one;
    size_t i;
    int r = disclosure_read(desk, &identity, false, &answer);
    json_array_foreach(json_object_get(answer, "subscriptions"), i, one) {
        json_t *holder = holder_of(holders, one);
        count_feed(find, json_object_get(one, "policies"), holder);
        count_snapshots(find, json_object_get(one, "snapshots"), holder);
    }
    json_decref(answer);
    return r;
}

static int count_holders(Desk *desk, const EraseFind *find, json_t *holders) {
    PgParams params = {0};
    RESULT persons = NULL;
    pg_param_array_begin(&params, OID_INT8, (int)find->n);
    for (size_t i = 0; i < find->n; i++)
        pg_array_i64(&params, find->targets[i].person);
    int r = pg_run(find->exchange, &PERSONS, &params, &persons);
    pg_params_free(&params);
    for (int row = 0; r == 0 && row < PQntuples(persons); row++)
        r = count_person(desk, find, pg_i64(persons, row, 0), holders);
    for (size_t i = json_array_size(holders); i-- > 0;)
        if (!was_sent(json_array_get(holders, i)))
            json_array_remove(holders, i);
    return r;
}

static json_t *counts(const size_t *numbers, size_t n, const char *(*name)(int)) {
    json_t *list = json_object();
    for (size_t i = 0; i < n; i++)
        if (numbers[i] > 0)
            json_object_set_new(list, name((int)i), json_integer((json_int_t)numbers[i]));
    return list;
}

static json_t *masked(const EraseFind *find) {
    json_t *list = json_array();
    char text[TEXT_MASK_BYTES];
    for (size_t i = 0; i < find->n_numbers; i++) {
        text_mask_number(find->numbers[i], text);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

int erase_say(Desk *desk, const EraseFind *find, json_t **ret) {
    json_t *holders = json_array();
    int r = holders ? count_holders(desk, find, holders) : no_memory();
    if (r < 0) {
        json_decref(holders);
        return r;
    }
    bool any = find->n > 0;
    *ret = json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "entries", (json_int_t)find->n, "events",
                     (json_int_t)find->n_events, "others", (json_int_t)find->n_others, "first_position",
                     any ? json_integer(find->targets[0].position) : json_null(), "last_position",
                     any ? json_integer(find->targets[find->n - 1].position) : json_null(), "kinds",
                     counts(find->kinds, ERASE_KINDS, line_kind), "domains",
                     counts(find->domains, ERASE_DOMAINS, names_domain), "numbers", masked(find), "segments_read",
                     (json_int_t)find->n_read, "subscriptions", holders);
    return *ret ? 0 : no_memory();
}

// ---- for people -----------------------------------------------------------------------------------------------------

static long long number_of(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_counts(const char *head, json_t *list) {
    const char *name, *between = "";
    json_t *n;
    printf("%s", head);
    json_object_foreach(list, name, n) {
        printf("%s%lld %s", between, (long long)json_integer_value(n), name);
        between = ", ";
    }
    printf("\n");
}

static void print_numbers(const json_t *numbers) {
    size_t i;
    json_t *one;
    printf("  under the numbers ");
    json_array_foreach(numbers, i, one) {
        printf("%s", i ? ", " : "");
        columns_show(json_string_value(one));
    }
    printf("%s\n", json_array_size(numbers) == ERASE_NUMBERS_MAX ? ", and others" : "");
}

static void print_others(const json_t *said) {
    if (number_of(said, "others") > 0)
        printf("  %lld events that came under these numbers are somebody else's by a later decision, and stay\n",
               number_of(said, "others"));
}

void erase_say_text(const json_t *said) {
    size_t i;
    json_t *one;
    printf("would be erased: %lld entries of the log, of which %lld are events", number_of(said, "entries"),
           number_of(said, "events"));
    if (number_of(said, "entries") == 0) {
        printf("\n");
        print_others(said);
        return;
    }
    printf("; positions %lld to %lld\n", number_of(said, "first_position"), number_of(said, "last_position"));
    print_counts("  of kinds: ", json_object_get(said, "kinds"));
    print_counts("  of domains: ", json_object_get(said, "domains"));
    if (json_array_size(json_object_get(said, "numbers")) > 0)
        print_numbers(json_object_get(said, "numbers"));
    print_others(said);
    json_array_foreach(json_object_get(said, "subscriptions"), i, one) {
        printf("  sent to %s (", json_string_value(json_object_get(one, "subscription")));
        columns_show(json_string_value(json_object_get(one, "subscriber")));
        printf("): %lld acknowledged, %lld possibly, %lld by snapshots; it is told what is left\n",
               number_of(one, "delivered"), number_of(one, "possibly"), number_of(one, "snapshots"));
    }
}
