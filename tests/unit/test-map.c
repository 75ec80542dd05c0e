// SPDX-License-Identifier: Apache-2.0
//
// Mappings: what is wrong with one is said with file and line; what is wrong with a row is a reason for that row.
#include "agents/map.h"

#include "proto/base/error.h"
#include "proto/domain.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char directory[SCRATCH_BYTES];
static Arena *arena;

static int setup(void **state) {
    scratch_make(directory);
    return arena_new(&arena, 65536);
}

static int teardown(void **state) {
    arena_destroy(&arena);
    scratch_remove(directory);
    return 0;
}

static const char *path(void) {
    static char out[128];
    snprintf(out, sizeof out, "%s/m.yaml", directory);
    return out;
}

static int load(Map **map, const char *yaml) {
    scratch_write(directory, "m.yaml", yaml);
    return map_load(map, path());
}

// Refused at this line, with this in the sentence.
static void refused(const char *yaml, int line, const char *why) {
    Map *map = NULL;
    char place[160];
    assert_int_equal(load(&map, yaml), ERROR_CONFIG);
    assert_null(map);
    snprintf(place, sizeof place, "%s, line %d", path(), line);
    if (strstr(error_text(), place) == NULL || strstr(error_text(), why) == NULL)
        fail_msg("not \"%s: %s\": %s", place, why, error_text());
}

#define HEAD "domain: health\nsource_key: [id]\nfields:\n"
#define GOOD HEAD "  - {to: status, value: completed}\n"

static void test_names_the_line_of_what_is_wrong(void **state) {
    refused("domain: helth\nsource_key: [id]\nfields:\n  - {to: status, value: x}\n", 1, "helth");
    refused(GOOD "  - {to: status, column: s}\n", 5, "twice");
    refused(HEAD "  - {to: status, value: completed}\n  - to: subject.surname\n    column: s\n", 5, "subject.surname");
    refused(HEAD "  - {to: isced_level, column: s}\n", 4, "isced_level");
    refused(HEAD "  - {to: status}\n", 4, "either a column or a value");
    refused(HEAD "  - {to: status, column: s, value: x}\n", 4, "either a column or a value");
    refused(HEAD "  - {to: lot_number, value: x}\n  - {to: occurrence_date, column: d, date: \"MM/DD/YY\"}\n", 5,
            "YYYY");
    refused(HEAD "  - {to: occurrence_date, column: d, date: \"DD/YYYY\"}\n", 4, "YYYY");
    refused(HEAD "  - {to: status, value: x, date: \"YYYY\"}\n", 4, "constant");
    refused(GOOD "colour: blue\n", 5, "colour");
    refused(GOOD "operation: {column: op}\n", 5, "retract");
    refused(GOOD "event_time: at\nevent_time_date: MM/YYYY\n", 6, "YYYY, MM and DD");
    refused(GOOD "event_time_date: DD/MM/YYYY\n", 5, "event_time's column");
    refused(HEAD "  - {to: status, columm: s}\n", 4, "columm");
    refused(HEAD "  - {to: status, value: x, clears_when: [z]}\n", 4, "cleared");
    refused(HEAD "  - {to: subject.sex, column: x, clears_when: [z]}\n", 4, "cleared");
    refused("domain: population\nsource_key: [id]\noperation: {column: op, retract: [D]}\nfields:\n"
            "  - {to: kind, column: k}\n",
            3, "kind correction");
}

static void test_needs_its_parts(void **state) {
    Map *map = NULL;
    assert_int_equal(load(&map, "domain: health\nfields:\n  - {to: status, value: x}\n"), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "source_key"));
    assert_int_equal(load(&map, "source_key: [id]\nfields:\n  - {to: status, value: x}\n"), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "domain"));
}

