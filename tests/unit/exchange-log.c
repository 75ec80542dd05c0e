// SPDX-License-Identifier: Apache-2.0
//
// Writes segments with the broker's own encoding and chain, and fails the test at once when anything here does not
// work.
#include "exchange-log.h"

#include "proto/base/error.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COMMITS "inproc://test-feed-commits"

Exchange exchange;

void exchange_ok(int r) {
    if (r != 0)
        fail_msg("%d: %s", r, error_text());
}

void exchange_run(const char *sql) {
    exchange_ok(pg_command(exchange.pg, sql));
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void migrate(void) {
    char path[512];
    const char *source = getenv("DONGBO_SOURCE");
    snprintf(path, sizeof path, "%s/schemas/exchange", source ? source : ".");
    struct dirent **files;
    int n = scandir(path, &files, NULL, by_name);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        if (strstr(files[i]->d_name, ".sql")) {
            snprintf(path, sizeof path, "%s/schemas/exchange/%s", source ? source : ".", files[i]->d_name);
            FILE *file = fopen(path, "r");
            static char sql[256 * 1024];
            sql[fread(sql, 1, sizeof sql - 1, file)] = 0;
            fclose(file);
            exchange_run(sql);
        }
        free(files[i]);
    }
    free(files);
}

static const char *POLICY_ROWS =
    "INSERT INTO exchange.agency (agency, code, name, domains) VALUES (1, 'MOH', 'Health', '{2}');"
    "INSERT INTO exchange.subscription (subscription, name, subscriber, secret)"
    " SELECT n, 'sub-' || n, 'a committee', sha256(n::text::bytea) FROM generate_series(1, 2) n;"
    "INSERT INTO exchange.subscription_policy VALUES"
    " (1, 1, 0, 'a decree', '2020-01-01', '2090-01-01', '{2}', '{}', '{health.lot_number,health.dose_number}'),"
    " (2, 1, 0, 'a decree', '2020-01-01', '2090-01-01', '{2}', '{79}', '{health.lot_number,citizen_number}')";

static void keys_register(void) {
    static const Oid types[] = {17, 23};
    static const PgStatement statement = {
        "key", "INSERT INTO exchange.key (key, purpose, subscription) VALUES ($1, 'curve', $2)", 2, types};
    ZapKey allowed[2];
    for (int i = 0; i < 2; i++) {
        exchange_ok(keys_generate(&exchange.keys[i]));
        memcpy(allowed[i].key, exchange.keys[i].curve_public, KEY_BYTES);
        zap_name(&allowed[i], "subscription", i + 1);
        PgParams params = {0};
        pg_param_bytes(&params, exchange.keys[i].curve_public, KEY_BYTES);
        pg_param_i32(&params, i + 1);
        exchange_ok(pg_run(exchange.pg, &statement, &params, NULL));
        pg_params_free(&params);
    }
    exchange_ok(zap_allow(exchange.zap, allowed, 2));
}

void exchange_feed_start(void) {
    FeedOptions options = {.exchange = "",
                           .population = "",
                           .endpoint = exchange.endpoint,
                           .commits = COMMITS,
                           .keys = &exchange.broker,
                           .clock = clock_system()};
    int port, r = ERROR_CONFIG;
    // An address is free some moments after its socket was closed, which libzmq does in the background.
    for (int i = 0; i < 500 && r < 0; i++) {
        r = feed_new(&exchange.feed, &options, &port);
        if (r < 0)
            zmq_poll(NULL, 0, 10);
    }
    exchange_ok(r);
    snprintf(exchange.endpoint, sizeof exchange.endpoint, "tcp://127.0.0.1:%d", port);
}

void exchange_feed_stop(void) {
    zactor_destroy(&exchange.feed);
}

int exchange_start(void **state) {
    zsys_handler_set(NULL);
    exchange_ok(keys_generate(&exchange.broker));
    exchange_ok(zap_new(&exchange.zap));
    exchange_ok(merkle_new(&exchange.merkle));
    exchange_ok(pg_new(&exchange.pg, "", "test"));
    exchange_ok(pg_connect(exchange.pg));
    migrate();
    exchange_run(POLICY_ROWS);
    keys_register();
    snprintf(exchange.endpoint, sizeof exchange.endpoint, "tcp://127.0.0.1:*");
    exchange_feed_start();
    exchange.commits = zsock_new_push(COMMITS);
    return 0;
}

int exchange_stop(void **state) {
    zsock_destroy(&exchange.commits);
    exchange_feed_stop();
    zap_destroy(&exchange.zap);
    pg_destroy(&exchange.pg);
    merkle_destroy(&exchange.merkle);
    return 0;
}

