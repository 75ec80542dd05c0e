// SPDX-License-Identifier: Apache-2.0
//
// A file's encoding as a source takes it, and rows that are in another one: refused with what to do, the others kept.
#include "agents/charset.h"

#include "proto/base/error.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const char MAPPING[] = "domain: health\nsource_key: [id]\nfields:\n  - {to: lot_number, column: lot}\n";

static char directory[SCRATCH_BYTES];
static Map *map;
static Arena *arena;

static int setup(void **state) {
    char path[128];
    scratch_make(directory);
    scratch_write(directory, "m.yaml", MAPPING);
    snprintf(path, sizeof path, "%s/m.yaml", directory);
    return map_load(&map, path) < 0 || arena_new(&arena, 1 << 20) < 0 ? -1 : 0;
}

static int teardown(void **state) {
    map_destroy(&map);
    arena_destroy(&arena);
    scratch_remove(directory);
    return 0;
}

static int choose(const char *configured, const char *text, CharsetChoice *ret, CharsetFault *fault) {
    char path[128];
    Charset *charset;
    scratch_write(directory, "a.csv", text);
    snprintf(path, sizeof path, "%s/a.csv", directory);
    int fd = open(path, O_RDONLY);
    assert_int_equal(charset_new(&charset, configured), 0);
    int r = charset_choose(charset, fd, ret, fault);
    assert_true(r < 0 || lseek(fd, 0, SEEK_CUR) == 0);
    charset_destroy(&charset);
    close(fd);
    return r;
}

static void test_chooses(void **state) {
    static const struct {
        const char *configured, *text, *name;
        int confidence;
    } CASES[] = {
        {NULL, "V\xA8n\n", "UTF-8", CHARSET_DECLARED},
        {"vni", "V\xA8n\n", "VNI", CHARSET_DECLARED},
        {"EUC-JP", "V\xA8n\n", "EUC-JP", CHARSET_DECLARED},
        {"auto", "", CHARSET_ASCII, 100},
        {"AUTO", "id,name\n1,Nguyen\n", CHARSET_ASCII, 100},
        {"auto", "id,name\n1,Nguyễn Văn Ánh", "UTF-8", 100},
        {"auto", "\xEF\xBB\xBFid,name\n1,Nguyễn Văn Ánh", "UTF-8", 100},
        {"auto", "id,name\n1,Nguye\xCC\x82\xCC\x83n Va\xCC\x86n\n", "UTF-8", 100},
        {"auto", "id,name\n1,Nguye\xE3n Va\xEAn T\xED\n", "VNI", 100},
        {"auto", "\xEF\xBB\xBFid,name\n1,Nguyeãn Vaên Taùm\n", "VNI-UTF8", 100},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        CharsetChoice choice;
        CharsetFault fault;
        assert_int_equal(choose(CASES[i].configured, CASES[i].text, &choice, &fault), 0);
        assert_string_equal(choice.name, CASES[i].name);
        assert_int_equal(choice.confidence, CASES[i].confidence);
    }
}

static void test_says_what_to_do_with_an_unclear_file(void **state) {
    CharsetChoice choice;
    CharsetFault fault;
    assert_int_equal(choose("auto", "id,name\n1,Nguy\xD4n V\xA8n Th\xDE\n2,Nguye\xE3n Va\xEAn\n", &choice, &fault), 1);
    assert_string_equal(choice.name, CHARSET_UNCLEAR);
    assert_int_equal(choice.confidence, 0);
    assert_non_null(
        strstr(fault.en, "of 2 rows with accents, 1 read as Vietnamese in TCVN3, 1 in VNI (confidence 0 %"));
    assert_non_null(strstr(fault.en, "Write `encoding:` for this source"));
    assert_non_null(strstr(fault.en, "None of its rows was sent"));
    assert_non_null(strstr(fault.vi, "Hãy ghi encoding: cho nguồn này"));
    Charset *charset = NULL;
    assert_int_equal(charset_new(&charset, "no such"), ERROR_CONFIG);
    assert_null(charset);
}