static const char FULL[] = "domain: health\n"
                           "source_key: [id, part]\n"
                           "event_time: at\n"
                           "operation: {column: op, retract: [D, X], correct: [C]}\n"
                           "fields:\n"
                           "  - {to: subject.citizen_number, column: number}\n"
                           "  - {to: occurrence_date, column: on, date: \"DD/MM/YYYY\"}\n"
                           "  - {to: status, column: st, codes: [{from: \"Đã tiêm\", to: completed}]}\n"
                           "  - {to: dose_number, column: dose}\n"
                           "  - {to: lot_number, value: L1}\n";
enum { ID, PART, AT, OP, NUMBER, ON, ST, DOSE, N_COLUMNS };

// Columns are in the order in which the file first names them.
static Map *full(void) {
    Map *map = NULL;
    assert_int_equal(load(&map, FULL), 0);
    assert_int_equal(map_n_columns(map), N_COLUMNS);
    assert_string_equal(map_column(map, NUMBER), "number");
    assert_int_equal(map_column_line(map, NUMBER), 6);
    assert_int_equal(map_column_line(map, PART), 2);
    return map;
}

static int apply(Map *map, const char *const texts[N_COLUMNS], Dongbo__ChangeEvent **event, MapFault *fault) {
    MapText values[N_COLUMNS];
    for (int i = 0; i < N_COLUMNS; i++)
        values[i] = (MapText){texts[i], texts[i] == NULL ? 0 : strlen(texts[i])};
    arena_reset(arena);
    return map_apply(map, &(MapRow){values, 42}, arena, event, fault);
}

#define ROW                                                                                                            \
    { "7", "b", "2022-03-01T08:00:00+07:00", "I", "001099000001", "3/1/2021", "Đã tiêm", "2" }

static void test_maps_a_row(void **state) {
    Map *map = full();
    const char *row[N_COLUMNS] = ROW;
    Dongbo__ChangeEvent *event;
    MapFault fault;
    assert_int_equal(apply(map, row, &event, &fault), 0);
    assert_int_equal(event_domain(event), DONGBO__DOMAIN__HEALTH);
    assert_string_equal(event->source_key, "7/b");
    assert_int_equal(event->event_time_us, 1646096400000000);
    assert_int_equal(event->operation, DONGBO__OPERATION__UPSERT);
    assert_string_equal(event->subject->citizen_number, "001099000001");
    assert_string_equal(event->health->occurrence_date, "2021-01-03");
    assert_string_equal(event->health->status, "completed");
    assert_int_equal(event->health->dose_number, 2);
    assert_string_equal(event->health->lot_number, "L1");
    // In another normal form than the mapping is.
    row[6] = "Đa\xCC\x83 tie\xCC\x82m";
    assert_int_equal(apply(map, row, &event, &fault), 0);
    assert_string_equal(event->health->status, "completed");
    row[OP] = "X";
    assert_int_equal(apply(map, row, &event, &fault), 0);
    assert_int_equal(event->operation, DONGBO__OPERATION__RETRACT);
    row[OP] = "C";
    assert_int_equal(apply(map, row, &event, &fault), 0);
    assert_int_equal(event->operation, DONGBO__OPERATION__CORRECT);
    map_destroy(&map);
}

