// SPDX-License-Identifier: Apache-2.0
//
// The event first, then one block for each person: rows of fields, a star where the two differ. Blocks stand below each
// other, for beside each other five persons are wider than a terminal.
#include "operators/review_text.h"
#include "operators/columns.h"
#include "operators/mask.h"
#include "operators/result.h"
#include "operators/review_record.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/domain.h"
#include "proto/reason.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *shown_value(const ReviewCase *of, const RuleField *field, const char *value, char out[MASK_BYTES]) {
    return of->unmask ? value : mask_value(field, value, out);
}

static void print_time(const char *before, int64_t us) {
    char at[CLOCK_TEXT_BYTES];
    clock_format_us(us, at);
    printf("%s%.19sZ", before, at);
}

// ---- the event ------------------------------------------------------------------------------------------------------

static void print_head(const ReviewCase *of) {
    int verdict = (int)review_case_i64(of, REVIEW_VERDICT), first = (int)review_case_i64(of, REVIEW_FIRST_VERDICT);
    int64_t decided = review_case_i64(of, REVIEW_DECIDED_POSITION);
    printf("case %" PRId64 "  %s  %s  %s  %s", of->number, review_case_is_open(of) ? "open" : "closed",
           names_agency(of->names, (uint32_t)review_case_i64(of, REVIEW_AGENCY)),
           names_domain((int)review_case_i64(of, REVIEW_DOMAIN)), verdict_name(first));
    if (decided)
        printf(", then %s at position %" PRId64, verdict_name(verdict), decided);
    print_time("\n  since ", pg_us(of->events, 0, REVIEW_AT));
    printf(", position %" PRId64 ", sequence %" PRId64, review_case_i64(of, REVIEW_POSITION),
           review_case_i64(of, REVIEW_SEQUENCE));
    if (of->event)
        print_time("; happened ", of->event->event_time_us);
    if (review_case_is_open(of) && verdict == DONGBO__VERDICT__DEFERRED)
        printf("\n  waits for its person to become known, and is then decided by itself; an officer may be earlier");
    if (review_case_stands(of))
        printf("\n  was accepted before, and its record stands: refused, the record goes on without it");
    printf("\n");
}

static bool is_held(const ReviewCase *of) {
    for (size_t i = 0; of->verdict && i < of->verdict->n_reasons; i++)
        if (of->verdict->reasons[i]->code == DONGBO__REASON_CODE__GUESSES_TOO_MANY)
            return true;
    return false;
}

static void print_repeats(const ReviewCase *of) {
    int n = PQntuples(of->events);
    if (of->n_events < 2)
        return;
    if (is_held(of))
        printf("  %" PRId64 " things were said of this person and held, %" PRId64
               " are open: accept takes those that agree "
               "and refuses the others; others at",
               of->n_events, of->n_open);
    else
        printf("  said %" PRId64 " times, %" PRId64 " open; others at", of->n_events, of->n_open);
    for (int row = 1; row < n; row++)
        printf(" %" PRId64 "%s", pg_i64(of->events, row, REVIEW_POSITION),
               pg_bool(of->events, row, REVIEW_OPEN) ? "" : " (closed)");
    if (of->n_events > n)
        printf(" and %" PRId64 " earlier", of->n_events - n);
    printf("\n");
}

static void print_claim(const ReviewCase *of) {
    if (PQntuples(of->claim) == 0)
        return;
    printf("  claimed by ");
    columns_show(pg_text(of->claim, 0, REVIEW_CLAIM_OFFICER));
    print_time(review_case_is_mine(of) ? " (you) until " : " until ", pg_us(of->claim, 0, REVIEW_CLAIM_UNTIL));
    printf("\n");
}

static void print_reasons(const ReviewCase *of) {
    if (!of->verdict)
        printf("  the reasons cannot be read\n");
    for (size_t i = 0; of->verdict && i < of->verdict->n_reasons; i++) {
        const Dongbo__Reason *reason = of->verdict->reasons[i];
        const ReasonText *text = reason_find((int)reason->code);
        printf("  %s%s", text->name, *reason->field ? " " : "");
        columns_show(reason->field);
        printf(": %s\n", text->en);
    }
}

static int print_body(const ReviewCase *of) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 3);
    if (r < 0)
        return r;
    if (!of->event)
        printf("\n  what the event says cannot be read\n");
    if (!of->body || !of->domain)
        return 0;
    bool retracts = of->event->operation == DONGBO__OPERATION__RETRACT;
    printf("\n  %s%s\n", names_domain(of->domain->domain), retracts ? ", to be withdrawn" : "");
    for (size_t i = 0; i < of->domain->n_fields; i++) {
        const RuleField *field = &of->domain->fields[i];
        char number[12], masked[MASK_BYTES];
        const char *value = field_text(of->body, field->number, number);
        if (*value)
            columns_add(columns, (const char *[]){"   ", field->name, shown_value(of, field, value, masked)});
    }
    return columns_print(columns, stdout);
}

