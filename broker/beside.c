// SPDX-License-Identifier: Apache-2.0
//
// Most kinds are about pairs, and this record may stand on either side of one. Dates that are not known to the day
// break a rule only where they break it for certain. Refuses to judge by a part of the records where there are too
// many.
#include "broker/beside.h"

#include "proto/base/date.h"
#include "proto/base/error.h"
#include "proto/domain.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef const ProtobufCMessage *Body;

// ---- what a body says ---------------------------------------------------------------------------------------------

static bool date_in(Body body, unsigned field, Date *ret) {
    char unused[12];
    const char *text = field_text(body, field, unused);
    return *text && date_parse(text, ret) == 0;
}

// Known to the day.
static bool day_in(Body body, unsigned field, int64_t *ret) {
    Date date;
    if (!date_in(body, field, &date) || !date.day)
        return false;
    *ret = date_days(date);
    return true;
}

// The number that a rule counts by; a code counts by its place in its list. -1 when it is not said.
static int number_in(const Beside *beside, const Rule *rule, Body body) {
    char buffer[12];
    const char *text = field_text(body, rule->number, buffer);
    const RuleField *field = rules_field(beside->rules, rule->number);
    if (!*text)
        return -1;
    if (field->type == FIELD_CODE)
        return code_list_place(field->codes, text);
    unsigned long number = strtoul(text, NULL, 10);
    return number > INT_MAX ? INT_MAX : (int)number;
}

static bool holds(const Condition *conditions, size_t n, Body body) {
    for (size_t i = 0; i < n; i++) {
        char unused[12];
        const char *value = field_text(body, conditions[i].field, unused);
        bool is = false;
        for (size_t j = 0; j < conditions[i].n_values; j++)
            is = is || strcmp(value, conditions[i].values[j]) == 0;
        if (is == conditions[i].negated)
            return false;
    }
    return true;
}

static bool is_subject(const Rule *rule, Body body) {
    return holds(rule->where, rule->n_where, body);
}

static bool is_other(const Rule *rule, Body body) {
    return holds(rule->others, rule->n_others, body);
}

// Of both all fields of `same` are said and equal, and all of `differ` are said and are not.
static bool is_pair(const Rule *rule, Body a, Body b) {
    for (uint32_t left = rule->same | rule->differ; left; left &= left - 1) {
        unsigned field = (unsigned)__builtin_ctz(left);
        bool equal = field_equal(a, b, field);
        if (!field_is_said(a, field) || !field_is_said(b, field) || equal != (rule->same >> field & 1))
            return false;
    }
    return true;
}

// ---- pairs --------------------------------------------------------------------------------------------------------

static bool begins_before_end(const Rule *rule, Body a, Body b) {
    Date start, end;
    if (!date_in(a, rule->field, &start))
        return false;
    return !field_is_said(b, rule->other) || (date_in(b, rule->other, &end) && date_compare(start, end) < 0);
}

static bool is_too_soon(const Beside *beside, const Rule *rule, Body later, Body former) {
    int64_t day, day_before;
    int number = number_in(beside, rule, later);
    if (number < 1 || number_in(beside, rule, former) != number - 1 || !day_in(later, rule->field, &day) ||
        !day_in(former, rule->field, &day_before) || day < day_before)
        return false;
    for (size_t i = 0; i < sizeof rule->by / sizeof *rule->by && rule->by[i]; i++) {
        char unused[12];
        int32_t days = intervals_days(rule->intervals, field_text(later, rule->by[i], unused), (uint32_t)number);
        if (days >= 0)
            return day - day_before < (int64_t)days - (int64_t)rule->limit;
    }
    return false;
}

static bool is_near(const Rule *rule, Body a, Body b) {
    int64_t day, other;
    return day_in(a, rule->field, &day) && day_in(b, rule->field, &other) &&
           llabs(day - other) < (long long)rule->limit;
}

static bool is_before(Body a, unsigned field, Body b, unsigned of) {
    Date date, other;
    return date_in(a, field, &date) && date_in(b, of, &other) && date_compare(date, other) < 0;
}

// Whether the pair breaks the rule, with `a` as its subject.
static bool breaks(const Beside *beside, const Rule *rule, Body a, Body b) {
    int number, other;
    switch (rule->kind) {
    case RULE_ORDER:
        number = number_in(beside, rule, a), other = number_in(beside, rule, b);
        return other >= 0 && number > other && is_before(a, rule->field, b, rule->field);
    case RULE_INTERVAL:
        return is_too_soon(beside, rule, a, b);
    case RULE_NEAR:
        return is_near(rule, a, b);
    case RULE_OVERLAP:
        return begins_before_end(rule, a, b) && begins_before_end(rule, b, a);
    case RULE_ONLY_ONE:
    case RULE_HOLDER:
        return true;
    case RULE_PROGRESSION:
        number = number_in(beside, rule, a), other = number_in(beside, rule, b);
        return number >= 0 && number < other && is_before(b, rule->other, a, rule->field);
    default:
        return false;
    }
}

// The next of the person's other records, or of other persons' ones of this key, from *at on; NULL when there is none.
// ERROR_MEMORY.
static int next_other(const Beside *beside, const Rule *rule, size_t *at, Body *ret) {
    bool is_holder = rule->kind == RULE_HOLDER;
    Neighbourhood *hood = is_holder ? beside->holders : beside->hood;
    *ret = NULL;
    for (; *at < hood->n && *ret == NULL; ++*at) {
        const NeighbourName *name = &hood->list[*at].name;
        if (is_holder ? name->person == beside->name.person : strcmp(name->record_key, beside->name.record_key) == 0)
            continue;
        int r = neighbourhood_body(hood, *at, beside->arena, ret);
        if (r < 0)
            return r;
    }
    return 0;
}