// A row of the mapping's two columns. *ret_value is the second one's text.
static int row(const char *configured, const char *text, char value[64], CharsetFault *fault) {
    Charset *charset;
    MapText texts[2] = {{"1", 1}, {text, strlen(text)}}, values[2];
    arena_reset(arena);
    assert_int_equal(charset_new(&charset, configured), 0);
    Encoding *encoding = charset_encoding(charset, configured);
    int r = charset_row(charset, encoding, &(CharsetRow){map, texts, arena, values}, fault);
    snprintf(value, 64, "%s", r == 0 ? values[1].text : "");
    charset_destroy(&charset);
    return r;
}

static void test_takes_rows(void **state) {
    static const struct {
        const char *encoding, *text, *value;
    } CASES[] = {
        {"UTF-8", "Le Van An", "Le Van An"},
        {"UTF-8", "Nguye\xCC\x82\xCC\x83n", "Nguyễn"},
        {"UTF-8", "Hoà", "Hoà"}, // which VNI could have saved as UTF-8, too
        {"UTF-8", "Bjørn Hän", "Bjørn Hän"},
        {"UTF-8", "H'Đê Bkrông", "H'Đê Bkrông"},
        {"VNI", "Nguye\xE3n Va\xEAn", "Nguyễn Văn"},
        {"TCVN3",
         "NGUY\xD4N \xA7\xD6"
         "C",
         "NGUYễN ĐệC"},
        {"EUC-JP", "\xC6\xFC\xCB\xDC", "日本"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        CharsetFault fault;
        char value[64];
        if (row(CASES[i].encoding, CASES[i].text, value, &fault) != 0)
            fail_msg("%s: %s", CASES[i].text, fault.en);
        assert_string_equal(value, CASES[i].value);
    }
}

static void test_refuses_rows_of_another_encoding(void **state) {
    static const struct {
        const char *encoding, *text, *en, *vi;
    } CASES[] = {
        {"UTF-8", "Nguye\xE3n Va\xEAn",
         "The column \"lot\" is not in the file's encoding, UTF-8; the row reads as "
         "Vietnamese in VNI. Convert",
         "; dòng đọc được theo VNI. Hãy chuyển"},
        {"UTF-8", "Nguyeãn Vaên",
         "does not read as Vietnamese in the file's encoding, UTF-8; the row reads as "
         "Vietnamese in VNI-UTF8.",
         "theo VNI-UTF8"},
        {"TCVN3", "Nguye\xE3n Va\xEAn", "in VNI.", "theo VNI"},
        {"TCVN3", "Nguyễn", "in UTF-8.", "theo UTF-8"},
        {"VISCII", "Nguy\xD4n V\xA8n", "in TCVN3.", "theo TCVN3"},
        {"VNI", "\x80\x81", "The column \"lot\" is not in the file's encoding, VNI. Convert", "bảng mã của tệp, VNI."},
        {"UTF-8", "Ph\xE1\xBA", "The column \"lot\" is not in the file's encoding, UTF-8. Convert", "UTF-8."},
        {"EUC-JP", "\xFF", "is not in the file's encoding, EUC-JP. Convert", "EUC-JP"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        CharsetFault fault;
        char value[64];
        assert_int_equal(row(CASES[i].encoding, CASES[i].text, value, &fault), 1);
        if (strstr(fault.en, CASES[i].en) == NULL || strstr(fault.vi, CASES[i].vi) == NULL)
            fail_msg("%s: %s / %s", CASES[i].text, fault.en, fault.vi);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chooses),
        cmocka_unit_test(test_says_what_to_do_with_an_unclear_file),
        cmocka_unit_test(test_takes_rows),
        cmocka_unit_test(test_refuses_rows_of_another_encoding),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