// ---- whom it may be about -------------------------------------------------------------------------------------------

static void print_alternative_head(const ReviewCase *of, const ReviewAlternative *alternative) {
    char masked[MASK_BYTES];
    const char *number = review_case_held(of, alternative, "citizen_number");
    const char *died_on = review_case_held(of, alternative, "died_on");
    if (alternative->candidate)
        printf("\n  %d-%s  ", alternative->candidate, alternative->check);
    else
        printf("\n  -  ");
    if (alternative->row < 0)
        printf("somebody whom the population store has no more");
    else
        columns_show(shown_value(of, comparison_field(COMPARISON_NUMBER), number, masked));
    printf("%s%s", alternative->is_bearer ? ", whose number it is" : "", *died_on ? ", died " : "");
    columns_show(shown_value(of, comparison_field(COMPARISON_BIRTH_DATE), died_on, masked)); // a date, as masked
    if (alternative->match)
        printf("  %.4f %%, %+.1f bits", (double)review_case_posterior(alternative) / 10000,
               (double)json_integer_value(json_object_get(alternative->match, "bits")) / 1000);
    printf("\n");
}

// With a column of bits where there was a search, which weighed.
static void add_row(const ReviewCase *of, const ComparisonRow *row, bool weighed, Columns *columns) {
    char said[MASK_BYTES], held[MASK_BYTES], bits[24] = "";
    if (!*row->said && !*row->held)
        return;
    if (row->weighed)
        snprintf(bits, sizeof bits, "%+.1f", (double)row->bits / 1000);
    columns_add(columns, (const char *[]){row->differs ? "    *" : "     ", row->field->name,
                                          *row->said ? shown_value(of, row->field, row->said, said) : "-",
                                          *row->held ? shown_value(of, row->field, row->held, held) : "-", row->agrees,
                                          weighed ? bits : row->reasons, row->reasons});
}

// The record that the event is about, as it is held: what of it would change.
static int print_same(const ReviewCase *of, const ReviewRecord *record) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 4);
    if (r < 0)
        return r;
    columns_add(columns, (const char *[]){"     ", "", "said", "held"});
    for (size_t i = 0; i < of->domain->n_fields; i++) {
        const RuleField *field = &of->domain->fields[i];
        char numbers[2][12], masked[2][MASK_BYTES];
        const char *said = field_text(of->body, field->number, numbers[0]);
        const char *held = field_text(record->body, field->number, numbers[1]);
        if (*said || *held)
            columns_add(columns, (const char *[]){*said && strcmp(said, held) != 0 ? "    *" : "     ", field->name,
                                                  *said ? shown_value(of, field, said, masked[0]) : "-",
                                                  *held ? shown_value(of, field, held, masked[1]) : "-"});
    }
    return columns_print(columns, stdout);
}

static void print_other(const ReviewCase *of, const ReviewRecord *record) {
    CLEANUP(bytes_free) Bytes key = {0};
    mask_key(of->domain, record->key, of->unmask, &key);
    printf("       ");
    columns_show(key.failed ? "?" : (const char *)key.data);
    const char *before = ":";
    for (size_t i = 0; i < of->domain->n_fields; i++) {
        const RuleField *field = &of->domain->fields[i];
        char number[12], masked[MASK_BYTES];
        const char *value = field_text(record->body, field->number, number);
        if (!*value || field->key)
            continue;
        printf("%s %s ", before, field->name);
        columns_show(shown_value(of, field, value, masked));
        before = ",";
    }
    printf("\n");
}

static int print_records(const ReviewCase *of, const ReviewAlternative *alternative) {
    ReviewRecord record;
    int r = 0, n = 0;
    int64_t all = review_record_count(of, alternative);
    for (; r == 0 && of->domain && review_record_get(of, alternative, n, &record) == 0; n++) {
        if (n == 0)
            printf("     holds in %s already%s\n", names_domain(of->domain->domain),
                   record.is_same ? ", what the event would change:" : "");
        if (!record.body)
            printf("       a record that cannot be read\n");
        else if (record.is_same && of->body)
            r = print_same(of, &record);
        else
            print_other(of, &record);
    }
    if (all > REVIEW_RECORDS_SHOWN)
        printf("       and %" PRId64 " more (dongbo citizen)\n", all - REVIEW_RECORDS_SHOWN);
    return r;
}

