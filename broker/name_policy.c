// SPDX-License-Identifier: Apache-2.0
//
// An agency's line says only what is otherwise with it; the default must say everything.
#include "broker/name_policy.h"

#include "broker/name.h"
#include "proto/base/config.h"
#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define AGENCY_BYTES_MAX 15
#define AGENCIES_MAX 64

typedef enum Choice { CHOICE_UNSAID, CHOICE_ACCEPT, CHOICE_REVIEW } Choice;

typedef struct Choices {
    char *agency; // NULL in the default
    int accents_lost, middle, order, spaces, spelling;
} Choices;

typedef struct File {
    Choices *everyone;
    Choices *agencies;
    unsigned agencies_count;
} File;

typedef struct Line {
    char agency[AGENCY_BYTES_MAX + 1];
    unsigned accepts;
} Line;

struct NamePolicy {
    unsigned everyone;
    Line lines[AGENCIES_MAX];
    size_t n;
};

static const cyaml_strval_t CHOICES[] = {{"accept", CHOICE_ACCEPT}, {"review", CHOICE_REVIEW}};

#define CHOICE(key, optional)                                                                                          \
    CYAML_FIELD_ENUM(#key, CYAML_FLAG_STRICT | (optional), Choices, key, CHOICES, CYAML_ARRAY_LEN(CHOICES))
#define ALL_CHOICES(optional)                                                                                          \
    CHOICE(accents_lost, optional), CHOICE(middle, optional), CHOICE(order, optional), CHOICE(spaces, optional),       \
        CHOICE(spelling, optional)

static const cyaml_schema_field_t EVERYONE[] = {ALL_CHOICES(0), CYAML_FIELD_END};
static const cyaml_schema_field_t AGENCY[] = {
    CYAML_FIELD_STRING_PTR("agency", CYAML_FLAG_POINTER, Choices, agency, 1, AGENCY_BYTES_MAX),
    ALL_CHOICES(CYAML_FLAG_OPTIONAL), CYAML_FIELD_END};
static const cyaml_schema_value_t AGENCY_VALUE = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, Choices, AGENCY)};
static const cyaml_schema_field_t FILE_FIELDS[] = {
    CYAML_FIELD_MAPPING_PTR("default", CYAML_FLAG_POINTER, File, everyone, EVERYONE),
    CYAML_FIELD_SEQUENCE("agencies", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, File, agencies, &AGENCY_VALUE, 0,
                         AGENCIES_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t FILE_VALUE = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, File, FILE_FIELDS)};

static unsigned choose(unsigned before, int choice, unsigned difference) {
    if (choice == CHOICE_ACCEPT)
        return before | difference;
    return choice == CHOICE_REVIEW ? before & ~difference : before;
}

static unsigned choose_all(unsigned before, const Choices *choices) {
    unsigned accepts = choose(before, choices->accents_lost, NAME_ACCENTS);
    accepts = choose(accepts, choices->middle, NAME_MIDDLE);
    accepts = choose(accepts, choices->order, NAME_ORDER);
    accepts = choose(accepts, choices->spaces, NAME_SPACES);
    return choose(accepts, choices->spelling, NAME_SPELLING);
}

static const Line *find_line(const NamePolicy *policy, const char *agency) {
    for (size_t i = 0; i < policy->n; i++)
        if (strcmp(policy->lines[i].agency, agency) == 0)
            return &policy->lines[i];
    return NULL;
}

static int convert(NamePolicy *policy, const File *file, const char *path) {
    policy->everyone = choose_all(0, file->everyone);
    for (unsigned i = 0; i < file->agencies_count; i++) {
        const Choices *from = &file->agencies[i];
        if (find_line(policy, from->agency))
            return error_fail(ERROR_CONFIG, "%s: agency %s stands there twice", path, from->agency);
        Line *line = &policy->lines[policy->n++];
        strncpy(line->agency, from->agency, AGENCY_BYTES_MAX);
        line->accepts = choose_all(policy->everyone, from);
    }
    return 0;
}

int name_policy_load(NamePolicy **ret, const char *path) {
    File *file = NULL;
    int r = config_load((void **)&file, path, &FILE_VALUE);
    if (r < 0)
        return r;
    NamePolicy *policy = calloc(1, sizeof *policy);
    r = policy ? convert(policy, file, path) : error_fail(ERROR_MEMORY, "%s: no memory", path);
    config_free(file, &FILE_VALUE);
    if (r < 0)
        name_policy_destroy(&policy);
    else
        *ret = policy;
    return r;
}

void name_policy_destroy(NamePolicy **policy) {
    free(*policy);
    *policy = NULL;
}

unsigned name_policy_accepts(const NamePolicy *policy, const char *agency) {
    const Line *line = find_line(policy, agency);
    return line ? line->accepts : policy->everyone;
}
