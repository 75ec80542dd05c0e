// SPDX-License-Identifier: Apache-2.0
//
// A domain's file of rules as YAML has it, before it is checked against the domain. Numbers are field numbers, 0 where
// nothing is said; verdict and personal are their value plus one.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct FileField {
    int number, type, codes, personal;
    bool key, required, lasting, by_code_set;
    uint32_t length_max, digits, min, max;
    char **shapes;
    unsigned shapes_count;
} FileField;

typedef struct FileAuthority {
    char *agency;
    uint32_t rank;
    int *fields;
    unsigned fields_count;
} FileAuthority;

typedef struct FileCondition {
    int field;
    char **is, **is_not;
    unsigned is_count, is_not_count;
} FileCondition;

typedef struct FileRule {
    int kind, field, other, reason, verdict, when, number;
    uint32_t days, years;
    char **equals;
    int *same, *differ, *by;
    FileCondition *where, *others;
    char *table;
    unsigned equals_count, same_count, differ_count, by_count, where_count, others_count;
} FileRule;

typedef struct RuleFile {
    int domain;
    FileField *fields;
    unsigned fields_count;
    int province, facility;
    FileAuthority *authority;
    unsigned authority_count;
    FileRule *rules;
    unsigned rules_count;
} RuleFile;
