// SPDX-License-Identifier: Apache-2.0
//
// `dongbo report`: what the exchange holds, as counted (tally.h), or where errors come from (quality.h), for people or
// as one JSON object.
#include "operators/answer.h"
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/names.h"
#include "operators/quality_log.h"
#include "operators/quality_report.h"
#include "operators/tally.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/reason.h"
#include "verdict.pb-c.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t sum(const uint64_t *counts, size_t n) {
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += counts[i];
    return total;
}

// ---- JSON

static json_t *verdicts_json(const uint64_t counts[TALLY_VERDICTS]) {
    json_t *object = json_object();
    for (int verdict = 1; verdict < TALLY_VERDICTS; verdict++)
        if (counts[verdict])
            json_object_set_new(object, verdict_name(verdict), json_integer((json_int_t)counts[verdict]));
    return object;
}

static json_t *reasons_json(const uint64_t counts[TALLY_VERDICTS][TALLY_REASONS]) {
    int n = 0;
    const ReasonText *table = reason_table(&n);
    json_t *object = json_object();
    for (int verdict = 1; verdict < TALLY_VERDICTS; verdict++) {
        json_t *reasons = json_object();
        for (int i = 0; i < n && i < TALLY_REASONS; i++)
            if (counts[verdict][i])
                json_object_set_new(reasons, table[i].name, json_integer((json_int_t)counts[verdict][i]));
        if (json_object_size(reasons))
            json_object_set_new(object, verdict_name(verdict), reasons);
        else
            json_decref(reasons);
    }
    return object;
}

static json_t *named_json(const TallyNamed *named, const char *key) {
    json_t *by = json_object();
    for (int i = 0; i < named->n; i++)
        json_object_set_new(by, named->list[i].name, json_integer((json_int_t)named->list[i].count));
    return json_pack("{s:I, s:o}", "total", (json_int_t)tally_named_total(named), key, by);
}

static const char *province_name(const Rules *rules, const char *code) {
    const char *name = code_list_name(rules_codes(rules, "provinces63"), code);
    return name ? name : *code ? "unknown" : "not said";
}

static json_t *e_id_json(const Tally *tally, const Rules *rules) {
    const TallyNamed *named = &tally->e_id_by_province;
    json_t *by = json_array();
    for (int i = 0; i < named->n; i++)
        json_array_append_new(by, json_pack("{s:s, s:s, s:I}", "province", named->list[i].name, "name",
                                            province_name(rules, named->list[i].name), "count",
                                            (json_int_t)named->list[i].count));
    return json_pack("{s:I, s:o}", "total", (json_int_t)tally_named_total(named), "by_province", by);
}

static json_t *domain_json(const Tally *tally, int domain) {
    return json_pack("{s:I, s:I, s:o, s:o, s:o}", "events", (json_int_t)sum(tally->first[domain], TALLY_VERDICTS),
                     "records", (json_int_t)tally->records[domain], "by_verdict", verdicts_json(tally->present[domain]),
                     "first_by_verdict", verdicts_json(tally->first[domain]), "reasons",
                     reasons_json(tally->reasons[domain]));
}

static json_t *domains_json(const Tally *tally) {
    json_t *domains = json_object();
    for (int domain = 0; domain <= DOMAIN_MAX; domain++)
        if (sum(tally->first[domain], TALLY_VERDICTS) || tally->records[domain])
            json_object_set_new(domains, names_domain(domain), domain_json(tally, domain));
    return domains;
}

static int print_json(const Tally *tally, const Rules *rules) {
    json_t *likely = json_pack("{s:I, s:I, s:I}", "mismatches", (json_int_t)tally->mismatches, "known",
                               (json_int_t)tally->likely_known, "possible", (json_int_t)tally->likely_possible);
    json_t *report =
        json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "events", (json_int_t)tally->events, "decisions",
                  (json_int_t)tally->decisions, "likely", likely, "e_id_accounts", e_id_json(tally, rules),
                  "electricity", named_json(&tally->electricity_by_status, "by_status"), "temporary_stay",
                  named_json(&tally->temporary_stay_by_reporter, "by_reporter"), "temporary_residence",
                  named_json(&tally->temporary_residence_by_status, "by_status"), "vaccinations",
                  domain_json(tally, DONGBO__DOMAIN__HEALTH), "domains", domains_json(tally));
    return answer_print(report, 0);
}

// ---- for people

