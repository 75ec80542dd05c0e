// SPDX-License-Identifier: Apache-2.0
//
// What `dongbo match` is told of two lists: which columns make which field, what kind it is, what to leave out. Says
// nothing of weights: those are learnt.
#pragma once

#include <stdbool.h>

typedef struct MatchFieldConfig {
    char *name;   // what reasons call it; omitted: its first column
    int type;     // MatchKind
    char *column; // or columns, for a name in several
    char **columns;
    unsigned columns_count;
    char **right; // the same in the right list, where its header has other words; of a name as many as it takes
    unsigned right_count;
    char *format; // of a date
} MatchFieldConfig;

typedef struct MatchConfig {
    char *id;       // column that names a row in the output; omitted: the row's number, the header being row 1
    char *right_id; // the same in the right list; omitted: id
    MatchFieldConfig *fields;
    unsigned fields_count;
    char **leave_out;
    unsigned leave_out_count;
    char *delimiter;
    bool *one_to_one; // omitted: true
} MatchConfig;

// ERROR_CONFIG with a sentence for the file's writer.
int match_config_load(MatchConfig **ret, const char *path);
void match_config_destroy(MatchConfig **config);
// The columns of one field as a list, of the left list or the right one. Returns how many.
int match_config_columns(const MatchFieldConfig *field, bool right, const char *const **ret);
// Whether it is one whole name that is compared, for the two lists cut names into other parts.
bool match_config_joins(const MatchFieldConfig *field);
char match_config_delimiter(const MatchConfig *config);

// For --help.
extern const char MATCH_CONFIG_NOTES[];
