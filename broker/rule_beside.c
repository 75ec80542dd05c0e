// SPDX-License-Identifier: Apache-2.0
//
// What each kind needs stands in one table. Refuses a rule that has more or less than its kind needs, for such a rule
// would be believed to hold something that it does not.
#include "broker/rule_beside.h"

#include "broker/neighbourhood.h"
#include "proto/base/error.h"
#include "proto/domain.h"

#include <stdio.h>
#include <string.h>

#define DAYS_MAX 36600

// What a kind needs, and may have, of the parts of a rule.
typedef enum Part {
    PART_OTHER = 1,
    PART_NUMBER = 2,
    PART_DAYS = 4,
    PART_TABLE = 8, // with by
    PART_SAME = 16,
    PART_DIFFER = 32,
    PART_OTHERS = 64,
    PART_CODED = 128, // the number is a code whose list says what leads to it
} Part;

typedef struct Needs {
    unsigned must, may;
} Needs;

static Needs needs_of(RuleKind kind) {
    switch (kind) {
    case RULE_ORDER:
        return (Needs){PART_NUMBER, PART_SAME};
    case RULE_INTERVAL:
        return (Needs){PART_NUMBER | PART_TABLE, PART_SAME | PART_DAYS};
    case RULE_NEAR:
        return (Needs){PART_DAYS, PART_SAME | PART_DIFFER};
    case RULE_OVERLAP:
        return (Needs){PART_OTHER, PART_SAME | PART_DIFFER};
    case RULE_ONLY_ONE:
        return (Needs){0, PART_SAME | PART_DIFFER};
    case RULE_PROGRESSION:
        return (Needs){PART_NUMBER | PART_OTHER, PART_OTHERS};
    case RULE_STEPS:
        return (Needs){PART_NUMBER | PART_CODED, PART_OTHERS};
    case RULE_GAP:
        return (Needs){PART_OTHER | PART_DAYS, PART_SAME};
    default:
        return (Needs){0, 0};
    }
}

static unsigned parts_of(const FileRule *from) {
    return (from->other ? PART_OTHER : 0u) | (from->number ? PART_NUMBER : 0u) | (from->days ? PART_DAYS : 0u) |
           (from->table ? PART_TABLE : 0u) | (from->same_count ? PART_SAME : 0u) |
           (from->differ_count ? PART_DIFFER : 0u) | (from->others_count ? PART_OTHERS : 0u);
}

static const char *check_parts(const DomainRules *rules, const FileRule *from) {
    Needs needs = needs_of((RuleKind)from->kind);
    unsigned parts = parts_of(from), must = needs.must & ~(unsigned)PART_CODED;
    if (!from->field)
        return "needs a field";
    if ((parts & must) != must)
        return "lacks something that its kind needs";
    if (parts & ~(must | needs.may) || from->years || from->when || from->equals_count)
        return "has something that its kind does not";
    if ((from->table != NULL) != (from->by_count > 0))
        return "has by exactly when it has a table";
    if (from->days > DAYS_MAX)
        return "has a bound that cannot hold";
    const RuleField *number = from->number ? rules_field(rules, (unsigned)from->number) : NULL;
    if (number && number->type != FIELD_NUMBER && number->type != FIELD_CODE)
        return "has a number that is neither number nor code";
    if (needs.must & PART_CODED && number->type != FIELD_CODE)
        return "has a number that is no code";
    if (from->kind == RULE_HOLDER && rules->domain != NEIGHBOURHOOD_KEY_DOMAIN)
        return "is of a kind for which the exchange keeps no index in this domain";
    bool dated = from->kind != RULE_ONLY_ONE && from->kind != RULE_STEPS && from->kind != RULE_HOLDER;
    const RuleField *other = from->other ? rules_field(rules, (unsigned)from->other) : NULL;
    if ((dated && rules_field(rules, (unsigned)from->field)->type != FIELD_DATE) ||
        (other && other->type != FIELD_DATE))
        return "is about a field that is no date";
    return NULL;
}

static const char *convert_condition(const DomainRules *rules, const FileCondition *from, Condition *condition) {
    const RuleField *field = rules_field(rules, (unsigned)from->field);
    if (field->type != FIELD_CODE)
        return "has a condition on a field that is no code";
    if ((from->is_count > 0) == (from->is_not_count > 0))
        return "has a condition with both or neither of is and not";
    *condition = (Condition){.field = field->number, .negated = from->is_not_count > 0};
    char **values = condition->negated ? from->is_not : from->is;
    unsigned n = condition->negated ? from->is_not_count : from->is_count;
    for (unsigned i = 0; i < n; i++) {
        const char *text = code_list_column(field->codes, values[i], 0);
        if (!text)
            return "has a condition with what is no code of its field";
        condition->values[condition->n_values++] = text;
    }
    return NULL;
}

static uint32_t bits_of(const int *fields, unsigned n) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < n; i++)
        bits |= 1u << fields[i];
    return bits;
}

const char *rule_beside_convert(const DomainRules *rules, const FileRule *from, Rule *rule) {
    const char *fault = check_parts(rules, from);
    for (unsigned i = 0; !fault && i < from->where_count; i++)
        fault = convert_condition(rules, &from->where[i], &rule->where[rule->n_where++]);
    // Who does not say which others means those that it is about itself.
    const FileCondition *others = from->others_count ? from->others : from->where;
    unsigned n_others = from->others_count ? from->others_count : from->where_count;
    for (unsigned i = 0; !fault && i < n_others; i++)
        fault = convert_condition(rules, &others[i], &rule->others[rule->n_others++]);
    if (fault)
        return fault;
    rule->number = (unsigned)from->number;
    rule->same = bits_of(from->same, from->same_count);
    rule->differ = bits_of(from->differ, from->differ_count);
    for (unsigned i = 0; i < from->by_count; i++) {
        rule->by[i] = (unsigned)from->by[i];
        if (rules_field(rules, rule->by[i])->type != FIELD_CODE)
            return "has a by that is no code";
    }
    return NULL;
}

static bool is_known(const DomainRules *rules, const Rule *rule, const char *what) {
    for (size_t i = 0; i < sizeof rule->by / sizeof *rule->by; i++)
        if (rule->by[i] && code_list_has(rules_field(rules, rule->by[i])->codes, what))
            return true;
    return false;
}

int rule_beside_load(const DomainRules *rules, Rule *rule, const char *name, const char *path) {
    char table[4096];
    const char *slash = strrchr(path, '/');
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name))
        return error_fail(ERROR_CONFIG, "%s: table %s is not a name of small letters, digits and -", path, name);
    snprintf(table, sizeof table, "%.*s%s.tsv", slash ? (int)(slash - path + 1) : 0, path, name);
    int r = intervals_load(&rule->intervals, table);
    for (size_t i = 0; r == 0; i++) {
        const char *what = intervals_what(rule->intervals, i);
        if (!what)
            break;
        if (!is_known(rules, rule, what))
            r = error_fail(ERROR_CONFIG, "%s: %s is no code of any field that the rule goes by", table, what);
    }
    return r;
}
