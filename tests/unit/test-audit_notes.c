// SPDX-License-Identifier: Apache-2.0
//
// What files say of entries that are not in them: which can stand behind them, and which nowhere.
#include "broker/audit_notes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define LAST 11 // of the files

static AuditNotes made(uint64_t log_end) {
    AuditNotes notes = {0};
    audit_notes_begin(&notes);
    audit_notes_end(&notes, log_end);
    return notes;
}

// What is erased has its tombstone in the log, also where another one is asked for, and then nothing says where.
static void test_a_tombstone(void **state) {
    static const struct {
        uint64_t logged, log_end;
        AuditWord word;
    } CASES[] = {
        {LAST, LAST, AUDIT_WORD_MISSING},
        {LAST, LAST + 5, AUDIT_WORD_MISSING},
        {LAST + 1, LAST, AUDIT_WORD_BEYOND},
        {LAST + 1, LAST + 5, AUDIT_WORD_LATER},
        {LAST + 6, LAST + 5, AUDIT_WORD_BEYOND},
        {LAST + 6, 0, AUDIT_WORD_LATER},
        {0, LAST, AUDIT_WORD_MISSING},
        {0, LAST + 5, AUDIT_WORD_LATER},
        {0, 0, AUDIT_WORD_NOWHERE},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        AuditNotes notes = made(CASES[i].log_end);
        const AuditErasure said = {4, CASES[i].logged};
        assert_int_equal(audit_notes_tombstone(&notes, &said, LAST), CASES[i].word);
        assert_int_equal(audit_notes_tombstone(&notes, NULL, LAST), AUDIT_WORD_MISSING);
    }
}

static void test_a_trim(void **state) {
    static const struct {
        uint64_t logged, log_end;
        AuditWord word;
    } CASES[] = {
        {0, LAST, AUDIT_WORD_NOWHERE},       {0, 0, AUDIT_WORD_NOWHERE},      {LAST, LAST, AUDIT_WORD_MISSING},
        {LAST + 1, LAST, AUDIT_WORD_BEYOND}, {LAST + 1, 0, AUDIT_WORD_LATER}, {LAST + 1, LAST + 1, AUDIT_WORD_LATER},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        AuditNotes notes = made(CASES[i].log_end);
        audit_notes_trim(&notes, 8, CASES[i].logged);
        assert_int_equal(audit_notes_trimmed(&notes, LAST), CASES[i].word);
    }
}

// Files of one log are of different times, in any order.
static void test_several_files(void **state) {
    AuditNotes notes = made(LAST + 5);
    audit_notes_trim(&notes, 8, 0);
    audit_notes_begin(&notes);
    audit_notes_trim(&notes, 8, LAST + 2);
    audit_notes_trim(&notes, 8, 0);
    audit_notes_trim(&notes, 3, 4);
    assert_int_equal(audit_notes_log_end(&notes), 0); // it may be cut
    audit_notes_end(&notes, LAST);
    assert_int_equal(audit_notes_log_end(&notes), LAST + 5);
    assert_int_equal(notes.trim, 8);
    assert_int_equal(audit_notes_trimmed(&notes, LAST), AUDIT_WORD_LATER);
    assert_int_equal(audit_notes_trimmed(&notes, LAST + 2), AUDIT_WORD_MISSING);
    audit_notes_begin(&notes);
    audit_notes_end(&notes, 0); // of a program of before
    assert_int_equal(audit_notes_log_end(&notes), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tombstone),
        cmocka_unit_test(test_a_trim),
        cmocka_unit_test(test_several_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
