// SPDX-License-Identifier: Apache-2.0
//
// Scores a run against the truth of its synthetic country: prints one JSON object and says whether all holds.
// Reads only; it is no part of the exchange.

#include "proto/base/error.h"
#include "proto/base/options.h"
#include "proto/domain.h"
#include "tests/country/committees.h"
#include "tests/country/ledger.h"
#include "tests/country/reviews.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define COMMITTEES_MAX 16
#define EXIT_NOT_AS_EXPECTED 1

typedef struct Settings {
    const char *exchange, *population, *data, *report, *policy, *verdicts;
    long long milliseconds;
} Settings;

typedef struct Score {
    Ledger ledger;
    Reviews reviews, tried; // of the run; of another policy
    uint64_t report_wrong;  // figures of `dongbo report` that are not those of the tables
    Committee committees[COMMITTEES_MAX];
    size_t n_committees;
} Score;

static json_t *verdicts_json(const Ledger *ledger) {
    json_t *domains = json_object();
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        json_t *verdicts = json_object();
        for (int verdict = 1; verdict < LEDGER_VERDICTS; verdict++)
            if (ledger->present[domain][verdict])
                json_object_set_new(verdicts, verdict_name(verdict),
                                    json_integer((json_int_t)ledger->present[domain][verdict]));
        json_object_set_new(domains, domain_name(domain), verdicts);
    }
    return domains;
}

static json_t *committees_json(const Score *score) {
    json_t *committees = json_object();
    for (size_t i = 0; i < score->n_committees; i++) {
        const Committee *c = &score->committees[i];
        json_object_set_new(committees, c->name,
                            json_pack("{s:I, s:I, s:I, s:I, s:I}", "records", (json_int_t)c->records, "missing",
                                      (json_int_t)c->missing, "beyond", (json_int_t)c->beyond, "undisclosed",
                                      (json_int_t)c->undisclosed, "doubled", (json_int_t)c->doubled));
    }
    return committees;
}

static const char *const GROUP_NAMES[REVIEW_GROUPS] = {[REVIEW_WRONG] = "wrong", [REVIEW_UNUSABLE] = "unusable"};

static uint64_t found(const Reviews *reviews, int g) {
    return reviews->first_right[g] + reviews->by_number[g];
}

static json_t *percent(uint64_t part, uint64_t whole) {
    return json_real(whole == 0 ? 0 : (double)(part * 1000 / whole) / 10);
}

static json_t *group_json(const Reviews *reviews, int g) {
    const uint64_t total = reviews->total[g];
    return json_pack("{s:I, s:I, s:o, s:I, s:I, s:o, s:I, s:o, s:I}", "rows", (json_int_t)total, "accepted",
                     (json_int_t)reviews->accepted[g], "accepted_percent", percent(reviews->accepted[g], total),
                     "accepted_wrongly", (json_int_t)reviews->accepted_wrong[g], "in_review",
                     (json_int_t)reviews->rows[g], "in_review_percent", percent(reviews->rows[g], total),
                     "with_the_right_person", (json_int_t)found(reviews, g), "with_the_right_person_percent",
                     percent(found(reviews, g), total), "known_wrongly", (json_int_t)reviews->known_wrong[g]);
}

// All vaccinations: right as they were sent, right now, and right once a reviewer has confirmed who is attached.
static json_t *all_json(const Reviews *reviews) {
    const uint64_t confirmed = reviews->right + found(reviews, REVIEW_WRONG) + found(reviews, REVIEW_UNUSABLE);
    return json_pack("{s:I, s:I, s:o, s:I, s:o, s:I, s:o}", "rows", (json_int_t)reviews->all, "agree",
                     (json_int_t)reviews->agree, "agree_percent", percent(reviews->agree, reviews->all), "right",
                     (json_int_t)reviews->right, "right_percent", percent(reviews->right, reviews->all),
                     "right_when_confirmed", (json_int_t)confirmed, "right_when_confirmed_percent",
                     percent(confirmed, reviews->all));
}

// What becomes of vaccinations that are wrong, or have no usable number, under a policy.
static void add_policy(json_t *policies, const char *name, const Reviews *reviews) {
    json_t *policy = json_object();
    for (int g = 0; g < REVIEW_GROUPS; g++)
        json_object_set_new(policy, GROUP_NAMES[g], group_json(reviews, g));
    json_object_set_new(policy, "all", all_json(reviews));
    json_object_set_new(policies, name, policy);
}

// Whom a reviewer finds beside the vaccinations in question, or by their number.
static void add_reviews(json_t *json, const Reviews *reviews) {
    for (int g = 0; g < REVIEW_GROUPS; g++) {
        const struct {
            const char *name;
            uint64_t count;
        } counts[] = {{"in_review", reviews->rows[g]},
                      {"with_the_right_person", reviews->first_right[g] + reviews->by_number[g]},
                      {"known_beyond_doubt", reviews->known[g]},
                      {"known_wrongly", reviews->known_wrong[g]},
                      {"right_person_listed", reviews->listed_right[g] + reviews->by_number[g]}};
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            char name[64];
            snprintf(name, sizeof name, "%s_%s", GROUP_NAMES[g], counts[i].name);
            json_object_set_new(json, name, json_integer((json_int_t)counts[i].count));
        }
    }
}

