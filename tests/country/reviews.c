// SPDX-License-Identifier: Apache-2.0
//
// Reads the exceptions with what was attached to them, or the lines of `dongbo verify`. Judges by the truth only.

#include "tests/country/reviews.h"

#include "event.pb-c.h"
#include "proto/base/error.h"
#include "verdict.pb-c.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEYOND_DOUBT 999000 // of a million

static const PgStatement EXCEPTIONS = {
    "score_exceptions",
    "SELECT position, event, coalesce(candidates::text, ''), citizen_number FROM exchange.exception "
    "WHERE position > $1 AND open AND verdict = 4 AND domain = 2 ORDER BY position LIMIT 5000",
    1, NULL};

// REVIEW_GROUPS for one that agrees, or is of somebody who comes later.
static ReviewGroup group_of(const TruthRow *row) {
    if (row->kind >= CLAIM_NUMBER_CMND && row->kind <= CLAIM_NUMBER_LETTER)
        return REVIEW_UNUSABLE;
    return row->kind >= CLAIM_ACCENTS_LOST && row->kind <= CLAIM_NUMBER_TYPO ? REVIEW_WRONG : REVIEW_GROUPS;
}

static bool is_theirs(const char *number, const TruthRow *row) {
    return number && strtoull(number, NULL, 10) == row->person->number;
}

// What was found for one that waits. The likeliest stands first; `key` holds a citizen's number.
typedef struct Found {
    const json_t *matches;
    const char *key;
    bool searched, known;
} Found;

static bool is_right(const Found *found, size_t i, const TruthRow *row) {
    return is_theirs(json_string_value(json_object_get(json_array_get(found->matches, i), found->key)), row);
}

static void add(Reviews *reviews, const TruthRow *row, const Found *found, const char *number) {
    const ReviewGroup group = group_of(row);
    bool listed = false;
    if (group == REVIEW_GROUPS)
        return;
    for (size_t i = 0; i < json_array_size(found->matches); i++)
        listed = listed || is_right(found, i, row);
    reviews->rows[group]++;
    reviews->known[group] += found->known;
    reviews->known_wrong[group] += found->known && !is_right(found, 0, row);
    reviews->first_right[group] += is_right(found, 0, row);
    reviews->listed_right[group] += listed;
    reviews->by_number[group] += !found->searched && is_theirs(number, row);
}

static void add_exception(Reviews *reviews, const TruthRow *row, const char *candidates, const char *number) {
    json_t *answer = json_loads(candidates, 0, NULL);
    Found found = {.matches = json_object_get(answer, "matches"), .key = "citizen_number", .searched = answer != NULL};
    const json_t *first = json_array_get(found.matches, 0);
    found.known = json_integer_value(json_object_get(first, "posterior")) >= BEYOND_DOUBT;
    add(reviews, row, &found, number);
    json_decref(answer);
}

static int add_event(Reviews *reviews, Truth *truth, const PGresult *page, int i) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(page, i, 1, &n);
    Dongbo__ChangeEvent *event = dongbo__change_event__unpack(NULL, n, bytes);
    if (!event)
        return error_fail(ERROR_DATA, "the event in question at %lld does not decode", (long long)pg_i64(page, i, 0));
    const TruthRow *row = truth_find(truth, event->source_key);
    if (row)
        add_exception(reviews, row, pg_text(page, i, 2), pg_text(page, i, 3));
    dongbo__change_event__free_unpacked(event, NULL);
    return 0;
}

static void count_row(Reviews *reviews, const TruthRow *row, bool right) {
    reviews->all++;
    reviews->agree += row->kind <= CLAIM_YEAR_ONLY;
    reviews->right += right;
}

static void count_accepted(Reviews *reviews, const Truth *truth) {
    for (size_t i = truth->base[SHEET_VACCINATIONS]; i < truth->base[SHEET_VACCINATIONS + 1]; i++) {
        const TruthRow *row = &truth->rows[i];
        const ReviewGroup group = group_of(row);
        const bool taken = row->present == DONGBO__VERDICT__ACCEPTED || row->present == DONGBO__VERDICT__UNCHANGED;
        count_row(reviews, row, taken && !row->another);
        if (group == REVIEW_GROUPS)
            continue;
        reviews->total[group]++;
        reviews->accepted[group] += row->excused || row->another;
        reviews->accepted_wrong[group] += row->another;
    }
}

int reviews_read(Reviews *reviews, Truth *truth, Pg *exchange) {
    *reviews = (Reviews){0};
    count_accepted(reviews, truth);
    int64_t after = 0;
    for (int rows = 1; rows > 0;) {
        PgParams params = {0};
        PGresult *page = NULL;
        pg_param_i64(&params, after);
        int r = pg_run(exchange, &EXCEPTIONS, &params, &page);
        pg_params_free(&params);
        rows = r == 0 ? PQntuples(page) : 0;
        for (int i = 0; r == 0 && i < rows; i++) {
            after = pg_i64(page, i, 0);
            r = add_event(reviews, truth, page, i);
        }
        PQclear(page);
        if (r < 0)
            return r;
    }
    return 0;
}

// ---- without an exchange --------------------------------------------------------------------------------------------

#define NUMBER_COLUMN 2 // of vaccinations.csv

static void add_verdict(Reviews *reviews, const TruthRow *row, const json_t *line) {
    const ReviewGroup group = group_of(row);
    const char *verdict = json_string_value(json_object_get(line, "verdict"));
    const json_t *posterior = json_object_get(line, "posterior");
    char copy[1024], *fields[SHEET_COLUMNS_MAX];
    snprintf(copy, sizeof copy, "%s", row->line);
    truth_split(copy, fields, SHEET_COLUMNS_MAX);
    if (!verdict)
        return;
    const bool accepted = strcmp(verdict, "ACCEPTED") == 0;
    const bool theirs = is_theirs(json_string_value(json_object_get(line, "citizen")), row);
    count_row(reviews, row, accepted && theirs);
    if (group == REVIEW_GROUPS)
        return;
    reviews->total[group]++;
    if (accepted) {
        reviews->accepted[group]++;
        reviews->accepted_wrong[group] += !theirs;
        return;
    }
    const Found found = {.matches = json_object_get(line, "candidates"),
                         .key = "citizen",
                         .searched = !json_is_null(posterior),
                         .known = json_number_value(posterior) * 1000000 >= BEYOND_DOUBT};
    if (strcmp(verdict, "MISMATCH") == 0)
        add(reviews, row, &found, fields[NUMBER_COLUMN]);
}

int reviews_read_verdicts(Reviews *reviews, Truth *truth, const char *path) {
    *reviews = (Reviews){0};
    FILE *file = fopen(path, "r");
    if (!file)
        return error_fail(ERROR_SYSTEM, "%s cannot be read", path);
    char *text = NULL;
    size_t size = 0, n = 0;
    const size_t first = truth->base[SHEET_VACCINATIONS], n_rows = truth->base[SHEET_VACCINATIONS + 1] - first;
    int r = 0;
    for (; r == 0 && getline(&text, &size, file) > 0; n++) {
        json_t *line = json_loads(text, 0, NULL);
        if (line && n < n_rows)
            add_verdict(reviews, &truth->rows[first + n], line);
        else
            r = error_fail(ERROR_DATA, "%s:%zu: not a verdict of vaccinations.csv", path, n + 1);
        json_decref(line);
    }
    if (r == 0 && n != n_rows)
        r = error_fail(ERROR_DATA, "%s has %zu verdicts, vaccinations.csv %zu rows", path, n, n_rows);
    free(text);
    fclose(file);
    return r;
}
