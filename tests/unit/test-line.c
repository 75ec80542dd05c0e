// SPDX-License-Identifier: Apache-2.0
//
// A line of the sync log, for scripts and for people: masked by default, absent values null, no colour unless asked.
#include "operators/columns.h"
#include "operators/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Sample {
    Dongbo__SummaryLine summary;
    Dongbo__Entry entry;
    Dongbo__Reason told, masked;
    Dongbo__Reason *told_list[1], *masked_list[1];
    uint8_t id[16];
    Line line;
} Sample;

static void make_sample(Sample *s) {
    *s = (Sample){.summary = DONGBO__SUMMARY_LINE__INIT,
                  .entry = DONGBO__ENTRY__INIT,
                  .told = DONGBO__REASON__INIT,
                  .masked = DONGBO__REASON__INIT,
                  .id = {0xAB, 0xCD}};
    s->told.code = s->masked.code = DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS;
    s->told.field = s->masked.field = "subject.birth_date";
    s->told.expected = "1990-01-02";
    s->told_list[0] = &s->told;
    s->masked_list[0] = &s->masked;
    s->summary.kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
    s->summary.sequence = 7;
    s->summary.domain = DONGBO__DOMAIN__HEALTH;
    s->summary.verdict = DONGBO__VERDICT__MISMATCH;
    s->summary.n_reasons = 1;
    s->summary.reasons = s->masked_list;
    s->summary.citizen_masked = "001*******01";
    s->entry.event_id = (ProtobufCBinaryData){sizeof s->id, s->id};
    s->entry.citizen_number = "001090000001";
    s->entry.n_reasons = 1;
    s->entry.reasons = s->told_list;
    s->line = (Line){
        .position = 42, .stored_at_us = 1646096407123456, .agency = 0, .summary = &s->summary, .entry = &s->entry};
}

static json_t *json_line(const LineFormat *format, const Line *line) {
    Bytes out = {0};
    line_write(format, line, &out);
    assert_false(out.failed);
    assert_int_equal(out.data[out.n - 1], '\n');
    assert_null(memchr(out.data, '\n', out.n - 1));
    json_t *object = json_loadb((const char *)out.data, out.n, 0, NULL);
    assert_non_null(object);
    bytes_free(&out);
    return object;
}

static const char *text_line(const LineFormat *format, const Line *line) {
    static char text[1024];
    Bytes out = {0};
    line_write(format, line, &out);
    assert_in_range(out.n, 1, sizeof text - 1);
    memcpy(text, out.data, out.n);
    text[out.n] = '\0';
    bytes_free(&out);
    return text;
}

static void test_json_has_what_scripts_rely_on(void **state) {
    Sample s;
    make_sample(&s);
    const LineFormat format = {LINE_JSON, false, NULL};
    json_t *object = json_line(&format, &s.line);
    json_int_t position, sequence;
    const char *time, *kind, *event_id, *domain, *citizen, *verdict, *code, *field;
    assert_int_equal(json_unpack(object, "{s:I, s:s, s:s, s:n, s:I, s:s, s:s, s:s, s:s, s:[{s:s, s:s}]}", "position",
                                 &position, "time", &time, "kind", &kind, "agency", "sequence", &sequence, "event_id",
                                 &event_id, "domain", &domain, "citizen", &citizen, "verdict", &verdict, "reasons",
                                 "code", &code, "field", &field),
                     0);
    assert_int_equal(position, 42);
    assert_int_equal(sequence, 7);
    assert_string_equal(time, "2022-03-01T01:00:07.123456Z");
    assert_string_equal(kind, "event");
    assert_string_equal(event_id, "abcd0000000000000000000000000000");
    assert_string_equal(domain, "health");
    assert_string_equal(citizen, "001*******01");
    assert_string_equal(verdict, "MISMATCH");
    assert_string_equal(code, "BIRTH_DATE_DIFFERS");
    assert_string_equal(field, "subject.birth_date");
    json_decref(object);
}