static void test_gives_a_reason_for_a_bad_row(void **state) {
    static char long_text[1100];
    memset(long_text, 'x', sizeof long_text - 1);
    const struct {
        int column;
        const char *text;
        int code;
        const char *field;
    } cases[] = {
        {ID, "", DONGBO__REASON_CODE__FIELD_MISSING, "source_key"},
        {PART, NULL, DONGBO__REASON_CODE__FIELD_MISSING, "source_key"},
        {AT, "", DONGBO__REASON_CODE__FIELD_MISSING, "event_time"},
        {AT, "hôm qua", DONGBO__REASON_CODE__DATE_INVALID, "event_time"},
        {OP, "\x01", DONGBO__REASON_CODE__TEXT_INVALID, "operation"},
        {NUMBER, NULL, DONGBO__REASON_CODE__FIELD_MISSING, "subject.citizen_number"},
        {NUMBER, "001\xC3\x28", DONGBO__REASON_CODE__TEXT_INVALID, "subject.citizen_number"},
        {NUMBER, long_text, DONGBO__REASON_CODE__EVENT_LIMITS, "subject.citizen_number"},
        {ON, "31/02/2021", DONGBO__REASON_CODE__DATE_INVALID, "occurrence_date"},
        {ON, "1/2", DONGBO__REASON_CODE__DATE_INVALID, "occurrence_date"},
        {ON, "01/02/21", DONGBO__REASON_CODE__DATE_INVALID, "occurrence_date"},
        {ON, "01/02/20211", DONGBO__REASON_CODE__DATE_INVALID, "occurrence_date"},
        {ST, "đã tiêm", DONGBO__REASON_CODE__CODE_UNKNOWN, "status"},
        {DOSE, "hai", DONGBO__REASON_CODE__FIELD_FORMAT, "dose_number"},
        {DOSE, "-1", DONGBO__REASON_CODE__FIELD_FORMAT, "dose_number"},
        {DOSE, "4294967296", DONGBO__REASON_CODE__FIELD_FORMAT, "dose_number"},
    };
    Map *map = full();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *row[N_COLUMNS] = ROW;
        Dongbo__ChangeEvent *event;
        MapFault fault;
        row[cases[i].column] = cases[i].text;
        assert_int_equal(apply(map, row, &event, &fault), 1);
        assert_int_equal(fault.code, cases[i].code);
        assert_string_equal(fault.field, cases[i].field);
        assert_string_equal(fault.column, map_column(map, cases[i].column));
    }
    map_destroy(&map);
}

static void test_leaves_unsaid_what_is_empty(void **state) {
    Map *map = full();
    const char *row[N_COLUMNS] = {"7", "b", "2022-03-01", "I", "", "", "", ""};
    Dongbo__ChangeEvent *event;
    MapFault fault;
    assert_int_equal(apply(map, row, &event, &fault), 0);
    assert_string_equal(event->subject->citizen_number, "");
    assert_int_equal(fields_said(event_body(event)), 1u << 4); // the constant only
    map_destroy(&map);
}

// As tables have it that know of one country only, and as PostgreSQL writes a timestamptz.
static void test_time_without_an_offset_is_vietnams(void **state) {
    static const char *const texts[] = {"2022-03-01 08:00", "2022-03-01T08:00:00.000", "2022-03-01 08:00:00+07"};
    Map *map = full();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *row[N_COLUMNS] = ROW;
        Dongbo__ChangeEvent *event;
        MapFault fault;
        row[AT] = texts[i];
        assert_int_equal(apply(map, row, &event, &fault), 0);
        assert_int_equal(event->event_time_us, 1646096400000000);
    }
    map_destroy(&map);
}