bool exchange_is_for(int subscription, uint64_t position) {
    return position % 5 != 0 && (subscription == 1 || position % 3 == 0);
}

// One vaccination; its body is malloc'd.
static void entry_fill(Dongbo__Entry *entry, uint64_t position) {
    static uint32_t changed[] = {2, 4};
    char lot[32];
    snprintf(lot, sizeof lot, "LOT-%llu", (unsigned long long)position);
    Dongbo__Vaccination body = DONGBO__VACCINATION__INIT;
    body.vaccine_group = (char *)"COVID-19";
    body.dose_number = 1;
    body.lot_number = lot;
    body.facility_code = (char *)"HIDDEN";
    dongbo__entry__init(entry);
    entry->kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
    entry->domain = DONGBO__DOMAIN__HEALTH;
    entry->verdict = position % 5 ? DONGBO__VERDICT__ACCEPTED : DONGBO__VERDICT__MISMATCH;
    entry->person = (int64_t)position;
    entry->agency = 1;
    entry->citizen_number = (char *)"001099012345";
    entry->record_key = (char *)"COVID-19\0371";
    entry->province_after = (char *)(position % 3 ? "01" : "79");
    entry->changed_fields = changed;
    entry->n_changed_fields = 2;
    entry->body.data = malloc(128);
    entry->body.len = dongbo__vaccination__pack(&body, entry->body.data);
}

// Chains the segment and inserts its row.
static void segment_insert(const Segment *segment) {
    static const Oid types[] = {20, 20, 23, 21, 21, 20, 20, 20, 17, 17, 17, 17};
    static const PgStatement statement = {
        "segment",
        "INSERT INTO exchange.segment (first_position, last_position, epoch, format, kind, stored_at_us,"
        " population_position, leaf_index, hash, frontier, summary, payload)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        12, types};
    SegmentHead *head = &exchange.head;
    SegmentPack packed = {0};
    exchange_ok(segment_encode(NULL, segment, &packed));
    segment_chain(segment, packed.entries_root, exchange.merkle, head);
    PgParams params = {0};
    pg_param_i64(&params, (int64_t)segment->first_position);
    pg_param_i64(&params, (int64_t)segment->last_position);
    pg_param_i32(&params, (int32_t)segment->epoch);
    pg_param_i16(&params, SEGMENT_FORMAT);
    pg_param_i16(&params, (int16_t)segment->kind);
    pg_param_i64(&params, segment->stored_at_us);
    pg_param_i64(&params, 0);
    pg_param_i64(&params, (int64_t)head->leaf_index - 1);
    pg_param_bytes(&params, head->hash, HASH_BYTES);
    pg_param_bytes(&params, head->frontier.nodes, frontier_bytes(&head->frontier));
    pg_param_bytes(&params, packed.summary.data, packed.summary.n);
    pg_param_bytes(&params, packed.payload.data, packed.payload.n);
    exchange_ok(pg_run(exchange.pg, &statement, &params, NULL));
    pg_params_free(&params);
    segment_pack_free(&packed);
}

void exchange_append(size_t n) {
    Dongbo__Entry *entries = calloc(n, sizeof *entries);
    const Dongbo__Entry **pointers = calloc(n, sizeof *pointers);
    const uint8_t **leaves = calloc(n, sizeof *leaves);
    const char **masked = calloc(n, sizeof *masked);
    uint64_t first = exchange.head.last_position + 1;
    for (size_t i = 0; i < n; i++) {
        entry_fill(&entries[i], first + i);
        pointers[i] = &entries[i];
    }
    segment_insert(&(Segment){.first_position = first,
                              .last_position = first + n - 1,
                              .epoch = 1,
                              .kind = DONGBO__ENTRY_KIND__ENTRY_EVENT,
                              .agency = 1,
                              .stored_at_us = clock_now_us(clock_system()),
                              .entries = pointers,
                              .n_entries = n,
                              .leaves = leaves,
                              .masked = masked});
    for (size_t i = 0; i < n; i++)
        free(entries[i].body.data);
    free(entries);
    free(pointers);
    free(leaves);
    free(masked);
}

void exchange_tell(void) {
    uint8_t position[8];
    for (int i = 0; i < 8; i++)
        position[i] = (uint8_t)(exchange.head.last_position >> (56 - 8 * i));
    zframe_t *frame = zframe_new(position, sizeof position);
    assert_int_equal(zframe_send(&frame, exchange.commits, 0), 0);
}
