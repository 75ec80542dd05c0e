// SPDX-License-Identifier: Apache-2.0
//
// The person, then each record with its values in columns, then what is in question.
#include "operators/dossier_text.h"
#include "operators/columns.h"
#include "operators/comparison.h"
#include "operators/likely.h"
#include "operators/mask.h"
#include "operators/result.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/domain.h"
#include "proto/reason.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define POSITIONS_SHOWN 10 // of one record

static const char *shown_value(const Dossier *dossier, const RuleField *field, const char *value,
                               char masked[MASK_BYTES]) {
    return dossier->unmask ? value : mask_value(field, value, masked);
}

static void print_number(const Dossier *dossier, const char *number) {
    char masked[TEXT_MASK_BYTES];
    text_mask_number(number, masked);
    columns_show(dossier->unmask ? number : masked);
}

static void print_days(const char *from, const char *to) {
    if (*from || *to)
        printf(", %s to %s", *from ? from : "?", *to ? to : "?");
}

static void print_numbers(const Dossier *dossier) {
    const PGresult *numbers = dossier->identity->numbers, *learnt = dossier->identity->learnt;
    for (int row = 1; row < PQntuples(numbers); row++) {
        const char *kind = pg_text(numbers, row, 1);
        printf(strcmp(kind, "insurance") == 0 ? "  insured as " : "  formerly ");
        print_number(dossier, pg_text(numbers, row, 0));
        printf(" (%s", kind);
        print_days(pg_text(numbers, row, 2), pg_text(numbers, row, 3));
        printf(")\n");
    }
    for (int row = 0; row < PQntuples(learnt); row++) {
        printf("  insured as ");
        print_number(dossier, pg_text(learnt, row, 0));
        printf(" (by events)\n");
    }
}

static void print_person(const Dossier *dossier) {
    char name[MASK_BYTES], born[MASK_BYTES], died[MASK_BYTES];
    const RuleField *day = comparison_field(COMPARISON_BIRTH_DATE);
    const Identity *identity = dossier->identity;
    printf("citizen ");
    print_number(dossier, identity->person ? identity_text(identity, IDENTITY_NUMBER) : identity->number);
    if (!identity->person) {
        printf("  not in the population store\n");
        return;
    }
    const char *died_on = identity_text(identity, IDENTITY_DIED_ON);
    printf("  ");
    columns_show(shown_value(dossier, comparison_field(COMPARISON_NAME), identity_text(identity, IDENTITY_NAME), name));
    printf(", born %s, %s, residence %s%s%s\n",
           shown_value(dossier, day, identity_text(identity, IDENTITY_BIRTH_DATE), born),
           identity_text(identity, IDENTITY_SEX), identity_text(identity, IDENTITY_PROVINCE), *died_on ? ", died " : "",
           shown_value(dossier, day, died_on, died));
    print_numbers(dossier);
}

// The line above is the population store's, which is somebody else's and has no past here.
static void print_times(const Dossier *dossier) {
    char at[CLOCK_TEXT_BYTES];
    if (!dossier->is_as_of && !dossier->is_known_at)
        return;
    if (dossier->identity->person)
        printf("  (so the population store has them today)\n");
    if (dossier->is_as_of) {
        clock_format_us(dossier->as_of_us, at);
        printf("  as of    %.19sZ: what was true then\n", at);
    }
    if (dossier->is_known_at) {
        clock_format_us(dossier->known_at_us, at);
        printf("  known at %.19sZ: what was held then, up to position %" PRId64 "\n", at, dossier->known_position);
    }
}

// As wide as it is on a terminal; a longer text pushes the rest.
static void print_column(const char *text, int width) {
    int rest = width - columns_width(text);
    columns_show(text);
    printf("%*s", rest > 0 ? rest + 1 : 1, "");
}

static void print_since(const Dossier *dossier, const DossierField *field) {
    static const char *const WORDS[] = {"", "withdrawn since", "corrected since", "otherwise now"};
    char masked[MASK_BYTES];
    if (!field->since)
        return;
    printf("  [%s%s", WORDS[field->since], *field->since_value ? ": " : "");
    columns_show(shown_value(dossier, field->field, field->since_value, masked));
    printf("]");
}

