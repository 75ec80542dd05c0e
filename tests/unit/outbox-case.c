// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "tests/unit/outbox-case.h"

#include "agents/source_outbox.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const char MAPPING[] = "domain: health\nsource_key: [id]\nfields:\n  - {to: lot_number, column: lot}\n";

// Adds a row as often as public.coming says.
static const char BUSY[] =
    "CREATE TABLE public.coming (n int); INSERT INTO public.coming VALUES (0);"
    "CREATE FUNCTION public.come() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
    "    UPDATE public.coming SET n = n - 1 WHERE n > 0;"
    "    IF FOUND THEN"
    "        INSERT INTO public.dongbo_outbox (op, \"row\") VALUES ('I', '{\"id\": \"2\", \"lot\": \"L\"}');"
    "        NOTIFY dongbo_outbox;"
    "    END IF;"
    "    RETURN true; END $$;"
    "CREATE VIEW public.busy AS SELECT * FROM public.dongbo_outbox WHERE (SELECT public.come())";

void done(int r) {
    if (r < 0)
        fail_msg("%d: %s", r, error_text());
}

static void make_outbox(OutboxCase *c) {
    char path[4096], sql[16384];
    const char *source = getenv("DONGBO_SOURCE");
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/agents/outbox.sql", source);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(sql, 1, sizeof sql - 1, file);
    fclose(file);
    sql[n] = 0;
    done(pg_new(&c->ministry, "", "ministry"));
    done(pg_connect(c->ministry));
    done(pg_command(c->ministry, sql));
    done(pg_command(c->ministry, BUSY));
}

int outbox_case_setup(void **state) {
    OutboxCase *c = calloc(1, sizeof *c);
    char path[128];
    assert_int_equal(publish_case_setup((void **)&c->test), 0);
    scratch_write(c->test->directory, "m.yaml", MAPPING);
    snprintf(path, sizeof path, "%s/m.yaml", c->test->directory);
    done(map_load(&c->map, path));
    done(arena_new(&c->arena, 1 << 20));
    make_outbox(c);
    c->config = (SourceConfig){.name = "s", .kind = SOURCE_OUTBOX, .conninfo = "", .table = "public.busy"};
    SourceOptions options = {&c->config, c->test->spool, c->map, &c->test->clock};
    done(source_new(&c->source, &options));
    c->intake = (Intake){.spool = c->test->spool, .map = c->map, .sealer = c->test->sealer, .arena = c->arena};
    *state = c;
    return 0;
}

int outbox_case_teardown(void **state) {
    OutboxCase *c = *state;
    source_destroy(&c->source);
    done(pg_command(c->ministry, "DROP TABLE public.dongbo_outbox, public.dongbo_outbox_result, public.coming CASCADE;"
                                 "DROP FUNCTION public.come()"));
    pg_destroy(&c->ministry);
    map_destroy(&c->map);
    arena_destroy(&c->arena);
    void *test = c->test;
    free(c);
    return publish_case_teardown(&test);
}

uint64_t look(OutboxCase *c) {
    uint64_t bytes;
    done(c->source->kind->look(c->source, &bytes));
    return bytes;
}

void read_all(OutboxCase *c) {
    c->intake.rows = 0;
    sealer_mark(c->test->sealer);
    done(spool_begin(c->test->spool));
    assert_int_equal(c->source->kind->read(c->source, &c->intake), 1);
    done(sealer_flush(c->test->sealer));
    done(spool_commit(c->test->spool));
    done(c->source->kind->settle(c->source, true));
}

void open_on(OutboxCase *c, char *table) {
    source_destroy(&c->source);
    c->config.table = table;
    done(ledger_results_again(c->test->spool, NULL));
    SourceOptions options = {&c->config, c->test->spool, c->map, &c->test->clock};
    done(source_new(&c->source, &options));
}

// On the documented table itself.
void open_table(OutboxCase *c) {
    open_on(c, "public.dongbo_outbox");
}

bool take_what_is_there(OutboxCase *c) {
    c->test->now_us += 60000000;
    bool there = look(c) > 0;
    if (there)
        read_all(c);
    return there;
}

int try_to_hand_back(OutboxCase *c) {
    Origin origin;
    int n;
    assert_int_equal(ledger_origin(c->test->spool, 1, &origin), 0);
    int r = c->source->kind->hand_back(c->source, &origin, &n);
    return r < 0 ? r : n;
}

int hand_back(OutboxCase *c) {
    int r = try_to_hand_back(c);
    done(r);
    return r;
}

int number(OutboxCase *c, const PgStatement *statement) {
    PGresult *result;
    done(pg_run(c->ministry, statement, NULL, &result));
    int n = pg_i32(result, 0, 0);
    PQclear(result);
    return n;
}

const char *left(const OutboxCase *c) {
    return c->source->kind->left(c->source);
}

int answers(OutboxCase *c) {
    static const PgStatement ANSWERS = {"answers", "SELECT count(*)::int FROM public.dongbo_outbox_result", 0, NULL};
    return number(c, &ANSWERS);
}

void refuse_rows(OutboxCase *c, int n) {
    char sql[200];
    snprintf(sql, sizeof sql,
             "INSERT INTO public.dongbo_outbox (op, \"row\") SELECT 'I', jsonb_build_object('id', '', 'n', n) "
             "FROM generate_series(1, %d) AS n",
             n);
    done(pg_command(c->ministry, sql));
    assert_true(take_what_is_there(c));
}

int sealed(OutboxCase *c) {
    return (int)publish_case_stream(c->test).last_sequence;
}
