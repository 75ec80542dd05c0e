// SPDX-License-Identifier: Apache-2.0
//
// YAML files read strictly, errors that name the line, and command lines.
#include "proto/base/config.h"
#include "proto/base/error.h"
#include "proto/base/options.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Source {
    char *name;
    int rows;
} Source;

typedef struct Settings {
    char *agency;
    bool live;
    Source *sources;
    unsigned sources_count;
} Settings;

static const cyaml_schema_field_t source_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, Source, name, 1, 10),
    CYAML_FIELD_INT("rows", CYAML_FLAG_OPTIONAL, Source, rows),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t source = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, Source, source_fields)};
static const cyaml_schema_field_t settings_fields[] = {
    CYAML_FIELD_STRING_PTR("agency", CYAML_FLAG_POINTER, Settings, agency, 1, 10),
    CONFIG_FIELD_BOOL("live", CYAML_FLAG_OPTIONAL, Settings, live),
    CYAML_FIELD_SEQUENCE("sources", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Settings, sources, &source, 0, 2),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, Settings, settings_fields)};

static void refused(const char *yaml, const char *sentence) {
    void *settings = NULL;
    assert_int_equal(config_parse(&settings, "f.yaml", yaml, strlen(yaml), &schema), ERROR_CONFIG);
    assert_null(settings);
    assert_string_equal(error_text(), sentence);
}

static void test_reads(void **state) {
    static const char yaml[] = "agency: MOH\nlive: yes\nsources:\n  - {name: a, rows: -3}\n  - name: đ\n";
    Settings *settings = NULL;
    assert_int_equal(config_parse((void **)&settings, "f.yaml", yaml, strlen(yaml), &schema), 0);
    assert_string_equal(settings->agency, "MOH");
    assert_true(settings->live);
    assert_int_equal(settings->sources_count, 2);
    assert_int_equal(settings->sources[0].rows, -3);
    assert_string_equal(settings->sources[1].name, "đ");
    config_free(settings, &schema);
    config_free(NULL, &schema);
}

static void test_refusals(void **state) {
    refused("", "f.yaml: is empty");
    refused("# nothing\n", "f.yaml: is empty");
    refused("agency: MOH\n\nagent: a\n", "f.yaml, line 3: there is no setting \"agent\" here");
    refused("agency: MOH\nsources:\n- name: a\n  # row: 3\n  row : 3\n",
            "f.yaml, line 4: there is no setting \"row\" here");
    refused("agency: 'arow: 1'\nrow: 3\n", "f.yaml, line 2: there is no setting \"row\" here");
    refused("live: yes\n", "f.yaml, in what ends at line 1: Missing required mapping field: agency");
    refused("agency: A\nsources:\n- name: a\n  rows: many\n", "f.yaml, line 4, rows: Invalid INT value: 'many'");
    refused("agency: a secret of many letters\n", "f.yaml, line 1, agency: STRING length > 10");
    refused("agency: A\nlive: maybe\n", "f.yaml, line 2, live: \"maybe\" is none of true, yes, on, false, no, off");
    refused("agency: A\nlive: 7\n", "f.yaml, line 2, live: \"7\" is none of true, yes, on, false, no, off");
    refused("agency: A\nagency: B\n", "f.yaml, line 1, agency: Mapping field already seen: agency");
    refused("agency: A\n--- \nagency: B\n", "f.yaml: Ignoring documents after first in stream");
    refused("agency: A\nsources:\n\t- name: a\n", "f.yaml, line 3: indented with a tab; YAML takes spaces only");
    refused("\tagency: A\n", "f.yaml, line 1: indented with a tab; YAML takes spaces only");
    refused("agency: &a A\nlive: *a\n", "f.yaml, line 2, live: YAML alias unsupported");
    refused("agency: [A]\n", "f.yaml, line 1, agency: Expecting STRING, got event: SEQUENCE_START");
    refused("agency: A\nsources: [{name: a}, {name: b}, {name: c}]\n",
            "f.yaml, line 2, sources: Excessive entries (2 max) in sequence.");
}

static void test_files(void **state) {
    char directory[SCRATCH_BYTES], path[SCRATCH_BYTES + 8];
    scratch_make(directory);
    scratch_write(directory, "f.yaml", "agency: MOH\n");
    snprintf(path, sizeof path, "%s/f.yaml", directory);
    void *settings = NULL;
    assert_int_equal(config_load(&settings, path, &schema), 0);
    config_free(settings, &schema);
    assert_int_equal(truncate(path, CONFIG_FILE_BYTES_MAX + 1), 0);
    assert_int_equal(config_load(&settings, path, &schema), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "larger than 1048576 bytes"));
    scratch_remove(directory);
    assert_int_equal(config_load(&settings, path, &schema), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "No such file"));
    assert_int_equal(config_load(&settings, "/", &schema), ERROR_CONFIG);
}

static void test_reads_a_pipe(void **state) {
    static const char yaml[] = "agency: MOH\n";
    char path[32];
    int ends[2];
    Settings *settings = NULL;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], yaml, sizeof yaml - 1), sizeof yaml - 1);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_int_equal(config_load((void **)&settings, path, &schema), 0);
    assert_string_equal(settings->agency, "MOH");
    config_free(settings, &schema);
    close(ends[0]);
}

