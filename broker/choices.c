// SPDX-License-Identifier: Apache-2.0
//
// An agency's line says only what is otherwise with it; the default must say everything.
#include "broker/choices.h"

#include "proto/base/config.h"
#include "proto/base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define AGENCY_BYTES_MAX 15
#define AGENCIES_MAX 64

typedef enum Choice { CHOICE_UNSAID, CHOICE_ACCEPT, CHOICE_REVIEW } Choice;

typedef struct Said {
    char *agency; // NULL in the default
    int choices[CHOICES_MAX];
} Said;

typedef struct File {
    Said *everyone;
    Said *agencies;
    unsigned agencies_count;
} File;

typedef struct Line {
    char agency[AGENCY_BYTES_MAX + 1];
    unsigned accepted;
} Line;

struct Choices {
    unsigned everyone;
    Line lines[AGENCIES_MAX];
    size_t n;
};

// What a file of these keys looks like; it points into itself, and stays where it was made.
typedef struct Shape {
    cyaml_schema_field_t everyone[CHOICES_MAX + 1], agency[CHOICES_MAX + 2], file[3];
    cyaml_schema_value_t agency_value, file_value;
} Shape;

static const cyaml_strval_t CHOICES[] = {{"accept", CHOICE_ACCEPT}, {"review", CHOICE_REVIEW}};

static cyaml_schema_field_t choice_field(const char *key, size_t place, cyaml_flag_e optional) {
    return (cyaml_schema_field_t){
        .key = key,
        .value = {CYAML_VALUE_ENUM(CYAML_FLAG_STRICT | optional, int, CHOICES, CYAML_ARRAY_LEN(CHOICES))},
        .data_offset = (uint32_t)(offsetof(Said, choices) + place * sizeof(int))};
}

static void shape_make(Shape *shape, const ChoiceKey *keys, size_t n) {
    static const cyaml_schema_field_t end = CYAML_FIELD_END;
    shape->agency[0] =
        (cyaml_schema_field_t)CYAML_FIELD_STRING_PTR("agency", CYAML_FLAG_POINTER, Said, agency, 1, AGENCY_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        shape->everyone[i] = choice_field(keys[i].key, i, CYAML_FLAG_DEFAULT);
        shape->agency[i + 1] = choice_field(keys[i].key, i, CYAML_FLAG_OPTIONAL);
    }
    shape->everyone[n] = shape->agency[n + 1] = shape->file[2] = end;
    shape->agency_value = (cyaml_schema_value_t){CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, Said, shape->agency)};
    shape->file[0] =
        (cyaml_schema_field_t)CYAML_FIELD_MAPPING_PTR("default", CYAML_FLAG_POINTER, File, everyone, shape->everyone);
    shape->file[1] = (cyaml_schema_field_t)CYAML_FIELD_SEQUENCE("agencies", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                                                                File, agencies, &shape->agency_value, 0, AGENCIES_MAX);
    shape->file_value = (cyaml_schema_value_t){CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, File, shape->file)};
}

static unsigned choose(unsigned before, const Said *said, const ChoiceKey *keys, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (said->choices[i] == CHOICE_ACCEPT)
            before |= keys[i].bit;
        else if (said->choices[i] == CHOICE_REVIEW)
            before &= ~keys[i].bit;
    }
    return before;
}

static const Line *find_line(const Choices *choices, const char *agency) {
    for (size_t i = 0; i < choices->n; i++)
        if (strcmp(choices->lines[i].agency, agency) == 0)
            return &choices->lines[i];
    return NULL;
}

static int add_line(Choices *choices, const Said *said, unsigned accepted, const char *path) {
    if (find_line(choices, said->agency))
        return error_fail(ERROR_CONFIG, "%s: agency %s stands there twice", path, said->agency);
    Line *line = &choices->lines[choices->n++];
    strncpy(line->agency, said->agency, AGENCY_BYTES_MAX);
    line->accepted = accepted;
    return 0;
}

int choices_load(Choices **ret, const char *path, const ChoiceKey *keys, size_t n) {
    assert(n <= CHOICES_MAX);
    Shape shape;
    File *file = NULL;
    shape_make(&shape, keys, n);
    int r = config_load((void **)&file, path, &shape.file_value);
    if (r < 0)
        return r;
    Choices *choices = calloc(1, sizeof *choices);
    if (choices)
        choices->everyone = choose(0, file->everyone, keys, n);
    else
        r = error_fail(ERROR_MEMORY, "%s: no memory", path);
    for (unsigned i = 0; r == 0 && i < file->agencies_count; i++)
        r = add_line(choices, &file->agencies[i], choose(choices->everyone, &file->agencies[i], keys, n), path);
    config_free(file, &shape.file_value);
    if (r < 0)
        choices_destroy(&choices);
    else
        *ret = choices;
    return r;
}

void choices_destroy(Choices **choices) {
    free(*choices);
    *choices = NULL;
}

unsigned choices_accepted(const Choices *choices, const char *agency) {
    const Line *line = find_line(choices, agency);
    return line ? line->accepted : choices->everyone;
}
