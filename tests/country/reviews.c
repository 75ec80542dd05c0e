// SPDX-License-Identifier: Apache-2.0
//
// Reads the exceptions with what was attached to them. Judges by the truth only.

#include "tests/country/reviews.h"

#include "event.pb-c.h"
#include "proto/base/error.h"

#include <jansson.h>
#include <stdlib.h>

#define BEYOND_DOUBT 999000 // of a million

static const PgStatement EXCEPTIONS = {
    "score_exceptions",
    "SELECT position, event, coalesce(candidates::text, ''), citizen_number FROM exchange.exception "
    "WHERE position > $1 AND open AND verdict = 4 AND domain = 2 ORDER BY position LIMIT 5000",
    1, NULL};

static ReviewGroup group_of(const TruthRow *row) {
    return row->kind >= CLAIM_NUMBER_CMND && row->kind <= CLAIM_NUMBER_LETTER ? REVIEW_UNUSABLE : REVIEW_WRONG;
}

static bool is_right(const json_t *match, const TruthRow *row) {
    const char *number = json_string_value(json_object_get(match, "citizen_number"));
    return number && strtoull(number, NULL, 10) == row->person->number;
}

static void add(Reviews *reviews, const TruthRow *row, const char *candidates, const char *number) {
    const ReviewGroup group = group_of(row);
    json_t *answer = json_loads(candidates, 0, NULL);
    const json_t *matches = json_object_get(answer, "matches"), *first = json_array_get(matches, 0);
    const bool known = json_integer_value(json_object_get(first, "posterior")) >= BEYOND_DOUBT;
    bool listed = false;
    for (size_t i = 0; i < json_array_size(matches); i++)
        listed = listed || is_right(json_array_get(matches, i), row);
    reviews->rows[group]++;
    reviews->known[group] += known;
    reviews->known_wrong[group] += known && !is_right(first, row);
    reviews->first_right[group] += is_right(first, row);
    reviews->listed_right[group] += listed;
    reviews->by_number[group] += !answer && strtoull(number, NULL, 10) == row->person->number;
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
        add(reviews, row, pg_text(page, i, 2), pg_text(page, i, 3));
    dongbo__change_event__free_unpacked(event, NULL);
    return 0;
}

int reviews_read(Reviews *reviews, Truth *truth, Pg *exchange) {
    *reviews = (Reviews){0};
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