static void test_time_with_a_day_of_its_own_form(void **state) {
    static const struct {
        const char *text;
        int64_t us; // 0: no time
    } cases[] = {{"01/03/2022 8:00", 1646096400000000},
                 {"1/3/2022 08:00:00+07:00", 1646096400000000},
                 {"01/03/2022", 1646067600000000},
                 {"2022-03-01T08:00:00", 1646096400000000},
                 {"01/03/2022 08:00:00 ", 1646096400000000},
                 {"03/13/2022 08:00", 0},
                 {"01/03/2022 8", 0},
                 {"2022 08:00", 0}};
    Map *map = NULL;
    assert_int_equal(load(&map, GOOD "event_time: at\nevent_time_date: DD/MM/YYYY\n"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *row[] = {"7", cases[i].text};
        MapText values[] = {{row[0], 1}, {row[1], strlen(row[1])}};
        Dongbo__ChangeEvent *event;
        MapFault fault;
        arena_reset(arena);
        int code = map_apply(map, &(MapRow){values, 42}, arena, &event, &fault);
        assert_int_equal(code, cases[i].us == 0 ? 1 : 0);
        if (cases[i].us != 0)
            assert_int_equal(event->event_time_us, cases[i].us);
    }
    map_destroy(&map);
}

// As spreadsheets, web pages and columns of a fixed width leave it.
static void test_leaves_out_white_space_around_values(void **state) {
    Map *map = full();
    const char *row[N_COLUMNS] = {
        " 7", "b ", " 2022-03-01 ", "X  ", " 001099000001\u00a0", "\t3/1/2021", "Đã tiêm\u3000", "\ufeff2\u200b "};
    Dongbo__ChangeEvent *event;
    MapFault fault;
    assert_int_equal(apply(map, row, &event, &fault), 0);
    assert_string_equal(event->source_key, " 7/b ");
    assert_int_equal(event->event_time_us, 1646067600000000);
    assert_int_equal(event->operation, DONGBO__OPERATION__RETRACT);
    assert_string_equal(event->subject->citizen_number, "001099000001");
    assert_string_equal(event->health->occurrence_date, "2021-01-03");
    assert_string_equal(event->health->status, "completed");
    assert_int_equal(event->health->dose_number, 2);
    row[NUMBER] = "\u2007 \u00a0";
    assert_int_equal(apply(map, row, &event, &fault), 0);
    assert_string_equal(event->subject->citizen_number, "");
    row[NUMBER] = " 001 099000001 "; // between digits it is no slip of a form
    assert_int_equal(apply(map, row, &event, &fault), 0);
    assert_string_equal(event->subject->citizen_number, "001 099000001");
    map_destroy(&map);
}

// A source that writes FHIR dates here and there is understood; so is one that knows the year only.
static void test_reads_dates_as_they_come(void **state) {
    static const char *const CASES[][2] = {
        {"03/01/2021", "2021-01-03"}, {"2021-01-03", "2021-01-03"}, {"1990", "1990"}};
    Map *map = full();
    for (int i = 0; i < 3; i++) {
        const char *row[N_COLUMNS] = ROW;
        Dongbo__ChangeEvent *event;
        MapFault fault;
        row[ON] = CASES[i][0];
        assert_int_equal(apply(map, row, &event, &fault), 0);
        assert_string_equal(event->health->occurrence_date, CASES[i][1]);
    }
    map_destroy(&map);
}

// With a format of the mapping's, and without one.
static void test_leaves_unsaid_a_date_that_is_not_known(void **state) {
    static const char yaml[] = HEAD "  - {to: subject.birth_date, column: born}\n"
                                    "  - {to: occurrence_date, column: on, date: \"DD/MM/YYYY\"}\n"
                                    "  - {to: lot_number, column: lot}\n";
    static const char *const CASES[][2] = {
        {"không rõ", ""}, {" N/A ", ""}, {"-", ""}, {"00/00/0000", ""}, {"1990-02-03", "1990-02-03"}, {"1990", "1990"}};
    Map *map = NULL;
    assert_int_equal(load(&map, yaml), 0);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *text = CASES[i][0];
        const MapText row[] = {{"k", 1}, {text, strlen(text)}, {text, strlen(text)}, {"N/A", 3}};
        Dongbo__ChangeEvent *event;
        MapFault fault;
        arena_reset(arena);
        assert_int_equal(map_apply(map, &(MapRow){row, 42}, arena, &event, &fault), 0);
        assert_string_equal(event->subject->birth_date, CASES[i][1]);
        assert_string_equal(event->health->occurrence_date, CASES[i][1]);
        assert_string_equal(event->health->lot_number, "N/A"); // may be one
    }
    // What is neither is for the exchange to judge where no format was given.
    const MapText odd[] = {{"k", 1}, {"hôm qua", 8}, {"", 0}, {"", 0}};
    Dongbo__ChangeEvent *event;
    MapFault fault;
    assert_int_equal(map_apply(map, &(MapRow){odd, 42}, arena, &event, &fault), 0);
    assert_string_equal(event->subject->birth_date, "hôm qua");
    map_destroy(&map);
}