static int print_verdicts(const Tally *tally) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 5);
    if (r < 0)
        return r;
    columns_add(columns, (const char *[]){"DOMAIN", "VERDICT", "FIRST", "NOW", "REASONS OF FIRST"});
    int n = 0;
    const ReasonText *table = reason_table(&n);
    for (int domain = 0; domain <= DOMAIN_MAX; domain++)
        for (int verdict = 1; verdict < TALLY_VERDICTS; verdict++) {
            char first[24], now[24], reasons[1024] = "";
            if (!tally->first[domain][verdict] && !tally->present[domain][verdict])
                continue;
            snprintf(first, sizeof first, "%" PRIu64, tally->first[domain][verdict]);
            snprintf(now, sizeof now, "%" PRIu64, tally->present[domain][verdict]);
            size_t used = 0;
            for (int i = 0; i < n && i < TALLY_REASONS && used < sizeof reasons; i++)
                if (tally->reasons[domain][verdict][i])
                    used += (size_t)snprintf(reasons + used, sizeof reasons - used, "%s%s %" PRIu64, used ? ", " : "",
                                             table[i].name, tally->reasons[domain][verdict][i]);
            columns_add(columns, (const char *[]){names_domain(domain), verdict_name(verdict), first, now, reasons});
        }
    return columns_print(columns, stdout);
}

static int print_named(const char *title, const TallyNamed *named, const Rules *rules, const char *list) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    const CodeList *codes = rules_codes(rules, list);
    printf("\n%s: %" PRIu64 "\n", title, tally_named_total(named));
    int r = columns_new(&columns, 4);
    if (r < 0)
        return r;
    for (int i = 0; i < named->n; i++) {
        char count[24];
        const char *code = named->list[i].name, *name = codes ? code_list_name(codes, code) : NULL;
        snprintf(count, sizeof count, "%" PRIu64, named->list[i].count);
        columns_add(columns, (const char *[]){" ", *code ? code : "-", count, name ? name : ""});
    }
    return columns_print(columns, stdout);
}

static int print_text(const Tally *tally, const Rules *rules) {
    printf("%" PRIu64 " events, %" PRIu64 " decided again\n\n", tally->events, tally->decisions);
    int r = print_verdicts(tally);
    printf("\n%" PRIu64 " mismatches wait for a reviewer: of %" PRIu64
           " the person meant is known beyond doubt, of %" PRIu64
           " there are some to choose from (dongbo review next)\n",
           tally->mismatches, tally->likely_known, tally->likely_possible);
    if (r == 0)
        r = print_named("e-ID accounts by province", &tally->e_id_by_province, rules, "provinces63");
    if (r == 0)
        r = print_named("Electricity registrations", &tally->electricity_by_status, rules, "contract-status");
    if (r == 0)
        r = print_named("Temporary-stay reports by reporter", &tally->temporary_stay_by_reporter, rules,
                        "reporter-kinds");
    if (r == 0)
        r = print_named("Temporary-residence applications", &tally->temporary_residence_by_status, rules,
                        "residence-status");
    printf("\nRecords held:");
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++)
        if (tally->records[domain])
            printf(" %s %" PRIu64, domain_name(domain), tally->records[domain]);
    printf("\n");
    return r;
}

typedef struct Asked {
    bool json, quality;
    const char *since;
} Asked;

static int print_held(Pg *exchange, const Rules *rules, const Asked *asked) {
    Tally *tally = NULL;
    int r = tally_read(&tally, exchange);
    if (r == 0)
        r = asked->json ? print_json(tally, rules) : print_text(tally, rules);
    free(tally);
    return r;
}

static int print_quality(Pg *exchange, const Rules *rules, const Asked *asked) {
    CLEANUP(quality_destroy) Quality *quality = NULL;
    CLEANUP(names_destroy) Names *names = NULL;
    QualityOptions options = {.rules = rules};
    int r = 0;
    if (asked->since && clock_parse_us(asked->since, &options.since_us) != 0)
        r = error_fail(ERROR_CONFIG, "--since: \"%s\" is no time (2022-03-01, or 2022-03-01T08:00:00+07:00)",
                       asked->since);
    if (r == 0)
        r = names_read(&names, exchange);
    if (r == 0)
        r = quality_log_read(&quality, exchange, &options);
    if (r < 0)
        return r;
    return asked->json ? quality_report_print_json(quality, names, asked->since) : quality_report_print(quality, names);
}

static const char NOTES[] =
    "--quality shows by agency, domain, month and facility (the field that schemas/rules name so) how many events came,\n"
    "how many of them are refused as things stand (MISMATCH, REJECTED) and for which reasons, and how many wait for\n"
    "their citizen. The month is the one in which the event came. Rows that an agent refused by itself never came.\n";

int report_print(Desk *desk, int argc, char **argv) {
    Asked asked = {0};
    int operand = 0;
    Pg *exchange = NULL;
    const Rules *rules = NULL;
    const Option options[] = {
        {"quality", 0, OPTION_FLAG, NULL, "where errors come from, over time", &asked.quality},
        {"since", 0, OPTION_TEXT, "TIME", "with --quality: events that came from then on", &asked.since},
        {"json", 0, OPTION_FLAG, NULL, "one JSON object", &asked.json},
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (asked.since && !asked.quality)
        return error_fail(ERROR_CONFIG, "--since goes with --quality");
    r = desk_rules(desk, &rules);
    if (r == 0)
        r = desk_exchange(desk, &exchange);
    if (r < 0)
        return r;
    return asked.quality ? print_quality(exchange, rules, &asked) : print_held(exchange, rules, &asked);
}