static uint64_t undisclosed(const Score *score) {
    uint64_t n = 0;
    for (size_t i = 0; i < score->n_committees; i++)
        n += score->committees[i].undisclosed;
    return n;
}

static uint64_t doubled(const Score *score) {
    uint64_t n = score->ledger.doubled;
    for (size_t i = 0; i < score->n_committees; i++)
        n += score->committees[i].doubled;
    return n;
}

static bool all_holds(const Score *score) {
    const Ledger *l = &score->ledger;
    bool holds = l->lost + l->strange + l->wrongly_accepted + l->verdicts_wrong + l->reasons_wrong +
                     l->records_missing + l->records_beyond + score->report_wrong + doubled(score) +
                     undisclosed(score) + score->tried.accepted_wrong[REVIEW_WRONG] +
                     score->tried.accepted_wrong[REVIEW_UNUSABLE] ==
                 0;
    for (size_t i = 0; i < score->n_committees; i++)
        holds = holds && score->committees[i].missing == 0 && score->committees[i].beyond == 0;
    return holds;
}

static json_t *score_json(const Score *score, const Settings *settings) {
    const Ledger *l = &score->ledger;
    json_t *json =
        json_pack("{s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:o, s:b}", "events",
                  (json_int_t)l->events, "records", (json_int_t)l->records, "verdicts", verdicts_json(l), "lost",
                  (json_int_t)l->lost, "doubled", (json_int_t)doubled(score), "wrongly_accepted",
                  (json_int_t)l->wrongly_accepted, "undisclosed_fields_seen", (json_int_t)undisclosed(score),
                  "feed_head", (json_int_t)l->head, "differences", "verdicts", (json_int_t)l->verdicts_wrong, "reasons",
                  (json_int_t)l->reasons_wrong, "events_of_no_table", (json_int_t)l->strange, "records_missing",
                  (json_int_t)l->records_missing, "records_beyond", (json_int_t)l->records_beyond, "report",
                  (json_int_t)score->report_wrong, "committees", committees_json(score), "all_holds", all_holds(score));
    if (settings->milliseconds > 0) {
        const double seconds = (double)settings->milliseconds / 1000;
        json_object_set_new(json, "seconds", json_real(seconds));
        json_object_set_new(json, "events_per_second", json_integer((json_int_t)((double)l->events / seconds)));
    }
    return json;
}

static uint64_t taken_rows(const Truth *truth, SheetId sheet) {
    uint64_t n = 0;
    for (size_t i = truth->base[sheet]; i < truth->base[sheet + 1]; i++)
        n += strcmp(CLAIM_TRUTHS[truth->rows[i].kind].final, "ACCEPTED") == 0;
    return n;
}

static bool total_is(const json_t *report, const char *key, uint64_t expected) {
    const json_t *total = json_object_get(json_object_get(report, key), "total");
    const bool is = json_is_integer(total) && (uint64_t)json_integer_value(total) == expected;
    if (!is)
        fprintf(stderr, "score: the report's %s is not %llu\n", key, (unsigned long long)expected);
    return is;
}

static bool ha_noi_is_first(const json_t *report) {
    const json_t *provinces = json_object_get(json_object_get(report, "e_id_accounts"), "by_province");
    const char *first = json_string_value(json_object_get(json_array_get(provinces, 0), "province"));
    return first && strcmp(first, "01") == 0 && json_array_size(provinces) == 63;
}

// Reads `dongbo report --json` and holds its figures against the tables.
static int check_report(Score *score, const Truth *truth, const char *path, json_t **ret) {
    json_error_t error;
    json_t *report = json_load_file(path, 0, &error);
    if (!report)
        return error_fail(ERROR_DATA, "%s: %s", path, error.text);
    score->report_wrong += !total_is(report, "e_id_accounts", taken_rows(truth, SHEET_E_ID));
    score->report_wrong += !total_is(report, "electricity", taken_rows(truth, SHEET_ELECTRICITY));
    score->report_wrong += !total_is(report, "temporary_stay", taken_rows(truth, SHEET_STAY));
    score->report_wrong += !total_is(report, "temporary_residence", taken_rows(truth, SHEET_TEMPORARY));
    score->report_wrong += !ha_noi_is_first(report);
    const json_t *doses = json_object_get(json_object_get(report, "vaccinations"), "by_verdict");
    for (int verdict = 1; verdict < LEDGER_VERDICTS; verdict++)
        score->report_wrong += (uint64_t)json_integer_value(json_object_get(doses, verdict_name(verdict))) !=
                               score->ledger.present[DONGBO__DOMAIN__HEALTH][verdict];
    *ret = report;
    return 0;
}

