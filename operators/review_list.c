// SPDX-License-Identifier: Apache-2.0
//
// `dongbo review list`: open cases as columns, or one JSON object a line. Masked, without a way to unmask: who somebody
// is, is a question about one case (`dongbo review show`).
#include "operators/answer.h"
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/result.h"
#include "operators/review_queue.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/reason.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#define LIST_LINES 50
#define LIST_LINES_MAX 10000

static const char NOTES[] =
    "A case is one question, however often it was asked: REPEATS says how often besides the first time.\n"
    "LIKELY is how likely the likeliest person is. --after goes on where a list ended.\n";

static json_t *reasons_json(const Dongbo__EventVerdict *verdict) {
    json_t *list = json_array();
    for (size_t i = 0; verdict && i < verdict->n_reasons; i++)
        json_array_append_new(list, json_pack("{s:s, s:o}", "code", reason_find((int)verdict->reasons[i]->code)->name,
                                              "field", answer_text(verdict->reasons[i]->field)));
    return list;
}

static int print_json(const Names *names, const ReviewQueueCase *one) {
    char citizen[TEXT_MASK_BYTES] = "";
    if (*one->citizen_number)
        text_mask_number(one->citizen_number, citizen);
    json_t *object =
        json_pack("{s:I, s:o, s:s, s:s, s:o, s:o, s:I, s:o, s:b, s:o, s:o, s:o}", "case", (json_int_t)one->number,
                  "since", answer_instant(one->since_us), "agency", names_agency(names, one->agency), "domain",
                  names_domain(one->domain), "citizen", answer_text(citizen), "reasons", reasons_json(one->verdict),
                  "repeats", (json_int_t)(one->n_events - 1), "likely",
                  one->likely_posterior ? json_real((double)one->likely_posterior / 1e6) : json_null(), "known",
                  one->is_likely, "claimed_by", answer_text(one->officer), "claimed_until",
                  *one->officer ? answer_instant(one->until_us) : json_null(), "waiting", answer_text(one->decision));
    return answer_print(object, ANSWER_DIGITS);
}

static void write_reasons(const Dongbo__EventVerdict *verdict, Bytes *out) {
    bytes_clear(out);
    for (size_t i = 0; verdict && i < verdict->n_reasons; i++) {
        bytes_append_text(out, i ? ", " : "");
        bytes_append_text(out, reason_find((int)verdict->reasons[i]->code)->name);
    }
    bytes_append_u8(out, 0);
}

static void add_row(Columns *columns, const Names *names, const ReviewQueueCase *one, Bytes *reasons) {
    char number[24], since[CLOCK_TEXT_BYTES], until[CLOCK_TEXT_BYTES], citizen[TEXT_MASK_BYTES] = "-", repeats[24];
    char likely[24] = "", work[256] = "";
    snprintf(number, sizeof number, "%" PRId64, one->number);
    clock_format_us(one->since_us, since);
    snprintf(since + 16, sizeof since - 16, "Z"); // to the minute
    if (*one->citizen_number)
        text_mask_number(one->citizen_number, citizen);
    snprintf(repeats, sizeof repeats, "%" PRId64 "%s", one->n_events - 1,
             one->n_events < REVIEW_EVENTS_COUNTED ? "" : "+");
    if (one->likely_posterior)
        snprintf(likely, sizeof likely, "%.2f %%", (double)one->likely_posterior / 10000);
    clock_format_us(one->until_us, until);
    if (*one->decision)
        snprintf(work, sizeof work, "(%s waits)", one->decision);
    else if (*one->officer)
        snprintf(work, sizeof work, "%s until %.5sZ", one->officer, until + 11);
    write_reasons(one->verdict, reasons);
    columns_add(columns,
                (const char *[]){number, since, names_agency(names, one->agency), names_domain(one->domain), citizen,
                                 repeats, likely, work, reasons->failed ? "?" : (const char *)reasons->data});
}

typedef struct Asked {
    ReviewFilter filter;
    long long limit;
    bool json;
} Asked;

// Where to go on, for people and scripts alike: not among the lines.
static void tell_rest(const ReviewQueue *queue, const Asked *asked, int ended, int n) {
    if (ended == 2)
        log_info("%d cases were looked at; --after %" PRId64 " goes on", REVIEW_QUEUE_READ_MAX, review_queue_at(queue));
    else if (ended == 0 && !asked->json)
        log_info("there may be more; --after %" PRId64 " goes on", review_queue_at(queue));
    else if (n == 0 && !asked->json)
        log_info("no open case%s", asked->filter.after ? " beyond this one" : "");
}

static int print_list(ReviewQueue *queue, const Names *names, const Asked *asked) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    CLEANUP(bytes_free) Bytes reasons = {0};
    ReviewQueueCase one;
    int n = 0, ended = 0;
    int r = columns_new(&columns, 9);
    if (r == 0)
        columns_add(columns, (const char *[]){"CASE", "SINCE", "AGENCY", "DOMAIN", "CITIZEN", "REPEATS", "LIKELY",
                                              "CLAIMED BY", "REASONS"});
    while (r == 0 && n < asked->limit && (ended = review_queue_next(queue, &one)) == 0) {
        if (asked->json)
            r = print_json(names, &one);
        else
            add_row(columns, names, &one, &reasons);
        n++;
    }
    if (r == 0 && ended < 0)
        r = ended;
    if (r == 0 && !asked->json && n)
        r = columns_print(columns, stdout);
    if (r == 0)
        tell_rest(queue, asked, ended, n);
    return r;
}

int review_list(Desk *desk, int argc, char **argv) {
    CLEANUP(names_destroy) Names *names = NULL;
    CLEANUP(review_queue_destroy) ReviewQueue *queue = NULL;
    Asked asked = {.limit = LIST_LINES};
    ReviewFilter *filter = &asked.filter;
    Pg *exchange = NULL;
    int operand = 0;
    const Option options[] = {
        {"agency", 0, OPTION_TEXT, "CODE", "of this agency", &filter->agency_code},
        {"domain", 0, OPTION_TEXT, "DOMAIN", "of this domain", &filter->domain_name},
        {"reason", 0, OPTION_TEXT, "REASON", "with this reason (dongbo reasons)", &filter->reason_name},
        {"likely", 0, OPTION_FLAG, NULL, "where the person meant is known beyond doubt", &filter->likely},
        {"mine", 0, OPTION_FLAG, NULL, "claimed by you", &filter->mine},
        {"unclaimed", 0, OPTION_FLAG, NULL, "claimed by nobody, and not decided", &filter->unclaimed},
        {"newest", 0, OPTION_FLAG, NULL, "the newest first, instead of the oldest", &filter->newest},
        {"limit", 'n', OPTION_INT, "N", "so many cases; default 50", &asked.limit},
        {"after", 0, OPTION_INT, "CASE", "go on behind this one", &filter->after},
        {"json", 0, OPTION_FLAG, NULL, "one JSON object a line", &asked.json},
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (asked.limit < 1 || asked.limit > LIST_LINES_MAX)
        return error_fail(ERROR_CONFIG, "--limit is 1 to %d", LIST_LINES_MAX);
    r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = names_read(&names, exchange);
    if (r == 0)
        r = review_queue_new(&queue, exchange, names, filter);
    return r < 0 ? r : print_list(queue, names, &asked);
}