static int print_alternative(const ReviewCase *of, const ReviewAlternative *alternative) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    print_alternative_head(of, alternative);
    bool weighed = false;
    for (int i = 0; i < COMPARISON_FIELDS; i++)
        weighed = weighed || alternative->comparison.rows[i].weighed;
    int r = columns_new(&columns, weighed ? 7 : 6);
    if (r < 0)
        return r;
    columns_add(columns, (const char *[]){"     ", "", "said", "in the store", "", weighed ? "bits" : "", ""});
    for (int i = 0; i < COMPARISON_FIELDS; i++)
        add_row(of, &alternative->comparison.rows[i], weighed, columns);
    r = columns_print(columns, stdout);
    return r == 0 ? print_records(of, alternative) : r;
}

static int print_alone(const ReviewCase *of) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    Comparison comparison;
    int r = columns_new(&columns, 6);
    if (r < 0 || !of->event || !of->event->subject)
        return r;
    printf("\n  nobody is known who may be meant\n");
    comparison_make(&(ComparisonSides){.said = of->event->subject, .verdict = of->verdict}, &comparison);
    for (int i = 0; i < COMPARISON_FIELDS; i++)
        add_row(of, &comparison.rows[i], false, columns);
    return columns_print(columns, stdout);
}

static void print_part(const ReviewCase *of, const char *key, const char *what) {
    char *value = json_dumps(json_object_get(of->search, key), JSON_ENCODE_ANY);
    if (value)
        printf("%s %s", what, value);
    free(value);
}

// How sure it is, beside the next best, and by what it was weighed.
static void print_search(const ReviewCase *of) {
    if (!of->search) {
        printf("\n  nobody was looked for by what is said of the person\n");
        return;
    }
    printf("\n  nobody of these %.4f %%", (double)review_case_nobody(of) / 10000);
    if (of->n_alternatives > 1 && of->alternatives[1].match)
        printf(", runner-up %.4f %%", (double)review_case_posterior(&of->alternatives[1]) / 10000);
    print_part(of, "model", "; model");
    print_part(of, "learnt", ", learnt");
    print_part(of, "version", ", weights");
    printf("\n");
    if (json_is_true(json_object_get(of->search, "too_large")))
        printf("  too many share what is said to tell who is meant: there are more than these\n");
}

static int print_alternatives(const ReviewCase *of) {
    int r = of->n_alternatives ? 0 : print_alone(of);
    for (int i = 0; r == 0 && i < of->n_alternatives; i++)
        r = print_alternative(of, &of->alternatives[i]);
    if (r == 0)
        print_search(of);
    return r;
}

// ---- what was decided -----------------------------------------------------------------------------------------------

static void print_decision(const ReviewCase *of, int row) {
    const PGresult *rows = of->decisions;
    char masked[MASK_BYTES];
    const char *number = pg_text(rows, row, REVIEW_LINKED_TO);
    print_time("    ", pg_us(rows, row, REVIEW_DECIDED_AT));
    printf("  %s%s%s by ", pg_text(rows, row, REVIEW_ACTION), *number ? " to " : "",
           shown_value(of, comparison_field(COMPARISON_NUMBER), number, masked));
    columns_show(pg_text(rows, row, REVIEW_DECIDED_BY));
    printf(", %s", pg_text(rows, row, REVIEW_STATE));
    if (pg_i64(rows, row, REVIEW_OUTCOME_POSITION))
        printf(" at position %" PRId64, pg_i64(rows, row, REVIEW_OUTCOME_POSITION));
    printf("%s", *pg_text(rows, row, REVIEW_OUTCOME) ? ": " : "");
    columns_show(pg_text(rows, row, REVIEW_OUTCOME));
    printf("\n      why: "); // may name somebody
    columns_show(of->unmask ? pg_text(rows, row, REVIEW_WHY) : "***");
    printf("\n");
}

static void print_next(const ReviewCase *of) {
    char next[REVIEW_NEXT_MAX][REVIEW_NEXT_BYTES];
    int n = review_case_next(of, next);
    for (int row = 0; row < PQntuples(of->decisions); row++) {
        printf("%s", row ? "" : "\n  decided\n");
        print_decision(of, row);
    }
    for (int i = 0; i < n; i++)
        printf("%s    %s\n", i ? "" : "\n  next\n", next[i]);
}

int review_text_print(const ReviewCase *of) {
    print_head(of);
    print_repeats(of);
    print_claim(of);
    print_reasons(of);
    int r = print_body(of);
    if (r == 0)
        r = print_alternatives(of);
    if (r == 0)
        print_next(of);
    return r;
}