static void print_field(const Dossier *dossier, const DossierField *field) {
    char masked[MASK_BYTES], at[CLOCK_TEXT_BYTES] = "";
    const Dongbo__Origin *origin = field->origin;
    if (origin)
        clock_format_us(origin->event_time_us, at);
    printf("    %-20s ", field->field->name);
    print_column(field->cleared ? "(withdrawn)" : shown_value(dossier, field->field, field->value, masked), 32);
    print_column(origin ? names_agency(dossier->names, origin->agency) : "", 8);
    printf("%.19s%s", at, origin ? "Z" : "");
    if (origin && origin->nature == DONGBO__NATURE__NATURE_CORRECTION)
        printf("  (correction)");
    print_since(dossier, field);
    printf("\n");
}

// The last ones, and the current one wherever it stands.
static void print_positions(const Dossier *dossier, const DossierRecord *record) {
    int shown = record->last - POSITIONS_SHOWN + 1 > record->first ? record->last - POSITIONS_SHOWN + 1 : record->first;
    printf("    positions           ");
    if (shown > record->first)
        printf(" (%d before these)", shown - record->first);
    if (record->current >= 0 && record->current < shown)
        printf(" %" PRId64 " (current)", dossier_position(dossier, record->current));
    for (int row = shown; row <= record->last; row++)
        printf(" %" PRId64 "%s", dossier_position(dossier, row),
               row == record->current                ? " (current)"
               : dossier_is_superseded(dossier, row) ? " (older than what was held)"
                                                     : "");
    printf("\n");
}

static int print_record(const Dossier *dossier, const DossierRecord *record) {
    CLEANUP(bytes_free) Bytes key = {0};
    mask_key(record->rules, record->key, dossier->unmask, &key);
    if (key.failed)
        return error_fail(ERROR_MEMORY, "no memory for a record's key");
    printf("\n  %s  ", domain_name(record->domain));
    columns_show((const char *)key.data);
    printf("\n");
    if (record->record->retracted)
        printf("    (withdrawn as a whole)\n");
    else if (record->later && record->later->retracted)
        printf("    (since then withdrawn as a whole)\n");
    for (size_t i = 0; i < record->rules->n_fields; i++) {
        DossierField field;
        if (dossier_field(record, &record->rules->fields[i], &field) == 0)
            print_field(dossier, &field);
    }
    print_positions(dossier, record);
    return 0;
}

static int print_records(Dossier *dossier) {
    DossierRecord record;
    int r, n = 0;
    while ((r = dossier_next(dossier, &record)) == 0 && (r = print_record(dossier, &record)) == 0)
        n++;
    if (r > 0 && n == 0)
        printf("\n  no records\n");
    return r < 0 ? r : 0;
}

static void print_exception(const Dossier *dossier, const DossierException *exception) {
    char at[CLOCK_TEXT_BYTES];
    clock_format_us(exception->at_us, at);
    const char *domain = domain_name(exception->domain);
    printf("    position %" PRId64 "  %.19sZ  %s  sequence %" PRId64 "  %s  %s", exception->position, at,
           names_agency(dossier->names, exception->agency), exception->sequence, domain ? domain : "?",
           verdict_name(exception->first_verdict));
    if (exception->decided_position)
        printf(", then %s at position %" PRId64, verdict_name(exception->verdict), exception->decided_position);
    printf("%s\n", exception->open ? "  (open)" : "");
    if (!exception->reasons)
        printf("      decided later; dongbo log tail has the reasons of that time\n");
    for (size_t i = 0; exception->reasons && i < exception->reasons->n_reasons; i++) {
        const Dongbo__Reason *reason = exception->reasons->reasons[i];
        const ReasonText *text = reason_find((int)reason->code);
        printf("      %s%s%s: %s\n", text->name, *reason->field ? " " : "", reason->field, text->en);
    }
    if (exception->open && exception->verdict == DONGBO__VERDICT__MISMATCH)
        printf("      to be decided: dongbo review show %" PRId64 "\n", exception->position);
    if (exception->open)
        likely_print(exception->candidates, dossier->identity->person, dossier->unmask);
}

int dossier_text_print(Dossier *dossier) {
    print_person(dossier);
    print_times(dossier);
    int r = print_records(dossier);
    int n = dossier_exception_count(dossier);
    if (r == 0 && n)
        printf("\n  in question\n");
    for (int row = 0; r == 0 && row < n; row++) {
        DossierException exception;
        r = dossier_exception(dossier, row, &exception);
        if (r == 0)
            print_exception(dossier, &exception);
    }
    return r;
}
