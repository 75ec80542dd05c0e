// SPDX-License-Identifier: Apache-2.0
//
// The YAML of `dongbo match`.
#include "operators/match_config.h"
#include "broker/match/roster.h"
#include "proto/base/config.h"
#include "proto/base/error.h"

#include <string.h>

const char MATCH_CONFIG_NOTES[] =
    "Without --right, duplicates are looked for in LEFT. C.yaml says what the columns are:\n"
    "  id: row_id                      # optional: names a row in the output; else its number, the header being 1\n"
    "  right_id: nr                    # optional: what the right list calls it\n"
    "  fields:\n"
    "    - {name: person, type: name, columns: [given, surname]}   # or one column with the whole name\n"
    "    - {type: date, column: dob, format: DD/MM/YYYY}           # format optional; else found out row by row\n"
    "    - {type: category, column: sex}                           # few values\n"
    "    - {type: text, column: address, right: [addr]}            # right: what the right list calls it; of a name\n"
    "                                                              # also in more columns, or fewer, in the same order\n"
    "    - {type: identifier, column: phone}                       # numbers, codes, e-mail addresses\n"
    "  leave_out: [notes]              # optional; columns named nowhere are left out too\n"
    "  one_to_one: true                # optional: false lets one right row answer several left ones\n"
    "  delimiter: \";\"                  # optional\n"
    "OUT has the columns left,right,bits,posterior,reasons.\n";

static const cyaml_schema_value_t COLUMN_SCHEMA = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 256)};

#define OPTIONAL_POINTER (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_strval_t KINDS[] = {{"name", MATCH_NAME},
                                       {"date", MATCH_DATE},
                                       {"category", MATCH_CATEGORY},
                                       {"text", MATCH_TEXT},
                                       {"identifier", MATCH_IDENTIFIER}};

static const cyaml_schema_field_t FIELD_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("name", OPTIONAL_POINTER, MatchFieldConfig, name, 1, 64),
    CYAML_FIELD_ENUM("type", CYAML_FLAG_STRICT, MatchFieldConfig, type, KINDS, MATCH_KINDS),
    CYAML_FIELD_STRING_PTR("column", OPTIONAL_POINTER, MatchFieldConfig, column, 1, 256),
    CYAML_FIELD_SEQUENCE("columns", OPTIONAL_POINTER, MatchFieldConfig, columns, &COLUMN_SCHEMA, 1, MATCH_COLUMNS_MAX),
    CYAML_FIELD_SEQUENCE("right", OPTIONAL_POINTER, MatchFieldConfig, right, &COLUMN_SCHEMA, 1, MATCH_COLUMNS_MAX),
    CYAML_FIELD_STRING_PTR("format", OPTIONAL_POINTER, MatchFieldConfig, format, 1, 32),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t FIELD_SCHEMA = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, MatchFieldConfig, FIELD_FIELDS)};

static const cyaml_schema_field_t CONFIG_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("id", OPTIONAL_POINTER, MatchConfig, id, 1, 256),
    CYAML_FIELD_STRING_PTR("right_id", OPTIONAL_POINTER, MatchConfig, right_id, 1, 256),
    CYAML_FIELD_SEQUENCE("fields", CYAML_FLAG_POINTER, MatchConfig, fields, &FIELD_SCHEMA, 1, MATCH_FIELDS_MAX),
    CYAML_FIELD_SEQUENCE("leave_out", OPTIONAL_POINTER, MatchConfig, leave_out, &COLUMN_SCHEMA, 0, 256),
    CYAML_FIELD_STRING_PTR("delimiter", OPTIONAL_POINTER, MatchConfig, delimiter, 1, 4),
    CYAML_FIELD_BOOL_PTR("one_to_one", OPTIONAL_POINTER, MatchConfig, one_to_one),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t CONFIG_SCHEMA = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, MatchConfig, CONFIG_FIELDS)};

int match_config_columns(const MatchFieldConfig *field, bool right, const char *const **ret) {
    if (right && field->right_count > 0) {
        *ret = (const char *const *)field->right;
        return (int)field->right_count;
    }
    if (field->columns_count > 0) {
        *ret = (const char *const *)field->columns;
        return (int)field->columns_count;
    }
    *ret = (const char *const *)&field->column;
    return 1;
}

bool match_config_joins(const MatchFieldConfig *field) {
    const char *const *columns;
    return field->right_count > 0 && (int)field->right_count != match_config_columns(field, false, &columns);
}

char match_config_delimiter(const MatchConfig *config) {
    if (!config->delimiter)
        return ',';
    return strcmp(config->delimiter, "\\t") == 0 ? '\t' : config->delimiter[0];
}

static int field_check(const MatchConfig *config, const MatchFieldConfig *field, unsigned number) {
    const char *const *columns;
    if (!field->column == !field->columns_count)
        return error_fail(ERROR_CONFIG, "field %u needs either \"column\" or \"columns\"", number);
    int n = match_config_columns(field, false, &columns);
    if (n > 1 && field->type != MATCH_NAME)
        return error_fail(ERROR_CONFIG, "field %u: only a name may have several columns", number);
    if (field->right_count > 1 && field->type != MATCH_NAME)
        return error_fail(ERROR_CONFIG, "field %u: \"right\" needs as many columns as the left list has", number);
    if (field->format && field->type != MATCH_DATE)
        return error_fail(ERROR_CONFIG, "field %u: only a date has a format", number);
    for (int i = 0; i < n; i++)
        for (unsigned o = 0; o < config->leave_out_count; o++)
            if (strcmp(columns[i], config->leave_out[o]) == 0)
                return error_fail(ERROR_CONFIG, "column \"%s\" is both a field and left out", columns[i]);
    return 0;
}

int match_config_load(MatchConfig **ret, const char *path) {
    int r = config_load((void **)ret, path, &CONFIG_SCHEMA);
    for (unsigned i = 0; i < (r == 0 ? (*ret)->fields_count : 0) && r == 0; i++)
        if ((r = field_check(*ret, &(*ret)->fields[i], i + 1)) < 0)
            error_context(r, "%s", path);
    if (r < 0)
        match_config_destroy(ret);
    return r;
}

void match_config_destroy(MatchConfig **config) {
    config_free(*config, &CONFIG_SCHEMA);
    *config = NULL;
}