static void test_writes_what_it_reads(void **state) {
    static const char yaml[] = "agency: \"a: b #\"\nlive: yes\nsources: [{name: \"- x\", rows: 3}, {name: đ}]\n";
    Settings *settings = NULL, *again = NULL;
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(config_parse((void **)&settings, "f.yaml", yaml, strlen(yaml), &schema), 0);
    FILE *out = open_memstream(&text, &n);
    assert_int_equal(config_write(out, settings, &schema), 0);
    fclose(out);
    assert_int_equal(config_parse((void **)&again, "f.yaml", text, n, &schema), 0);
    assert_string_equal(again->agency, "a: b #");
    assert_true(again->live);
    assert_int_equal(again->sources_count, 2);
    assert_string_equal(again->sources[0].name, "- x");
    assert_int_equal(again->sources[0].rows, 3);
    assert_string_equal(again->sources[1].name, "đ");
    config_free(settings, &schema);
    config_free(again, &schema);
    free(text);
}

static void test_finds_a_keys_line(void **state) {
    char directory[SCRATCH_BYTES], path[SCRATCH_BYTES + 8];
    scratch_make(directory);
    scratch_write(directory, "f.yaml", "# live: no\nagency: MOH\nsources:\n  - live: x\nlive : yes\nlively: 1");
    snprintf(path, sizeof path, "%s/f.yaml", directory);
    assert_int_equal(config_key_line(path, "agency"), 2);
    assert_int_equal(config_key_line(path, "live"), 5);
    assert_int_equal(config_key_line(path, "lively"), 6);
    assert_int_equal(config_key_line(path, "name"), 0);
    scratch_remove(directory);
    assert_int_equal(config_key_line(path, "live"), 0);
}

static void test_resolve(void **state) {
    static const char *const cases[][3] = {
        {"dongbo.yaml", "keys/a.yaml", "keys/a.yaml"},
        {"/etc/dongbo/c.yaml", "keys/a.yaml", "/etc/dongbo/keys/a.yaml"},
        {"/c.yaml", "a", "/a"},
        {"etc/c.yaml", "/a", "/a"},
        {"../c.yaml", "../a", "../../a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = NULL;
        assert_int_equal(config_resolve(&path, cases[i][0], cases[i][1]), 0);
        assert_string_equal(path, cases[i][2]);
        free(path);
    }
}

typedef struct Said {
    bool follow;
    const char *since;
    long long limit;
    int operand;
} Said;

static int parse(Said *said, int argc, const char **words) {
    const Option options[] = {
        {"follow", 'f', OPTION_FLAG, NULL, "wait for more", &said->follow},
        {"since", 0, OPTION_TEXT, "TIME", "start there", &said->since},
        {"limit", 'n', OPTION_INT, "N", "at most so many", &said->limit},
        {0},
    };
    const Command command = {"log tail", "AGENCY", "Show the log.", options, 1, 1, NULL};
    char *argv[10] = {NULL};
    *said = (Said){.limit = -1};
    for (int i = 0; i < argc; i++)
        argv[i] = (char *)words[i];
    int r = options_parse(&command, argc, argv, &said->operand);
    if (r == 0)
        assert_string_equal(argv[said->operand], "MOH");
    return r;
}

#define PARSE(said, ...)                                                                                               \
    parse(said, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *[]){__VA_ARGS__})

static void test_options(void **state) {
    Said said;
    assert_int_equal(PARSE(&said, "tail", "-f", "MOH", "--since=2026", "-n5"), 0);
    assert_true(said.follow);
    assert_string_equal(said.since, "2026");
    assert_int_equal(said.limit, 5);
    assert_int_equal(PARSE(&said, "tail", "--limit", "-7", "--", "MOH"), 0);
    assert_int_equal(said.limit, -7);
    assert_false(said.follow);
    assert_int_equal(PARSE(&said, "tail", "--foll", "MOH"), 0);
    assert_true(said.follow);
}

static void test_wrong_options(void **state) {
    Said said;
    static const struct {
        const char *word, *sentence;
    } cases[] = {
        {"--what", "there is no option --what, or it is short for several; see --help"},
        {"-x", "there is no option -x; see --help"},
        {"--limit=many", "--limit: \"many\" is not a whole number"},
        {"-n99999999999999999999", "--limit: \"99999999999999999999\" is not a whole number"},
        {"--since", "--since needs TIME; see --help"},
        {"-n", "--limit needs N; see --help"},
        {"--follow=1", "--follow=1 takes no value; see --help"},
        {"more", "log tail: \"more\" is one word too many; see --help"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(PARSE(&said, "tail", "MOH", cases[i].word), ERROR_CONFIG);
        assert_string_equal(error_text(), cases[i].sentence);
    }
    assert_int_equal(PARSE(&said, "tail", "-f"), ERROR_CONFIG);
    assert_string_equal(error_text(), "log tail needs AGENCY; see --help");
}

static void test_help(void **state) {
    Said said;
    char text[1024];
    FILE *file = tmpfile();
    int kept = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    int r = PARSE(&said, "tail", "--nonsense-after", "-h");
    int r2 = PARSE(&said, "tail", "-h");
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(r, ERROR_CONFIG);
    assert_int_equal(r2, 1);
    assert_string_equal(text, "Show the log.\n\nUsage: test-config log tail [OPTIONS] AGENCY\n\nOptions:\n"
                              "  -f, --follow      wait for more\n"
                              "      --since TIME  start there\n"
                              "  -n, --limit N     at most so many\n"
                              "  -h, --help        show this\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_reads_a_pipe),
        cmocka_unit_test(test_writes_what_it_reads),
        cmocka_unit_test(test_finds_a_keys_line),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
