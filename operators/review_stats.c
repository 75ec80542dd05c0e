// SPDX-License-Identifier: Apache-2.0
//
// `dongbo review stats`: the queue as counted (review_tally.h), for people or as one JSON object. Names officers, who
// are logins, and no citizen.
#include "operators/answer.h"
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/names.h"
#include "operators/result.h"
#include "operators/review_tally.h"
#include "proto/base/clock.h"
#include "proto/reason.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#define DAYS 30
#define DAY_US (86400LL * 1000000)
#define AGE_BYTES 48

typedef struct Stats {
    ReviewTally tally;
    Names *names;
    int64_t now_us;
} Stats;

static void stats_free(Stats *stats) {
    review_tally_free(&stats->tally);
    names_destroy(&stats->names);
}

// ---- JSON

static json_t *age_json(const Stats *stats, int64_t us) {
    return us ? json_integer((json_int_t)((stats->now_us - us) / 1000000)) : json_null();
}

static json_t *groups_json(const Stats *stats) {
    json_t *list = json_array();
    for (size_t i = 0; i < stats->tally.n_groups; i++) {
        const ReviewTallyGroup *group = &stats->tally.groups[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:I, s:o}", "agency", names_agency(stats->names, group->agency),
                                        "domain", names_domain(group->domain), "cases", (json_int_t)group->cases,
                                        "oldest", answer_instant(group->oldest_us)));
    }
    return list;
}

static json_t *reasons_json(const Stats *stats) {
    int n = 0;
    const ReasonText *table = reason_table(&n);
    json_t *object = json_object();
    for (int i = 0; i < n && i < REVIEW_TALLY_REASONS; i++)
        if (stats->tally.reasons[i])
            json_object_set_new(object, table[i].name, json_integer((json_int_t)stats->tally.reasons[i]));
    return object;
}

static json_t *decided_json(const PGresult *rows) {
    json_t *list = json_array();
    for (int row = 0; row < PQntuples(rows); row++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "day",
                                              pg_text(rows, row, REVIEW_TALLY_DAY), "officer",
                                              pg_text(rows, row, REVIEW_TALLY_OFFICER), "accept",
                                              (json_int_t)pg_i64(rows, row, REVIEW_TALLY_ACCEPTED), "link",
                                              (json_int_t)pg_i64(rows, row, REVIEW_TALLY_LINKED), "refuse",
                                              (json_int_t)pg_i64(rows, row, REVIEW_TALLY_REFUSED), "failed",
                                              (json_int_t)pg_i64(rows, row, REVIEW_TALLY_FAILED), "likely",
                                              (json_int_t)pg_i64(rows, row, REVIEW_TALLY_LIKELY), "likely_chosen",
                                              (json_int_t)pg_i64(rows, row, REVIEW_TALLY_CHOSEN)));
    return list;
}

static json_t *chosen_json(const ReviewTally *tally) {
    return json_pack("{s:I, s:I, s:I, s:I}", "decided", (json_int_t)review_tally_sum(tally, REVIEW_TALLY_LIKELY),
                     "chosen", (json_int_t)review_tally_sum(tally, REVIEW_TALLY_CHOSEN), "known_decided",
                     (json_int_t)review_tally_sum(tally, REVIEW_TALLY_KNOWN), "known_chosen",
                     (json_int_t)review_tally_sum(tally, REVIEW_TALLY_KNOWN_CHOSEN));
}

static int print_json(const Stats *stats) {
    const ReviewTally *tally = &stats->tally;
    json_t *object = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cases",
                               (json_int_t)tally->cases, "events", (json_int_t)tally->events, "claimed",
                               (json_int_t)tally->claimed, "waiting", (json_int_t)tally->waiting, "known",
                               (json_int_t)tally->known, "possible", (json_int_t)tally->possible, "oldest",
                               tally->oldest_us ? answer_instant(tally->oldest_us) : json_null(), "oldest_age_s",
                               age_json(stats, tally->oldest_us), "median_age_s", age_json(stats, tally->median_us),
                               "open", groups_json(stats), "reasons", reasons_json(stats), "decided",
                               decided_json(tally->decided), "likely_person", chosen_json(tally));
    return answer_print(object, 0);
}

// ---- for people

static const char *age(const Stats *stats, int64_t us, char out[AGE_BYTES]) {
    int64_t minutes = stats->now_us > us ? (stats->now_us - us) / 60000000 : 0;
    if (minutes >= 1440)
        snprintf(out, AGE_BYTES, "%" PRId64 " d %" PRId64 " h", minutes / 1440, minutes % 1440 / 60);
    else
        snprintf(out, AGE_BYTES, "%" PRId64 " h %" PRId64 " min", minutes / 60, minutes % 60);
    return out;
}

