// SPDX-License-Identifier: Apache-2.0
//
// `dongbo review show`: one case, side by side. Unmasking shows several persons at once: each of them is noted before
// anything is printed.
#include "operators/review.h"
#include "operators/commands.h"
#include "operators/identity.h"
#include "operators/result.h"
#include "operators/review_json.h"
#include "operators/review_text.h"
#include "operators/why.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int review_number(const char *operand, int64_t *ret) {
    char *end;
    long long number = strtoll(operand, &end, 10);
    if (*end || end == operand || number < 1 || number == INT64_MAX)
        return error_fail(ERROR_CONFIG, "\"%s\" is no case: dongbo review list shows their numbers", operand);
    *ret = number;
    return 0;
}

static bool is_shown(const ReviewCase *of, const char *number) {
    if (strcmp(pg_text(of->events, 0, REVIEW_NUMBER), number) == 0)
        return true;
    for (int i = 0; i < of->n_alternatives; i++)
        if (strcmp(review_case_held(of, &of->alternatives[i], "citizen_number"), number) == 0)
            return true;
    return false;
}

// Earlier decisions may have named others.
static int note_linked(const Desk *desk, const ReviewCase *of) {
    int r = 0;
    for (int row = 0; r == 0 && row < PQntuples(of->decisions); row++) {
        const char *number = pg_text(of->decisions, row, REVIEW_LINKED_TO);
        if (*number && !is_shown(of, number))
            r = identity_note_unmasking(desk, "review show", number);
    }
    return r;
}

static int note_unmasking(Desk *desk, const ReviewCase *of) {
    Pg *exchange = NULL;
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = identity_note_unmasking(desk, "review show", pg_text(of->events, 0, REVIEW_NUMBER));
    for (int i = 0; r == 0 && i < of->n_alternatives; i++) {
        const char *held = review_case_held(of, &of->alternatives[i], "citizen_number");
        if (*held && strcmp(held, pg_text(of->events, 0, REVIEW_NUMBER)) != 0)
            r = identity_note_unmasking(desk, "review show", held);
    }
    return r == 0 ? note_linked(desk, of) : r;
}

int review_no_case(int64_t number) {
    log_error("there is no case %" PRId64 ": dongbo review list shows those that are open", number);
    return 1;
}

int review_print(Desk *desk, int64_t number, const ReviewShow *show) {
    CLEANUP(names_destroy) Names *names = NULL;
    CLEANUP(review_case_free) ReviewCase of = {.unmask = show->unmask};
    Pg *exchange = NULL;
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = names_read(&names, exchange);
    if (r == 0)
        r = desk_rules(desk, &of.rules);
    of.names = names;
    if (r == 0)
        r = review_case_read(desk, number, &of);
    if (r == 1)
        return review_no_case(number);
    if (r == 0 && show->unmask)
        r = note_unmasking(desk, &of);
    if (r != 0)
        return r;
    return show->json ? review_json_print(&of) : review_text_print(&of);
}

int review_show(Desk *desk, int argc, char **argv) {
    ReviewShow show = {0};
    int64_t number = 0;
    int operand = 0;
    const Option options[] = {
        {"unmask", 0, OPTION_FLAG, NULL, "show numbers, names and dates; this is noted", &show.unmask},
        DESK_WHY(desk),
        {"json", 0, OPTION_FLAG, NULL, "one JSON object", &show.json},
        {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = review_number(argv[operand], &number);
    if (r == 0 && show.unmask)
        r = why_find(desk);
    return r < 0 ? r : review_print(desk, number, &show);
}