static int judge_pairs(const Beside *beside, const Rule *rule, bool *broken) {
    Body own = beside->after, other;
    bool subject = is_subject(rule, own), object = is_other(rule, own);
    int r = 0;
    for (size_t at = 0; (subject || object) && !*broken;) {
        if ((r = next_other(beside, rule, &at, &other)) < 0 || !other)
            return r;
        if (!is_pair(rule, own, other))
            continue;
        *broken = (subject && is_other(rule, other) && breaks(beside, rule, own, other)) ||
                  (object && is_subject(rule, other) && breaks(beside, rule, other, own));
    }
    return r;
}

// ---- all of them --------------------------------------------------------------------------------------------------

// From the greatest number below this one's it must be a step that the list of codes knows: its column behind the name
// is the least code that leads to a code.
static int judge_steps(const Beside *beside, const Rule *rule, bool *broken) {
    char buffer[12];
    const CodeList *codes = rules_field(beside->rules, rule->number)->codes;
    const char *code = field_text(beside->after, rule->number, buffer);
    const char *from = *code ? code_list_column(codes, code, 2) : NULL;
    if (!from || !*from)
        return 0;
    int number = number_in(beside, rule, beside->after), least = code_list_place(codes, from), below = -1, r = 0;
    Body other;
    for (size_t at = 0; (r = next_other(beside, rule, &at, &other)) == 0 && other;) {
        int its = is_other(rule, other) ? number_in(beside, rule, other) : -1;
        if (its < number && its > below)
            below = its;
    }
    *broken = below >= 0 && below < least;
    return r;
}

// Against the period that ends last of those that begin no later, and the one that begins first of those that do.
static int judge_gap(const Beside *beside, const Rule *rule, bool *broken) {
    int64_t start, end = INT64_MAX, before = INT64_MIN, after = INT64_MAX, begins, ends;
    if (!day_in(beside->after, rule->field, &start) ||
        (field_is_said(beside->after, rule->other) && !day_in(beside->after, rule->other, &end)))
        return 0;
    int r = 0;
    Body other;
    for (size_t at = 0; (r = next_other(beside, rule, &at, &other)) == 0 && other;) {
        if (!is_other(rule, other) || !is_pair(rule, beside->after, other) || !day_in(other, rule->field, &begins))
            continue;
        ends = INT64_MAX;
        if (field_is_said(other, rule->other) && !day_in(other, rule->other, &ends))
            return 0; // where a period ends is not known to the day, and so neither is what lies behind it
        if (begins <= start && ends > before)
            before = ends;
        else if (begins > start && begins < after)
            after = begins;
    }
    *broken = (before != INT64_MIN && before < start && start - before > (int64_t)rule->limit) ||
              (after != INT64_MAX && end < after && after - end > (int64_t)rule->limit);
    return r;
}

static int judge_rule(const Beside *beside, const Rule *rule, bool *broken) {
    *broken = false;
    switch (rule->kind) {
    case RULE_STEPS:
        return is_subject(rule, beside->after) ? judge_steps(beside, rule, broken) : 0;
    case RULE_GAP:
        return is_subject(rule, beside->after) ? judge_gap(beside, rule, broken) : 0;
    case RULE_BEGUN:
        *broken = is_subject(rule, beside->after) && !field_is_said(beside->after, rule->field) &&
                  (!beside->before || beside->before->retracted);
        return 0;
    default:
        return judge_pairs(beside, rule, broken);
    }
}

// Of one record two tellings may be near each other and differ in what makes them two: then one has taken the other's
// place, or was too late to.
static int judge_tellings(const Beside *beside, const Rule *rule, bool *broken) {
    *broken = false;
    if (rule->kind != RULE_NEAR || !beside->tells || !beside->before || beside->before->retracted ||
        !is_subject(rule, beside->said))
        return 0;
    Body held = protobuf_c_message_unpack(domain_descriptor(beside->rules->domain), arena_protobuf(beside->arena),
                                          beside->before->body.len, beside->before->body.data);
    if (!held && arena_failed(beside->arena))
        return error_fail(ERROR_MEMORY, "the batch's neighbouring records do not fit");
    *broken = held && is_other(rule, held) && is_pair(rule, beside->said, held) && is_near(rule, beside->said, held);
    return 0;
}

int beside_judge(const Beside *beside, Decision *decision) {
    bool too_many =
        neighbourhood_too_many(beside->hood) || (beside->holders && neighbourhood_too_many(beside->holders));
    for (size_t i = 0; i < beside->rules->n_beside; i++) {
        const Rule *rule = &beside->rules->beside[i];
        bool broken = false;
        int r = judge_tellings(beside, rule, &broken);
        if (r == 0 && !broken && beside->after && !too_many)
            r = judge_rule(beside, rule, &broken);
        if (r < 0)
            return r;
        if (broken)
            decision_add(decision, rule->verdict, rule->code, rules_field(beside->rules, rule->field)->name, "");
    }
    if (too_many && beside->after)
        decision_add(decision, DONGBO__VERDICT__ACCEPTED, DONGBO__REASON_CODE__RECORDS_TOO_MANY, "", "");
    return 0;
}