static void test_leaves_unsaid_an_optional_column_that_is_not_there(void **state) {
    Map *map = NULL;
    assert_int_equal(load(&map, HEAD "  - {to: status, column: s, optional: true, clears_when: [\"\"]}\n"), 0);
    assert_true(map_column_optional(map, 1) && !map_column_optional(map, 0));
    const MapText row[] = {{"k", 1}, {NULL, 0}}, empty[] = {{"k", 1}, {"", 0}};
    Dongbo__ChangeEvent *event;
    MapFault fault;
    arena_reset(arena);
    assert_int_equal(map_apply(map, &(MapRow){row, 42}, arena, &event, &fault), 0);
    assert_int_equal(fields_said(event_body(event)), 0);
    assert_int_equal(event->n_cleared_fields, 0);
    assert_int_equal(map_apply(map, &(MapRow){empty, 42}, arena, &event, &fault), 0);
    assert_int_equal(event->n_cleared_fields, 1);
    map_destroy(&map);
}

// Before what the mapping makes of other words; of what is withdrawn nothing is cleared.
static void test_clears_what_holds_no_longer(void **state) {
    static const char yaml[] =
        HEAD "  - {to: occurrence_date, column: on, date: \"DD/MM/YYYY\", clears_when: [\"-\", \"không có\"]}\n"
             "  - {to: status, column: st, codes: [{from: A, to: completed}], clears_when: [none]}\n"
             "  - {to: lot_number, column: lot, clears_when: [\"\"]}\n"
             "operation: {column: op, retract: [D]}\n";
    static const struct {
        const char *texts[5]; // the key, the operation, and the fields
        uint32_t said, cleared;
    } CASES[] = {
        {{"k", "", "-", "none", ""}, 0, 1u << 5 | 1u << 7 | 1u << 4},
        {{"k", "", " không có ", "A", "L1"}, 1u << 7 | 1u << 4, 1u << 5},
        {{"k", "", "", "", "L1"}, 1u << 4, 0},
        {{"k", "", "N/A", "A", "-"}, 1u << 7 | 1u << 4, 0},
        {{"k", "D", "-", "none", ""}, 0, 0},
    };
    Map *map = NULL;
    assert_int_equal(load(&map, yaml), 0);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        MapText row[5];
        for (int column = 0; column < 5; column++)
            row[column] = (MapText){CASES[i].texts[column], strlen(CASES[i].texts[column])};
        Dongbo__ChangeEvent *event;
        MapFault fault;
        arena_reset(arena);
        assert_int_equal(map_apply(map, &(MapRow){row, 42}, arena, &event, &fault), 0);
        assert_int_equal(fields_said(event_body(event)), CASES[i].said);
        uint32_t cleared = 0;
        for (size_t n = 0; n < event->n_cleared_fields; n++)
            cleared |= 1u << event->cleared_fields[n];
        assert_int_equal(cleared, CASES[i].cleared);
    }
    map_destroy(&map);
}

static void test_takes_the_rows_time_when_none_is_named(void **state) {
    Map *map = NULL;
    assert_int_equal(load(&map, GOOD), 0);
    MapText key = {"k", 1};
    Dongbo__ChangeEvent *event;
    MapFault fault;
    arena_reset(arena);
    assert_int_equal(map_apply(map, &(MapRow){&key, 42}, arena, &event, &fault), 0);
    assert_int_equal(event->event_time_us, 42);
    map_destroy(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_the_line_of_what_is_wrong),
        cmocka_unit_test(test_needs_its_parts),
        cmocka_unit_test(test_maps_a_row),
        cmocka_unit_test(test_gives_a_reason_for_a_bad_row),
        cmocka_unit_test(test_leaves_unsaid_what_is_empty),
        cmocka_unit_test(test_time_without_an_offset_is_vietnams),
        cmocka_unit_test(test_time_with_a_day_of_its_own_form),
        cmocka_unit_test(test_leaves_out_white_space_around_values),
        cmocka_unit_test(test_reads_dates_as_they_come),
        cmocka_unit_test(test_leaves_unsaid_a_date_that_is_not_known),
        cmocka_unit_test(test_leaves_unsaid_an_optional_column_that_is_not_there),
        cmocka_unit_test(test_clears_what_holds_no_longer),
        cmocka_unit_test(test_takes_the_rows_time_when_none_is_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
