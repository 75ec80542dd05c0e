// SPDX-License-Identifier: Apache-2.0
#include "broker/match/likeness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int edits(const char *a, const char *b, int most) {
    int forth = likeness_edits(a, strlen(a), b, strlen(b), most);
    assert_int_equal(forth, likeness_edits(b, strlen(b), a, strlen(a), most));
    return forth;
}

static int winkler(const char *a, const char *b) {
    int forth = likeness_jaro_winkler(a, strlen(a), b, strlen(b));
    assert_in_range(forth, 0, 1000);
    return forth;
}

static void counts_edits(void **state) {
    assert_int_equal(edits("", "", 3), 0);
    assert_int_equal(edits("an", "an", 0), 0);
    assert_int_equal(edits("abc", "acb", 3), 1);
    assert_int_equal(edits("abc", "abxc", 3), 1);
    assert_int_equal(edits("abc", "axc", 3), 1);
    assert_int_equal(edits("kitten", "sitting", 3), 3);
    assert_int_equal(edits("ca", "abc", 3), 3); // optimal string alignment edits nothing twice
    assert_int_equal(edits("kitten", "sitting", 2), 3);
    assert_int_equal(edits("a", "abcdef", 3), 4);
    assert_int_equal(edits("19560409", "19650409", 2), 1);
}

// The whole table, without band or short cuts.
static int edits_plainly(const char *a, const char *b) {
    int table[12][12], a_n = (int)strlen(a), b_n = (int)strlen(b);
    for (int i = 0; i <= a_n; i++)
        for (int j = 0; j <= b_n; j++) {
            int best = i == 0 ? j : j == 0 ? i : table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (i > 0 && j > 0 && table[i - 1][j] + 1 < best)
                best = table[i - 1][j] + 1;
            if (i > 0 && j > 0 && table[i][j - 1] + 1 < best)
                best = table[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && table[i - 2][j - 2] + 1 < best)
                best = table[i - 2][j - 2] + 1;
            table[i][j] = best;
        }
    return table[a_n][b_n];
}

static void band_agrees_with_the_whole_table(void **state) {
    uint32_t seed = 7;
    for (int round = 0; round < 200000; round++) {
        char text[2][11];
        for (int t = 0; t < 2; t++) {
            seed = seed * 1664525u + 1013904223u;
            int n = (int)(seed >> 16) % 11;
            for (int i = 0; i < n; i++) {
                seed = seed * 1664525u + 1013904223u;
                text[t][i] = (char)('a' + (seed >> 20) % 3);
            }
            text[t][n] = '\0';
        }
        int plainly = edits_plainly(text[0], text[1]), most = (int)(seed >> 8) % 4;
        assert_int_equal(edits(text[0], text[1], most), plainly > most ? most + 1 : plainly);
    }
}

static void jaro_winkler_as_published(void **state) {
    assert_int_equal(winkler("", ""), 1000);
    assert_int_equal(winkler("", "a"), 0);
    assert_int_equal(winkler("martha", "martha"), 1000);
    assert_in_range(winkler("martha", "marhta"), 960, 962);  // .961
    assert_in_range(winkler("dwayne", "duane"), 838, 841);   // .840
    assert_in_range(winkler("dixon", "dicksonx"), 811, 814); // .813
    assert_int_equal(winkler("abc", "xyz"), 0);
}

static void dice_counts_pairs_of_letters(void **state) {
    assert_int_equal(likeness_dice("night", 5, "nacht", 5), 250);
    assert_int_equal(likeness_dice("a", 1, "a", 1), 1000);
    assert_int_equal(likeness_dice("aaaa", 4, "aa", 2), 500); // a pair is taken once
    assert_int_equal(likeness_dice("", 0, "abc", 3), 0);
}

static void long_texts_are_cut(void **state) {
    char a[600], b[600];
    memset(a, 'a', sizeof a);
    memset(b, 'a', sizeof b);
    b[500] = 'b';
    assert_int_equal(likeness_edits(a, sizeof a, b, sizeof b, 1), 0);
    assert_int_equal(likeness_jaro_winkler(a, sizeof a, b, sizeof b), 1000);
    assert_int_equal(likeness_dice(a, sizeof a, b, sizeof b), 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_edits),
        cmocka_unit_test(band_agrees_with_the_whole_table),
        cmocka_unit_test(jaro_winkler_as_published),
        cmocka_unit_test(dice_counts_pairs_of_letters),
        cmocka_unit_test(long_texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
