// SPDX-License-Identifier: Apache-2.0
//
// A subscription's policy as an operator writes it. What loads, printed, loads to the same rights.
#include "operators/rights_file.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Rules *rules;

static void print_again(const RightsFile *file) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    FUZZ_ASSERT(out != NULL && rights_file_print(file, rules, out) == 0 && fclose(out) == 0);
    RightsFile again = {0};
    FUZZ_ASSERT(rights_file_load(&again, fuzz_file(1, text, n), rules) == 0);
    FUZZ_ASSERT(strcmp(file->name, again.name) == 0 && strcmp(file->subscriber, again.subscriber) == 0);
    FUZZ_ASSERT(rights_compare(&file->rights, &again.rights, NULL) == 0);
    rights_file_free(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (rules == NULL) {
        char path[4096];
        snprintf(path, sizeof path, "%s/schemas", fuzz_source());
        FUZZ_ASSERT(rules_load(&rules, path) == 0);
    }
    RightsFile file = {0};
    if (rights_file_load(&file, fuzz_file(0, data, n), rules) != 0) {
        rights_file_free(&file);
        return 0;
    }
    FUZZ_ASSERT(file.name != NULL && file.subscriber != NULL && rights_count_fields(&file.rights) >= 0);
    print_again(&file);
    json_t *json = rights_json(&file.rights);
    FUZZ_ASSERT(json != NULL);
    json_decref(json);
    rights_file_free(&file);
    return 0;
}

void fuzz_seeds(void) {
    fuzz_seed_file("hn-health", "deploy/sample/policies/hn-health.yaml");
    fuzz_seed_file("statistics", "deploy/sample/policies/statistics.yaml");
    static const char ALL[] =
        "name: all\nsubscriber: x\nlegal_basis: y\nvalid_from: 2026-01-01\nvalid_to: 2026-01-02\n"
        "agency: VSS\necho: yes\nfollowed_only: true\norigin_proofs: events\nfields:\n  person: [citizen_number, person_id]\n"
        "  residence: all\nprovinces63: [\"01\", \"79\"]\nchanges: [upsert, entered, left]\n";
    fuzz_seed("all", ALL, sizeof ALL - 1);
}
