// SPDX-License-Identifier: Apache-2.0
//
// The publishing agent's configuration: paths, defaults, and what depends on a source's kind.
#include "agents/publish_config.h"

#include "proto/base/error.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char directory[SCRATCH_BYTES];

static int setup(void **state) {
    scratch_make(directory);
    return 0;
}

static int teardown(void **state) {
    scratch_remove(directory);
    return 0;
}

#define HEAD                                                                                                           \
    "agency: MOH\nagent: moh-1\nkeys: keys/moh.yaml\n"                                                                 \
    "broker: {key: /etc/b.pub, endpoints: [\"tcp://a:1\", \"tcp://b:1\"]}\n"
#define SPOOL "spool: {path: s.db}\n"
#define CSV "  - {name: a, kind: csv, directory: drop, mapping: m.yaml}\n"
#define OUTBOX "  - {name: b, kind: outbox, conninfo: dbname=x, mapping: m.yaml, stream: bulk, take: delete}\n"

static int load(PublishConfig **config, const char *yaml) {
    char path[128];
    scratch_write(directory, "c.yaml", yaml);
    snprintf(path, sizeof path, "%s/c.yaml", directory);
    return publish_config_load(config, path);
}

static void test_resolves_paths_and_fills_in(void **state) {
    PublishConfig *config = NULL;
    char keys[128];
    assert_int_equal(load(&config, HEAD SPOOL "sources:\n" CSV OUTBOX), 0);
    snprintf(keys, sizeof keys, "%s/keys/moh.yaml", directory);
    assert_string_equal(config->keys, keys);
    assert_string_equal(config->broker.key, "/etc/b.pub");
    assert_int_equal(config->broker.endpoints_count, 2);
    assert_int_equal(config->sources_count, 2);
    assert_non_null(strstr(config->sources[0].directory, "/drop"));
    assert_int_equal(config->sources[0].stream, STREAM_LIVE);
    assert_int_equal(config->sources[1].stream, STREAM_BULK);
    assert_int_equal(config->sources[1].take, TAKE_DELETE);
    assert_int_equal(publish_config_bytes_max(config), 1 << 30);
    assert_int_equal(publish_config_keep_days(config), 7);
    assert_string_equal(publish_stream_name(STREAM_BULK), "bulk");
    publish_config_free(&config);
    assert_null(config);
}

static void refused(const char *yaml, int line, const char *why) {
    PublishConfig *config = NULL;
    char place[32];
    assert_int_equal(load(&config, yaml), ERROR_CONFIG);
    assert_null(config);
    snprintf(place, sizeof place, "line %d", line);
    if (strstr(error_text(), place) == NULL || strstr(error_text(), why) == NULL)
        fail_msg("not \"%s ... %s\": %s", place, why, error_text());
}

static void test_says_what_is_wrong_where(void **state) {
    refused(HEAD SPOOL "sources:\n" CSV CSV, 8, "twice");
    refused(HEAD SPOOL "sources:\n  - {name: a, kind: csv, mapping: m}\n", 7, "needs a directory");
    refused(HEAD SPOOL "sources:\n" CSV "  - {name: b, kind: outbox, mapping: m}\n", 8, "needs conninfo");
    refused(HEAD SPOOL "sources:\n  - {name: a, kind: csv, directory: d, mapping: m, table: t}\n", 7, "for an outbox");
    refused(HEAD SPOOL "sources:\n  - {name: a, kind: outbox, conninfo: c, mapping: m, pattern: x}\n", 7, "for csv");
    refused(HEAD SPOOL "sources:\n  - {name: a, kind: csv, directory: d, mapping: m, delimiter: \"::\"}\n", 7, "ASCII");
    refused(HEAD SPOOL "sources:\n  - {name: a, kind: tsv, directory: d, mapping: m}\n", 7, "kind");
    refused(HEAD "spool: {path: s.db, bytes_max: 1000}\nsources:\n" CSV, 5, "bytes_max");
    refused(HEAD SPOOL "sources:\n" CSV "colour: red\n", 8, "colour");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolves_paths_and_fills_in),
        cmocka_unit_test(test_says_what_is_wrong_where),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
