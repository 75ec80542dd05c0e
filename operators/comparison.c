// SPDX-License-Identifier: Apache-2.0
//
// The weights' words are taken as they are, so that a newer search's levels are shown by their own names.
#include "operators/comparison.h"
#include "proto/base/text.h"
#include "proto/domain.h"
#include "proto/reason.h"

#include <stdio.h>
#include <string.h>

#define FOLD_BYTES 4096

static const RuleField FIELDS[COMPARISON_FIELDS] = {
    [COMPARISON_NUMBER] = {.name = "citizen_number", .personal = MASK_NUMBER},
    [COMPARISON_NAME] = {.name = "full_name", .personal = MASK_NAME},
    [COMPARISON_BIRTH_DATE] = {.name = "birth_date", .personal = MASK_DATE},
    [COMPARISON_SEX] = {.name = "sex", .personal = MASK_NONE},
    [COMPARISON_MOTHER] = {.name = "mother_name", .personal = MASK_NAME},
    [COMPARISON_FATHER] = {.name = "father_name", .personal = MASK_NAME},
    [COMPARISON_PROVINCE] = {.name = "residence_province", .personal = MASK_NONE},
};

const RuleField *comparison_field(ComparisonField field) {
    return &FIELDS[field];
}

static const char *said_of(const Dongbo__Subject *subject, ComparisonField field) {
    char number[12]; // not used: all of them are texts
    return field_text(&subject->base, field_by_name(subject->base.descriptor, FIELDS[field].name), number);
}

static bool same_folded(const char *a, const char *b, size_t (*fold)(const char *, char *, size_t)) {
    char left[FOLD_BYTES], right[FOLD_BYTES];
    return fold(a, left, sizeof left) != (size_t)-1 && fold(b, right, sizeof right) != (size_t)-1 &&
           strcmp(left, right) == 0;
}

// Where nobody weighed: only what needs no judgement, in the words that a search has for it.
static const char *agreement(ComparisonField field, const char *said, const char *held) {
    size_t n = strlen(said), m = strlen(held);
    if (strcmp(said, held) == 0)
        return "exact";
    if (FIELDS[field].personal == MASK_NAME)
        return same_folded(said, held, text_fold_case)      ? "exact"
               : same_folded(said, held, text_fold_accents) ? "accents"
                                                            : "differs";
    if (field == COMPARISON_BIRTH_DATE && n && m && strncmp(said, held, n < m ? n : m) == 0)
        return "year";
    return "differs";
}

static void weigh(const json_t *weights, ComparisonRow *row) {
    const json_t *weight = json_object_get(weights, row->field->name);
    const char *level = json_string_value(json_object_get(weight, "level"));
    row->weighed = json_is_object(weight);
    row->bits = json_integer_value(json_object_get(weight, "bits"));
    row->agrees = row->weighed ? level ? level : "?" : "";
}

static void add_reasons(const Dongbo__EventVerdict *verdict, ComparisonRow *row) {
    static const char PREFIX[] = "subject.";
    size_t used = 0;
    for (size_t i = 0; verdict && i < verdict->n_reasons; i++) {
        const Dongbo__Reason *reason = verdict->reasons[i];
        if (strncmp(reason->field, PREFIX, sizeof PREFIX - 1) != 0 ||
            strcmp(reason->field + sizeof PREFIX - 1, row->field->name) != 0)
            continue;
        int n = snprintf(row->reasons + used, sizeof row->reasons - used, "%s%s", used ? ", " : "",
                         reason_find((int)reason->code)->name);
        used = n < 0 || (size_t)n >= sizeof row->reasons - used ? sizeof row->reasons - 1 : used + (size_t)n;
    }
}

void comparison_make(const ComparisonSides *sides, Comparison *ret) {
    *ret = (Comparison){0};
    for (int i = 0; i < COMPARISON_FIELDS; i++) {
        ComparisonRow *row = &ret->rows[i];
        row->field = &FIELDS[i];
        row->said = said_of(sides->said, (ComparisonField)i);
        row->held = sides->held[i] ? sides->held[i] : "";
        bool both = *row->said && *row->held;
        const char *own = both ? agreement((ComparisonField)i, row->said, row->held) : "";
        row->agrees = own;
        row->differs = both && strcmp(own, "exact") != 0;
        if (sides->weights)
            weigh(sides->weights, row);
        add_reasons(sides->verdict, row);
    }
}