// Operands are NAME=DIR, one for each committee.
static int check_committees(Score *score, const Truth *truth, Pg *exchange, int n, char **operands) {
    for (int i = 0; i < n && i < COMMITTEES_MAX; i++) {
        char *equals = strchr(operands[i], '=');
        if (!equals)
            return error_fail(ERROR_CONFIG, "%s is not NAME=DIR", operands[i]);
        *equals = '\0';
        Committee *committee = &score->committees[score->n_committees++];
        *committee = (Committee){.name = operands[i]};
        const int r = committee_check(committee, truth, exchange, equals + 1);
        if (r < 0)
            return r;
    }
    return 0;
}

// NAME=FILE
static const char *file_of(const char *verdicts) {
    const char *equals = strchr(verdicts, '=');
    return equals ? equals + 1 : "";
}

static void add_policies(json_t *json, const Score *score, const Settings *settings) {
    json_t *policies = json_object();
    const char *policy = settings->policy ? settings->policy : "shipped";
    add_policy(policies, policy, &score->reviews);
    if (settings->verdicts) {
        char tried[64];
        snprintf(tried, sizeof tried, "%.*s", (int)strcspn(settings->verdicts, "="), settings->verdicts);
        add_policy(policies, tried, &score->tried);
    }
    json_object_set_new(json, "policy", json_string(policy));
    json_object_set_new(json, "policies", policies);
}

static int run(const Settings *settings, int n, char **operands) {
    static Score score;
    Truth truth = {0};
    CLEANUP(pg_destroy) Pg *exchange = NULL;
    CLEANUP(pg_destroy) Pg *population = NULL;
    if (!settings->exchange || !settings->population || !settings->data)
        return error_fail(ERROR_CONFIG, "--exchange, --population and --data are all needed");
    int r = pg_new(&exchange, settings->exchange, "score");
    if (r == 0)
        r = pg_new(&population, settings->population, "score");
    if (r == 0)
        r = pg_connect(exchange);
    if (r == 0)
        r = pg_connect(population);
    if (r == 0)
        r = truth_load(&truth, settings->data);
    if (r == 0)
        truth.lenient = settings->policy != NULL;
    if (r == 0)
        r = ledger_read(&score.ledger, &truth, exchange, population);
    if (r == 0)
        r = reviews_read(&score.reviews, &truth, exchange);
    if (r == 0)
        r = check_committees(&score, &truth, exchange, n, operands);
    if (r == 0 && settings->verdicts)
        r = reviews_read_verdicts(&score.tried, &truth, file_of(settings->verdicts));
    json_t *report = NULL;
    if (r == 0 && settings->report)
        r = check_report(&score, &truth, settings->report, &report);
    json_t *json = r == 0 ? score_json(&score, settings) : NULL;
    if (r == 0) {
        add_reviews(json, &score.reviews);
        add_policies(json, &score, settings);
        if (report)
            json_object_set(json, "report", report);
        json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        putchar('\n');
        r = all_holds(&score) ? 0 : EXIT_NOT_AS_EXPECTED;
    }
    json_decref(report);
    json_decref(json);
    truth_free(&truth);
    return r;
}

int main(int argc, char **argv) {
    Settings settings = {0};
    const Option options[] = {
        {"exchange", 0, OPTION_TEXT, "CONNINFO", "the exchange's database, as a role that may read all",
         &settings.exchange},
        {"population", 0, OPTION_TEXT, "CONNINFO", "the population store", &settings.population},
        {"data", 0, OPTION_TEXT, "DIR", "what `country` wrote", &settings.data},
        {"report", 0, OPTION_TEXT, "FILE", "`dongbo report --json`, taken into the answer", &settings.report},
        {"policy", 0, OPTION_TEXT, "NAME", "agencies' policies accept more than as shipped; what they excuse is right",
         &settings.policy},
        {"verdicts", 0, OPTION_TEXT, "NAME=FILE", "what `dongbo verify` says of vaccinations.csv under another policy",
         &settings.verdicts},
        {"milliseconds", 0, OPTION_INT, "N", "how long the run took", &settings.milliseconds},
        {0}};
    const Command command = {.name = "score",
                             .operands = "COMMITTEE=DIR...",
                             .summary = "Scores a run against the truth of its synthetic country.",
                             .options = options,
                             .operands_max = COMMITTEES_MAX};
    int operand = 0;
    int r = options_parse(&command, argc, argv, &operand);
    if (r > 0)
        return 0;
    if (r == 0)
        r = run(&settings, argc - operand, argv + operand);
    if (r < 0)
        fprintf(stderr, "score: %s\n", error_text());
    return r < 0 ? error_exit_code(r) : r;
}
