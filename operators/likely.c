// SPDX-License-Identifier: Apache-2.0
//
// Reads what a search left. Judges nobody anew.
#include "operators/likely.h"
#include "broker/search.h"
#include "proto/base/text.h"

#include <jansson.h>
#include <stdio.h>

static void print_fields(const json_t *fields) {
    const char *name, *before = ":";
    json_t *field;
    json_object_foreach((json_t *)fields, name, field) {
        const char *level = json_string_value(json_object_get(field, "level"));
        double bits = (double)json_integer_value(json_object_get(field, "bits")) / 1000;
        printf("%s %s %s %+.1f", before, name, level ? level : "?", bits);
        before = ",";
    }
}

static void print_match(const json_t *match, int64_t person, bool unmask) {
    char masked[TEXT_MASK_BYTES];
    const char *number = json_string_value(json_object_get(match, "citizen_number"));
    text_mask_number(number ? number : "", masked);
    double percent = (double)json_integer_value(json_object_get(match, "posterior")) / 10000;
    if (person && json_integer_value(json_object_get(match, "person")) == person)
        printf("      probably about this citizen");
    else
        printf("      perhaps about %s", unmask && number ? number : masked);
    printf(", %.2f %%", percent);
    print_fields(json_object_get(match, "fields"));
    printf("\n");
}

void likely_print(const char *json, int64_t person, bool unmask) {
    if (!*json)
        return;
    json_t *answer = json_loads(json, 0, NULL);
    const json_t *matches = json_object_get(answer, "matches");
    if (!json_is_array(matches))
        printf("      who is meant was looked for, but what was found cannot be read\n");
    for (size_t i = 0; i < json_array_size(matches); i++)
        print_match(json_array_get(matches, i), person, unmask);
    if (json_is_true(json_object_get(answer, "too_large")))
        printf("      too many share what is said to tell who is meant\n");
    json_decref(answer);
}

bool likely_is_known(int64_t posterior, bool too_large) {
    return posterior >= SEARCH_SURE && !too_large;
}