static void test_nothing_stored_is_shown_unless_unmasked(void **state) {
    Sample s;
    make_sample(&s);
    for (LineStyle style = LINE_PLAIN; style <= LINE_JSON; style++) {
        const LineFormat masked = {style, false, NULL}, unmasked = {style, true, NULL};
        const char *text = text_line(&masked, &s.line);
        assert_null(strstr(text, "001090000001"));
        assert_null(strstr(text, "1990-01-02"));
        assert_non_null(strstr(text_line(&unmasked, &s.line), "001090000001"));
    }
    const LineFormat json = {LINE_JSON, true, NULL};
    assert_non_null(strstr(text_line(&json, &s.line), "\"expected\":\"1990-01-02\""));
}

static void test_without_the_payload_the_event_id_is_null(void **state) {
    Sample s;
    make_sample(&s);
    s.line.entry = NULL;
    const LineFormat format = {LINE_JSON, true, NULL};
    json_t *object = json_line(&format, &s.line);
    assert_true(json_is_null(json_object_get(object, "event_id")));
    assert_string_equal(json_string_value(json_object_get(object, "citizen")), "001*******01");
    json_decref(object);
}

static void test_lines_about_no_event_say_what_happened(void **state) {
    Sample s;
    make_sample(&s);
    s.summary = (Dongbo__SummaryLine)DONGBO__SUMMARY_LINE__INIT;
    s.summary.kind = DONGBO__ENTRY_KIND__ENTRY_POLICY;
    s.summary.text = "agency \"MOH\" added";
    s.line.entry = NULL;
    const LineFormat json = {LINE_JSON, false, NULL}, plain = {LINE_PLAIN, false, NULL};
    json_t *object = json_line(&json, &s.line);
    assert_string_equal(json_string_value(json_object_get(object, "text")), s.summary.text);
    const char *nulls[] = {"agency", "sequence", "event_id", "domain", "citizen", "verdict"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        assert_true(json_is_null(json_object_get(object, nulls[i])));
    assert_int_equal(json_array_size(json_object_get(object, "reasons")), 0);
    json_decref(object);
    assert_non_null(strstr(text_line(&plain, &s.line), "policy          agency \"MOH\" added\n"));
}

static void test_colour_is_for_terminals_and_changes_no_text(void **state) {
    Sample s;
    make_sample(&s);
    const LineFormat plain = {LINE_PLAIN, false, NULL}, colour = {LINE_COLOUR, false, NULL};
    char expected[1024];
    snprintf(expected, sizeof expected, "%s", text_line(&plain, &s.line));
    assert_null(strchr(expected, '\033'));
    const char *text = text_line(&colour, &s.line);
    char stripped[1024];
    size_t n = 0;
    for (const char *at = text; *at; at++) {
        if (*at == '\033')
            at = strchr(at, 'm');
        else
            stripped[n++] = *at;
    }
    stripped[n] = '\0';
    assert_string_equal(stripped, expected);
    assert_string_not_equal(text, expected);
}

static void test_columns_stand_under_their_heads(void **state) {
    Sample s;
    make_sample(&s);
    const LineFormat plain = {LINE_PLAIN, false, NULL};
    Bytes head = {0};
    line_header(&plain, &head);
    bytes_append_u8(&head, 0);
    const char *text = text_line(&plain, &s.line), *heads = (const char *)head.data;
    const char *pairs[][2] = {{"TIME", "2022-03-01"},
                              {"DOMAIN", "health"},
                              {"CITIZEN", "001***"},
                              {"VERDICT", "MISMATCH"},
                              {"REASONS", "BIRTH_DATE_DIFFERS subject.birth_date"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_int_equal(strstr(heads, pairs[i][0]) - heads, strstr(text, pairs[i][1]) - text);
    bytes_free(&head);
}

static void test_a_decision_is_told_from_an_event(void **state) {
    Sample s;
    make_sample(&s);
    const LineFormat plain = {LINE_PLAIN, false, NULL};
    assert_null(strstr(text_line(&plain, &s.line), "decided again"));
    s.summary.kind = DONGBO__ENTRY_KIND__ENTRY_DECISION;
    assert_non_null(strstr(text_line(&plain, &s.line), "decided again"));
}

static void test_a_reviewers_decision_says_who_and_to_whom_it_may_why(void **state) {
    Sample s;
    make_sample(&s);
    s.summary.kind = DONGBO__ENTRY_KIND__ENTRY_DECISION;
    s.summary.decided_by = s.entry.decided_by = "officer_lan";
    s.entry.why = "An's mother called";
    for (LineStyle style = LINE_PLAIN; style <= LINE_JSON; style++) {
        const LineFormat masked = {style, false, NULL}, unmasked = {style, true, NULL};
        assert_non_null(strstr(text_line(&masked, &s.line), "officer_lan"));
        assert_null(strstr(text_line(&masked, &s.line), "mother"));
        assert_non_null(strstr(text_line(&unmasked, &s.line), "An's mother called"));
    }
    s.line.entry = NULL;
    const LineFormat plain = {LINE_PLAIN, true, NULL};
    assert_non_null(strstr(text_line(&plain, &s.line), "(decided by officer_lan) BIRTH_DATE_DIFFERS"));
}

static void test_a_terminal_gets_no_control_character(void **state) {
    Sample s;
    make_sample(&s);
    const LineFormat format = {LINE_PLAIN, false, NULL};
    s.summary.kind = DONGBO__ENTRY_KIND__ENTRY_POLICY;
    s.summary.text = "agency \033[31mX\nadded";
    const char *text = text_line(&format, &s.line);
    assert_non_null(strstr(text, "agency ?[31mX?added\n"));
    assert_null(strchr(text, '\033'));
    json_t *object = json_line(&(LineFormat){LINE_JSON, false, NULL}, &s.line);
    assert_string_equal(json_string_value(json_object_get(object, "text")), s.summary.text);
    json_decref(object);
}

static void test_numbers_from_a_newer_program_do_no_harm(void **state) {
    Sample s;
    make_sample(&s);
    s.summary.verdict = (Dongbo__Verdict)99;
    s.summary.domain = (Dongbo__Domain)99;
    s.masked.code = (Dongbo__ReasonCode)9999;
    for (LineStyle style = LINE_PLAIN; style <= LINE_JSON; style++) {
        const LineFormat format = {style, false, NULL};
        assert_non_null(strstr(text_line(&format, &s.line), "?"));
    }
    s.summary.kind = (Dongbo__EntryKind)99;
    const LineFormat json = {LINE_JSON, false, NULL};
    json_decref(json_line(&json, &s.line));
}

static void test_a_table_is_aligned_by_what_characters_take(void **state) {
    Columns *columns = NULL;
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(columns_new(&columns, 2), 0);
    columns_add(columns, (const char *[]){"Đồng bộ", "x"});
    columns_add(columns, (const char *[]){NULL, "y"});
    columns_add(columns, (const char *[]){"ascii 12", "z"});
    FILE *out = open_memstream(&text, &n);
    assert_int_equal(columns_print(columns, out), 0);
    fclose(out);
    assert_string_equal(text, "Đồng bộ   x\n          y\nascii 12  z\n");
    free(text);
    columns_destroy(&columns);
    assert_null(columns);
    assert_int_equal(columns_width("Hoà\xFF"), 4);
    assert_int_equal(columns_width("a\u202eb"), 5); // shown as a???b
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_has_what_scripts_rely_on),
        cmocka_unit_test(test_nothing_stored_is_shown_unless_unmasked),
        cmocka_unit_test(test_without_the_payload_the_event_id_is_null),
        cmocka_unit_test(test_lines_about_no_event_say_what_happened),
        cmocka_unit_test(test_colour_is_for_terminals_and_changes_no_text),
        cmocka_unit_test(test_columns_stand_under_their_heads),
        cmocka_unit_test(test_a_decision_is_told_from_an_event),
        cmocka_unit_test(test_a_reviewers_decision_says_who_and_to_whom_it_may_why),
        cmocka_unit_test(test_a_terminal_gets_no_control_character),
        cmocka_unit_test(test_numbers_from_a_newer_program_do_no_harm),
        cmocka_unit_test(test_a_table_is_aligned_by_what_characters_take),
    };
    return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
