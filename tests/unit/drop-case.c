// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/drop-case.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const char MAPPING[] = "domain: health\nsource_key: [id]\nfields:\n  - {to: lot_number, column: lot}\n";

void open_source(DropCase *c) {
    SourceOptions options = {&c->config, c->test->spool, c->map, &c->test->clock};
    assert_int_equal(source_new(&c->source, &options), 0);
    c->intake = (Intake){.spool = c->test->spool, .map = c->map, .sealer = c->test->sealer, .arena = c->arena};
}

void drop_case(DropCase *c, PublishCase *test, const char *encoding) {
    char path[128];
    *c = (DropCase){.test = test};
    snprintf(c->drop, sizeof c->drop, "%s/drop", test->directory);
    assert_int_equal(mkdir(c->drop, 0700), 0);
    scratch_write(test->directory, "m.yaml", MAPPING);
    snprintf(path, sizeof path, "%s/m.yaml", test->directory);
    assert_int_equal(map_load(&c->map, path), 0);
    assert_int_equal(arena_new(&c->arena, 1 << 20), 0);
    c->config = (SourceConfig){.name = "s", .kind = SOURCE_CSV, .directory = c->drop, .encoding = (char *)encoding};
    open_source(c);
}

void drop_case_end(DropCase *c) {
    source_destroy(&c->source);
    map_destroy(&c->map);
    arena_destroy(&c->arena);
}

void crash(DropCase *c) {
    source_destroy(&c->source);
    publish_case_close(c->test);
    publish_case_open(c->test);
    open_source(c);
}

void put(DropCase *c, const char *name, const char *text) {
    char hidden[80];
    snprintf(hidden, sizeof hidden, ".%.70s", name);
    scratch_write(c->drop, hidden, text);
    char from[300], to[400];
    snprintf(from, sizeof from, "%s/%s", c->drop, hidden);
    snprintf(to, sizeof to, "%s/%s", c->drop, name);
    assert_int_equal(rename(from, to), 0);
}

bool is_there(DropCase *c, const char *name) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s", c->drop, name);
    return access(path, F_OK) == 0;
}

uint64_t look(DropCase *c) {
    uint64_t bytes;
    assert_int_equal(c->source->kind->look(c->source, &bytes), 0);
    return bytes;
}

int read_once(DropCase *c, bool commit) {
    c->intake.rows = 0;
    sealer_mark(c->test->sealer);
    (void)look(c);
    assert_int_equal(spool_begin(c->test->spool), 0);
    int r = c->source->kind->read(c->source, &c->intake);
    assert_true(r >= 0);
    assert_int_equal(sealer_flush(c->test->sealer), 0);
    if (commit)
        assert_int_equal(spool_commit(c->test->spool), 0);
    else
        spool_rollback(c->test->spool);
    assert_int_equal(c->source->kind->settle(c->source, commit), 0);
    return r;
}

uint64_t sealed(DropCase *c) {
    return publish_case_stream(c->test).last_sequence;
}

int ack(DropCase *c, int most) {
    int n = 0;
    SpoolBatch batch;
    Bytes receipt = {0};
    bytes_append_text(&receipt, "r");
    int64_t stream = publish_case_stream(c->test).id;
    assert_int_equal(spool_begin(c->test->spool), 0);
    for (; n < most && spool_next(c->test->spool, stream, 0, &batch) == 0; n++) {
        assert_int_equal(spool_ack(c->test->spool, &batch, &receipt), 0);
        SpoolBatch found;
        Item item;
        assert_int_equal(spool_find(c->test->spool, stream, batch.first_sequence, &found), 0);
        const uint8_t *at = found.items;
        while (item_read(&at, found.items + found.items_bytes, &item) == 0)
            assert_int_equal(ledger_waiting_add(c->test->spool, item.origin, -1), 0);
    }
    assert_int_equal(spool_commit(c->test->spool), 0);
    assert_int_equal(c->source->kind->receipts(c->source), 0);
    bytes_free(&receipt);
    return n;
}

void ack_all(DropCase *c) {
    ack(c, INT_MAX);
}

char *rows(int from, int n) {
    static char out[2 << 20];
    size_t at = (size_t)snprintf(out, sizeof out, "id,other,lot\n");
    for (int i = from; i < from + n; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%d,\"x,y\",L%d\n", i, i);
    return out;
}

void path_of(const DropCase *c, const char *name, char out[300]) {
    snprintf(out, 300, "%s/%s", c->drop, name);
}

void move(DropCase *c, const char *from, const char *to) {
    char path_from[300], path_to[300];
    path_of(c, from, path_from);
    path_of(c, to, path_to);
    assert_int_equal(rename(path_from, path_to), 0);
}

void read_all(DropCase *c) {
    while (look(c) > 0)
        read_once(c, true);
}

int64_t last_origin(DropCase *c) {
    int64_t last;
    assert_int_equal(ledger_origin_last(c->test->spool, &last), 0);
    return last;
}