static void print_head(const Stats *stats) {
    const ReviewTally *tally = &stats->tally;
    char oldest[AGE_BYTES], median[AGE_BYTES];
    printf("%" PRId64 " open cases of %" PRId64 " events; %" PRId64 " claimed, %" PRId64
           " decided and not carried out\n",
           tally->cases, tally->events, tally->claimed, tally->waiting);
    if (tally->cases == 0)
        return;
    printf("the oldest is %s old, half are older than %s\n", age(stats, tally->oldest_us, oldest),
           age(stats, tally->median_us, median));
    printf("of %" PRId64 " the person meant is known beyond doubt, of %" PRId64 " there are some to choose from\n",
           tally->known, tally->possible);
}

static int print_groups(const Stats *stats) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 4);
    if (r < 0 || stats->tally.n_groups == 0)
        return r;
    printf("\n");
    columns_add(columns, (const char *[]){"AGENCY", "DOMAIN", "OPEN", "OLDEST"});
    for (size_t i = 0; i < stats->tally.n_groups; i++) {
        const ReviewTallyGroup *group = &stats->tally.groups[i];
        char cases[24], oldest[AGE_BYTES];
        snprintf(cases, sizeof cases, "%" PRId64, group->cases);
        columns_add(columns, (const char *[]){names_agency(stats->names, group->agency), names_domain(group->domain),
                                              cases, age(stats, group->oldest_us, oldest)});
    }
    return columns_print(columns, stdout);
}

static int print_reasons(const Stats *stats) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int n = 0;
    const ReasonText *table = reason_table(&n);
    int r = columns_new(&columns, 2);
    if (r < 0 || stats->tally.cases == 0)
        return r;
    printf("\n");
    columns_add(columns, (const char *[]){"REASON", "OPEN"});
    for (int i = 0; i < n && i < REVIEW_TALLY_REASONS; i++) {
        char cases[24];
        snprintf(cases, sizeof cases, "%" PRId64, stats->tally.reasons[i]);
        if (stats->tally.reasons[i])
            columns_add(columns, (const char *[]){table[i].name, cases});
    }
    return columns_print(columns, stdout);
}

static int print_decided(const Stats *stats) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    const PGresult *rows = stats->tally.decided;
    int r = columns_new(&columns, 7);
    if (r < 0 || PQntuples(rows) == 0)
        return r;
    printf("\n");
    columns_add(columns, (const char *[]){"DAY", "OFFICER", "ACCEPT", "LINK", "REFUSE", "CAME TO NOTHING",
                                          "THE LIKELIEST CHOSEN"});
    for (int row = 0; row < PQntuples(rows); row++) {
        char counts[4][24], chosen[64];
        for (int i = 0; i < 4; i++)
            snprintf(counts[i], sizeof counts[i], "%" PRId64, pg_i64(rows, row, REVIEW_TALLY_ACCEPTED + i));
        snprintf(chosen, sizeof chosen, "%" PRId64 " of %" PRId64, pg_i64(rows, row, REVIEW_TALLY_CHOSEN),
                 pg_i64(rows, row, REVIEW_TALLY_LIKELY));
        columns_add(columns,
                    (const char *[]){pg_text(rows, row, REVIEW_TALLY_DAY), pg_text(rows, row, REVIEW_TALLY_OFFICER),
                                     counts[0], counts[1], counts[2], counts[3], chosen});
    }
    r = columns_print(columns, stdout);
    printf("where somebody was known beyond doubt, %" PRId64 " of %" PRId64 " were taken as theirs\n",
           review_tally_sum(&stats->tally, REVIEW_TALLY_KNOWN_CHOSEN),
           review_tally_sum(&stats->tally, REVIEW_TALLY_KNOWN));
    return r;
}

static int print_text(const Stats *stats) {
    print_head(stats);
    int r = print_groups(stats);
    if (r == 0)
        r = print_reasons(stats);
    return r < 0 ? r : print_decided(stats);
}

int review_stats(Desk *desk, int argc, char **argv) {
    CLEANUP(stats_free) Stats stats = {.now_us = clock_now_us(clock_system())};
    const char *since = NULL;
    bool json = false;
    Pg *exchange = NULL;
    int64_t since_us = stats.now_us - DAYS * DAY_US;
    int operand = 0;
    const Option options[] = {
        {"since", 0, OPTION_TEXT, "TIME", "decisions from then on, instead of 30 days' (2022-03-01)", &since},
        {"json", 0, OPTION_FLAG, NULL, "one JSON object", &json},
        {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (since && clock_parse_us(since, &since_us) != 0)
        return error_fail(ERROR_CONFIG, "--since: \"%s\" is no time (2022-03-01, or 2022-03-01T08:00:00+07:00)", since);
    r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = names_read(&stats.names, exchange);
    if (r == 0)
        r = review_tally_read(exchange, since_us, &stats.tally);
    if (r < 0)
        return r;
    return json ? print_json(&stats) : print_text(&stats);
}
