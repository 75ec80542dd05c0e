// SPDX-License-Identifier: Apache-2.0
//
// First what an event says of itself, then what the population store says of the person. All reasons are collected, not
// only the first, so that whoever mends a row mends it once. Refuses to accept by number alone, and to tell a stored
// value that the agency's policy does not grant.

#include "broker/verify.h"

#include "broker/bearers.h"
#include "broker/commune.h"
#include "broker/name.h"
#include "proto/base/date.h"
#include "proto/base/text.h"
#include "proto/base/unsaid.h"
#include "verdict.pb-c.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_DIGITS 12
#define EVENT_TIME_MIN_US (-5364662400LL * 1000000) // 1800-01-01: nobody alive was born before

#define ACCEPTED DONGBO__VERDICT__ACCEPTED
#define DEFERRED DONGBO__VERDICT__DEFERRED
#define MISMATCH DONGBO__VERDICT__MISMATCH
#define REJECTED DONGBO__VERDICT__REJECTED
#define REASON(name) DONGBO__REASON_CODE__##name

static const Dongbo__Subject NOBODY = DONGBO__SUBJECT__INIT;

typedef struct Form {
    const VerifyContext *context;
    const Grants *grants;
    const Dongbo__ChangeEvent *event;
    const Dongbo__Subject *subject;
    const ProtobufCMessage *body;
    const DomainRules *rules;
    bool retract;
    bool found; // the person, without the number
    Decision *decision;
} Form;

// ---- decisions ----------------------------------------------------------------------------------------------------

static int severity(int verdict) {
    switch (verdict) {
    case DEFERRED:
        return 1;
    case MISMATCH:
        return 2;
    case REJECTED:
        return 3;
    default:
        return 0;
    }
}

void decision_add(Decision *decision, int verdict, int code, const char *field, const char *expected) {
    if (severity(verdict) > severity(decision->verdict) || !decision->verdict)
        decision->verdict = verdict;
    if (decision->n_reasons < REASONS_MAX)
        decision->reasons[decision->n_reasons++] = (Finding){code, field, expected ? expected : ""};
}

static void reject(const Form *form, int code, const char *field) {
    decision_add(form->decision, REJECTED, code, field, "");
}

static void mismatch(const Form *form, int code, const char *field) {
    decision_add(form->decision, MISMATCH, code, field, "");
}

// ---- the number ---------------------------------------------------------------------------------------------------

// PPP G YY RRRRRR: province of birth registration, century and sex, year of birth, random (Decree 137/2015, article 13;
// Circular 07/2016/TT-BCA). There is no check digit.
bool verify_is_number(const char *number) {
    return strspn(number, "0123456789") == NUMBER_DIGITS && number[NUMBER_DIGITS] == 0;
}

static int number_year(const char *number) {
    int century = 19 + (number[3] - '0') / 2;
    return century * 100 + (number[4] - '0') * 10 + (number[5] - '0');
}

// Whether the number was made for the other sex. A sex that is neither male nor female contradicts no number.
bool verify_number_denies_sex(const char *number, const char *sex) {
    bool female = (number[3] - '0') % 2 == 1;
    return strcmp(sex, female ? "male" : "female") == 0;
}

bool verify_number_denies_birth(const char *number, const char *birth_date) {
    Date date;
    return *birth_date && date_parse(birth_date, &date) == 0 && date.year != number_year(number);
}

static void check_number(const Form *form, const char *number, const char *sex, const char *birth_date,
                         const char *field) {
    if (!*number) {
        mismatch(form, REASON(ID_MISSING), field);
        return;
    }
    if (!verify_is_number(number)) {
        mismatch(form, REASON(ID_FORMAT), field);
        return;
    }
    char province[4] = {number[0], number[1], number[2], 0};
    if (!rules_is_birth_province(form->context->rules, province))
        mismatch(form, REASON(ID_PROVINCE), field);
    if (verify_number_denies_sex(number, sex))
        mismatch(form, REASON(ID_SEX), field);
    if (verify_number_denies_birth(number, birth_date))
        mismatch(form, REASON(ID_BIRTH_YEAR), field);
}

// By an identity card's number, or an insurance number where the citizen's cannot be used: whether that is anybody's
// is not known yet.
static bool is_named_otherwise(const Form *form) {
    const char *number = form->subject->citizen_number;
    return !verify_is_number(number) && (bearers_kind(number) || *bearers_insurance(form->event, number));
}

// Where an event is of one number, and says two, one is mistyped, and may be a stranger's.
static void check_said_twice(const Form *form, const char *named, const char *said) {
    if (*named && *said && strcmp(named, said) != 0)
        reject(form, REASON(FIELD_FORMAT), "citizen_number");
}

// A population event changes the person, so the number that holds afterwards is held against what holds afterwards.
static void check_numbers(const Form *form) {
    const Dongbo__Subject *subject = form->subject;
    if (form->rules->domain != DONGBO__DOMAIN__POPULATION) {
        if (!is_named_otherwise(form))
            check_number(form, subject->citizen_number, subject->sex, subject->birth_date, "subject.citizen_number");
        return;
    }
    const Dongbo__PopulationChange *change = (const Dongbo__PopulationChange *)form->body;
    bool reissued = population_is_reissue(change);
    bool merged = population_is_merger(change);
    if (*subject->citizen_number || reissued || merged || !*change->citizen_number)
        check_number(form, subject->citizen_number, "", "", "subject.citizen_number");
    if (verify_is_number(change->citizen_number)) // otherwise the field's own rule says so
        check_number(form, change->citizen_number, change->sex, change->birth_date, "citizen_number");
    if (merged && strcmp(subject->citizen_number, change->citizen_number) == 0)
        reject(form, REASON(FIELD_FORMAT), "citizen_number"); // nobody is merged into themselves
    if (!merged && !reissued)
        check_said_twice(form, subject->citizen_number, change->citizen_number);
    if (population_is_cancellation(change) && *change->died_on)
        reject(form, REASON(FIELD_FORMAT), "died_on");
}

// ---- the event by itself ------------------------------------------------------------------------------------------

static bool check_envelope(const Form *form) {
    const Dongbo__ChangeEvent *event = form->event;
    if (event->event_id.len != EVENT_ID_BYTES)
        reject(form, REASON(EVENT_ID_WRONG), "event_id");
    if (!event->source_key[0]) // no answer would find its row
        reject(form, REASON(FIELD_MISSING), "source_key");
    if (event->event_time_us > form->context->now_us + CLOCK_AHEAD_MAX_US)
        reject(form, REASON(CLOCK_AHEAD), "event_time_us");
    if (event->event_time_us < EVENT_TIME_MIN_US)
        reject(form, REASON(DATE_INVALID), "event_time_us");
    if (!form->rules) {
        reject(form, REASON(DOMAIN_UNKNOWN), "");
        return false;
    }
    // The population store is changed by saying what holds; there is nothing that a withdrawal could restore, and the
    // event's kind says whether it corrects.
    bool known = event->operation == DONGBO__OPERATION__UPSERT ||
                 ((form->retract || event->operation == DONGBO__OPERATION__CORRECT) &&
                  form->rules->domain != DONGBO__DOMAIN__POPULATION);
    if (!known)
        reject(form, REASON(OPERATION_UNKNOWN), "operation");
    return known;
}

// Where the event belongs, as one of the 34 codes, and which field says so. NULL when nothing known is said.
static const char *event_province(const Form *form, const char **ret_field) {
    const DomainRules *rules = form->rules;
    char unused[12];
    const char *code = rules->province ? field_text(form->body, rules->province->number, unused) : "";
    bool is_63 =
        rules->province_is_63 || (rules->province && rules->province->by_code_set && rules_says_63(form->subject));
    *ret_field = *code ? rules->province->name : "subject.residence_province";
    if (!*code) {
        code = form->subject->residence_province;
        is_63 = rules_says_63(form->subject);
    }
    if (is_63)
        return rules_province34_of(form->context->rules, code);
    return rules_is_province34(form->context->rules, code) ? code : NULL;
}

static void check_grants(const Form *form) {
    const Grants *grants = form->grants;
    if (!(grants->domains & 1u << form->rules->domain)) {
        reject(form, REASON(NOT_GRANTED), "");
        return;
    }
    if (!grants->n_provinces)
        return;
    const char *field, *code = event_province(form, &field);
    for (size_t i = 0; code && i < grants->n_provinces; i++)
        if (strcmp(grants->provinces[i], code) == 0)
            return;
    reject(form, REASON(NOT_GRANTED), field);
}

static void check_subject(const Form *form) {
    const Dongbo__Subject *subject = form->subject;
    const Rules *rules = form->context->rules;
    Date date;
    if (*subject->birth_date && date_parse(subject->birth_date, &date) != 0)
        reject(form, REASON(DATE_INVALID), "subject.birth_date");
    if (*subject->sex && !rules_is_sex(rules, subject->sex))
        reject(form, REASON(CODE_UNKNOWN), "subject.sex");
    const char *set = subject->province_code_set, *code = subject->residence_province;
    if (*set && strcmp(set, "34") != 0 && strcmp(set, "63") != 0)
        reject(form, REASON(CODE_UNKNOWN), "subject.province_code_set");
    else if (*code && !(rules_says_63(subject) ? rules_is_province63(rules, code) : rules_is_province34(rules, code)))
        reject(form, REASON(CODE_UNKNOWN), "subject.residence_province");
}

static bool has_shape(const char *text, const char *shape) {
    for (; *shape && *text; shape++, text++) {
        bool letter = (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z');
        bool digit = *text >= '0' && *text <= '9';
        if (*shape == 'A' ? !letter : *shape == '9' ? !digit : *shape != *text)
            return false;
    }
    return *shape == *text;
}

static bool has_some_shape(const RuleField *field, const char *text) {
    for (size_t i = 0; i < SHAPES_MAX && field->shapes[i][0]; i++)
        if (has_shape(text, field->shapes[i]))
            return true;
    return !field->shapes[0][0];
}

static bool is_code(const Form *form, const RuleField *field, const char *text) {
    if (field->by_code_set && rules_says_63(form->subject))
        return rules_is_province63(form->context->rules, text);
    return code_list_has(field->codes, text);
}

// The reason against one said value, 0 for none.
static int value_fault(const Form *form, const RuleField *field, const char *text) {
    Date date;
    size_t n;
    switch (field->type) {
    case FIELD_TEXT:
        n = strlen(text);
        if (n > field->length_max || !has_some_shape(field, text))
            return REASON(FIELD_FORMAT);
        return field->key && !text_is_clean(text, n) ? REASON(TEXT_INVALID) : 0;
    case FIELD_CODE:
        return is_code(form, field, text) ? 0 : REASON(CODE_UNKNOWN);
    case FIELD_DATE:
        return date_parse(text, &date) == 0 ? 0 : REASON(DATE_INVALID);
    case FIELD_NUMBER: {
        unsigned long value = strtoul(text, NULL, 10);
        return value >= field->minimum && value <= field->maximum ? 0 : REASON(NUMBER_RANGE);
    }
    case FIELD_DIGITS:
        n = strspn(text, "0123456789");
        return text[n] == 0 && (field->digits ? n == field->digits : n <= field->length_max) ? 0 : REASON(FIELD_FORMAT);
    }
    return 0;
}

// A RETRACT is held to its key only: what else stands in a row that was wrong does not matter.
static void check_fields(const Form *form) {
    char number[12];
    for (const RuleField *field = form->rules->fields; field->number; field++) {
        if (form->retract && !field->key)
            continue;
        const char *text = field_text(form->body, field->number, number);
        int fault = *text ? value_fault(form, field, text) : field->required ? REASON(FIELD_MISSING) : 0;
        if (fault)
            reject(form, fault, field->name);
    }
}

// A required field cannot be cleared either: being cleared it is not said, and so missing.
static void check_cleared(const Form *form) {
    const Dongbo__ChangeEvent *event = form->event;
    if (event->n_cleared_fields > CLEARED_FIELDS_MAX)
        reject(form, REASON(EVENT_LIMITS), "cleared_fields");
    for (size_t i = 0; i < event->n_cleared_fields && i < CLEARED_FIELDS_MAX; i++) {
        const RuleField *field = rules_field(form->rules, event->cleared_fields[i]);
        if (!field || field_is_said(form->body, field->number))
            reject(form, REASON(FIELD_FORMAT), field ? field->name : "cleared_fields");
        else if (field->lasting)
            reject(form, REASON(FIELD_MISSING), field->name);
    }
}

// ---- rules --------------------------------------------------------------------------------------------------------

static const char *name_of(const Form *form, unsigned number) {
    const RuleField *field = rules_field(form->rules, number);
    assert(field);
    return field->name;
}

static bool said_date(const Form *form, unsigned number, Date *ret) {
    char unused[12];
    const char *text = field_text(form->body, number, unused);
    return *text && date_parse(text, ret) == 0;
}

static bool holds_here(const Form *form, const Rule *rule) {
    if (!rule->when)
        return true;
    char unused[12];
    const char *value = field_text(form->body, rule->when, unused);
    for (size_t i = 0; i < rule->n_values; i++)
        if (strcmp(value, rule->values[i]) == 0)
            return true;
    return false;
}

// Only what is known to the day can be counted in days.
static bool is_too_long(const Form *form, const Rule *rule) {
    Date from, to;
    return said_date(form, rule->field, &from) && said_date(form, rule->other, &to) && from.day && to.day &&
           date_days(to) - date_days(from) >= (int64_t)rule->limit;
}

static bool commune_breaks(const Form *form, const Rule *rule) {
    const Rules *rules = form->context->rules;
    char unused[12];
    const char *code = field_text(form->body, rule->field, unused);
    bool is_63 = rules_says_63(form->subject);
    if (!*code || value_fault(form, rules_field(form->rules, rule->field), code))
        return false;
    if (rule->kind == RULE_COMMUNE_WHOLE)
        return is_63 && !commune_today(rules, code, is_63);
    const char *province = commune_province34(rules, code, is_63);
    if (rule->kind == RULE_COMMUNE_KNOWN)
        return province == NULL;
    const char *said = field_text(form->body, rule->other, unused);
    if (is_63 && rules_field(form->rules, rule->other)->by_code_set)
        said = commune_province_today(rules, said);
    return province && *said && strcmp(province, said) != 0;
}

static bool form_breaks(const Form *form, const Rule *rule) {
    Date date, other;
    switch (rule->kind) {
    case RULE_NOT_IN_FUTURE:
        return said_date(form, rule->field, &date) && date_compare(date, date_of_us(form->context->now_us)) > 0;
    case RULE_PERIOD:
        return said_date(form, rule->field, &date) && said_date(form, rule->other, &other) &&
               date_compare(date, other) > 0;
    case RULE_REQUIRED_WHEN:
        return !field_is_said(form->body, rule->field);
    case RULE_SHORTER_THAN:
        return is_too_long(form, rule);
    case RULE_COMMUNE_KNOWN:
    case RULE_COMMUNE_OF:
    case RULE_COMMUNE_WHOLE:
        return commune_breaks(form, rule);
    default:
        return false;
    }
}

static void check_form_rules(const Form *form) {
    for (size_t i = 0; i < form->rules->n_rules; i++) {
        const Rule *rule = &form->rules->rules[i];
        if (rule->verdict == ACCEPTED && form->decision->verdict == REJECTED)
            continue;
        if (holds_here(form, rule) && form_breaks(form, rule))
            decision_add(form->decision, rule->verdict, rule->code, name_of(form, rule->field), "");
    }
}

static Form form_of(const VerifyContext *context, const Grants *grants, const Dongbo__ChangeEvent *event,
                    Decision *decision) {
    return (Form){
        .context = context,
        .grants = grants,
        .event = event,
        .subject = event->subject ? event->subject : &NOBODY,
        .body = event_body(event),
        .rules = rules_domain(context->rules, event_domain(event)),
        .retract = event->operation == DONGBO__OPERATION__RETRACT,
        .decision = decision,
    };
}

void verify_form(const VerifyContext *context, const Grants *grants, const Dongbo__ChangeEvent *event,
                 Decision *decision) {
    decision->verdict = ACCEPTED;
    decision->n_reasons = 0;
    Form form = form_of(context, grants, event, decision);
    if (!check_envelope(&form))
        return;
    check_grants(&form);
    check_numbers(&form);
    check_subject(&form);
    check_fields(&form);
    if (form.retract)
        return;
    if (event->n_cleared_fields)
        check_cleared(&form);
    check_form_rules(&form);
}

// ---- the person ---------------------------------------------------------------------------------------------------

const char *verify_told(const Grants *grants, const char *field, const char *value) {
    for (size_t i = 0; i < grants->n_told; i++)
        if (strcmp(grants->told_fields[i], field) == 0)
            return value;
    return "";
}

static const char *told(const Form *form, const char *field, const char *value) {
    return verify_told(form->grants, field, value);
}

static void differs(const Form *form, int code, const char *field, const char *stored) {
    decision_add(form->decision, MISMATCH, code, field, told(form, field, stored));
}

static bool sex_is_known(const char *sex) {
    return *sex && strcmp(sex, "unknown") != 0;
}

// Whether a whole birth date and the sex are said, and are this person's.
static bool life_agrees(const Form *form, const Person *person) {
    const Dongbo__Subject *subject = form->subject;
    Date birth;
    return strcmp(subject->birth_date, person->birth_date) == 0 && date_parse(person->birth_date, &birth) == 0 &&
           birth.day != 0 && sex_is_known(subject->sex) && strcmp(subject->sex, person->sex) == 0;
}

// Whether all that identifies a person but the name is said and is this person's: the number they have now, a whole
// birth date, the sex. Nothing less makes up for a name that is written otherwise. A search that left no doubt stands
// for the number: it has weighed how common the name is, as it is written and as it is held.
static bool all_else_agrees(const Form *form, const Person *person) {
    bool by_number = !person->by_alias && !person->by_insurance &&
                     strcmp(form->subject->citizen_number, person->citizen_number) == 0;
    return (form->found || by_number) && life_agrees(form, person);
}

// Each difference is a reason; the worst decides.
static void compare_name(const Form *form, const Person *person) {
    static const struct {
        NameDifference difference;
        int code;
    } REASONS[] = {
        {NAME_CASE, REASON(NAME_CASE)},
        {NAME_TONE, REASON(NAME_TONE)},
        {NAME_ACCENTS, REASON(NAME_ACCENTS_LOST)},
        {NAME_MIDDLE, REASON(NAME_MIDDLE)},
        {NAME_ORDER, REASON(NAME_ORDER)},
        {NAME_SPACES, REASON(NAME_SPACES)},
        {NAME_SPELLING, REASON(NAME_SPELLING)},
        {NAME_SIMILAR, REASON(NAME_SIMILAR)},
        {NAME_OTHER, REASON(NAME_DIFFERS)},
        {NAME_EMPTY, REASON(NAME_MISSING)},
    };
    static const char FIELD[] = "subject.full_name";
    unsigned differences = name_compare(form->subject->full_name, person->full_name);
    if (differences == 0)
        return;
    unsigned accepted = NAME_EQUAL;
    if (differences & NAME_SOFT && all_else_agrees(form, person))
        accepted |= rules_accepted_names(form->context->rules, form->grants->code);
    for (size_t i = 0; i < sizeof REASONS / sizeof *REASONS; i++)
        if (differences & REASONS[i].difference)
            decision_add(form->decision, accepted & REASONS[i].difference ? ACCEPTED : MISMATCH, REASONS[i].code, FIELD,
                         told(form, FIELD, person->full_name));
}

static void compare_birth(const Form *form, const Person *person) {
    static const char FIELD[] = "subject.birth_date";
    const char *said = form->subject->birth_date, *stored = person->birth_date;
    Date a, b;
    if (!*said) {
        differs(form, REASON(BIRTH_DATE_MISSING), FIELD, stored);
        return;
    }
    if (strcmp(said, stored) != 0) {
        if (date_parse(said, &a) != 0 || date_parse(stored, &b) != 0 || !date_agrees(a, b)) {
            differs(form, REASON(BIRTH_DATE_DIFFERS), FIELD, stored);
            return;
        }
        decision_add(form->decision, ACCEPTED, REASON(BIRTH_DATE_YEAR_ONLY), FIELD, told(form, FIELD, stored));
    }
}

static void compare_sex(const Form *form, const Person *person) {
    static const char FIELD[] = "subject.sex";
    const char *said = form->subject->sex;
    if (sex_is_known(said) && sex_is_known(person->sex) && strcmp(said, person->sex) != 0)
        differs(form, REASON(SEX_DIFFERS), FIELD, person->sex);
}

// Whether where the person lives is said and known, and is not the same.
static bool lives_elsewhere(const Form *form, const Person *person) {
    const char *said = rules_residence34(form->context->rules, form->subject);
    return *said && *person->residence_province && strcmp(said, person->residence_province) != 0;
}

// A mother's name is often written otherwise, and is somebody else's at times: alone it is only said where all that
// identifies the person agrees. With less, or with another residence beside it, the number may well be a namesake's.
static void compare_mother(const Form *form, const Person *person) {
    static const char FIELD[] = "subject.mother_name";
    const char *said = form->subject->mother_name, *stored = person->mother_name;
    if (form->found || !*said || !stored || !*stored || !(name_compare(said, stored) & NAME_OTHER) ||
        unsaid_is_name(said))
        return;
    bool alone = life_agrees(form, person) && !lives_elsewhere(form, person);
    decision_add(form->decision, alone ? ACCEPTED : MISMATCH, REASON(MOTHER_DIFFERS), FIELD, told(form, FIELD, stored));
}

// The number said against the person it led to: it may contradict them where the event says too little to show it.
// A replaced number is expected to: sex and birth year are what numbers are re-issued for.
static void compare_number(const Form *form, const Person *person) {
    static const char FIELD[] = "subject.citizen_number";
    const char *number = form->subject->citizen_number;
    if (person->by_insurance) { // no number that the citizen was given: the rest must make up for it
        decision_add(form->decision, life_agrees(form, person) ? ACCEPTED : MISMATCH, REASON(ID_BY_INSURANCE), FIELD,
                     told(form, FIELD, person->citizen_number));
        return;
    }
    if (person->at_other_time)
        mismatch(form, REASON(ID_OTHER_TIME), FIELD);
    if (person->by_alias) {
        bool cancelled = strcmp(number, person->citizen_number) == 0; // their last one, and not theirs any more
        decision_add(form->decision, ACCEPTED, cancelled ? REASON(ID_CANCELLED) : REASON(ID_NOT_CURRENT), FIELD,
                     cancelled ? "" : told(form, FIELD, person->citizen_number));
        return;
    }
    if (!verify_is_number(number))
        return;
    if (!sex_is_known(form->subject->sex) && verify_number_denies_sex(number, person->sex))
        mismatch(form, REASON(ID_SEX), FIELD);
    if (!*form->subject->birth_date && verify_number_denies_birth(number, person->birth_date))
        mismatch(form, REASON(ID_BIRTH_YEAR), FIELD);
}

// The stored date that a rule is broken by, and the stored field it stands in; NULL when it is kept.
static const char *life_breaks(const Form *form, const Rule *rule, const Person *person, const char **ret_field) {
    Date date, limit;
    if (rule->field ? !said_date(form, rule->field, &date) : rule->kind != RULE_ALIVE_AT_EVENT)
        return NULL;
    if (!rule->field)
        date = date_of_us(form->event->event_time_us);
    switch (rule->kind) {
    case RULE_AGE_AT_LEAST:
        *ret_field = "subject.birth_date";
        if (date_parse(person->birth_date, &limit) != 0)
            return NULL;
        limit.year = (int16_t)(limit.year + (int16_t)rule->limit);
        return date_compare(date, limit) < 0 ? person->birth_date : NULL;
    case RULE_NOT_BEFORE_BIRTH:
        *ret_field = "subject.birth_date";
        return date_parse(person->birth_date, &limit) == 0 && date_compare(date, limit) < 0 ? person->birth_date : NULL;
    case RULE_NOT_AFTER_DEATH:
    case RULE_ALIVE_AT_EVENT:
        *ret_field = "subject.died_on";
        return date_parse(person->died_on, &limit) == 0 && date_compare(date, limit) > 0 ? person->died_on : NULL;
    default:
        return NULL;
    }
}

static void check_life(const Form *form, const Person *person) {
    for (size_t i = 0; i < form->rules->n_rules; i++) {
        const Rule *rule = &form->rules->rules[i];
        const char *field, *stored = holds_here(form, rule) ? life_breaks(form, rule, person, &field) : NULL;
        if (stored)
            decision_add(form->decision, rule->verdict, rule->code,
                         rule->field ? name_of(form, rule->field) : "event_time_us", told(form, field, stored));
    }
}

// All but the number.
static void compare_person(const Form *form, const Person *person) {
    compare_name(form, person);
    compare_birth(form, person);
    compare_sex(form, person);
    compare_mother(form, person);
    // Only the life of the right person tells anything about the event.
    if (form->rules && !form->retract && severity(form->decision->verdict) < severity(MISMATCH))
        check_life(form, person);
}

void verify_person(const VerifyContext *context, const Grants *grants, const Dongbo__ChangeEvent *event,
                   const Person *person, Decision *decision) {
    Form form = form_of(context, grants, event, decision);
    if (!person) {
        static const char FIELD[] = "subject.citizen_number";
        if (verify_is_number(form.subject->citizen_number))
            decision_add(decision, DEFERRED, REASON(NOT_FOUND), FIELD, "");
        else
            check_number(&form, form.subject->citizen_number, "", "", FIELD);
        return;
    }
    compare_number(&form, person);
    compare_person(&form, person);
}

void verify_found(const VerifyContext *context, const Grants *grants, const Dongbo__ChangeEvent *event,
                  const Person *person, Decision *decision) {
    static const char FIELD[] = "subject.citizen_number";
    Form form = form_of(context, grants, event, decision);
    form.found = true;
    decision_add(decision, ACCEPTED, REASON(PERSON_FOUND), FIELD, told(&form, FIELD, person->citizen_number));
    compare_person(&form, person);
}

void verify_life(const VerifyContext *context, const Grants *grants, const Dongbo__ChangeEvent *event,
                 const Person *person, Decision *decision) {
    Form form = form_of(context, grants, event, decision);
    if (form.rules && !form.retract)
        check_life(&form, person);
}

const char *verify_record_key(const VerifyContext *context, const Dongbo__ChangeEvent *event) {
    const DomainRules *rules = rules_domain(context->rules, event_domain(event));
    if (!rules || !rules->n_key)
        return "";
    const ProtobufCMessage *body = event_body(event);
    char numbers[8][12];
    const char *parts[8];
    size_t total = 0, lengths[8];
    for (size_t i = 0; i < rules->n_key; i++) {
        parts[i] = field_text(body, rules->key[i]->number, numbers[i]);
        lengths[i] = strlen(parts[i]);
        total += lengths[i] + 1;
    }
    char *key = arena_alloc(context->arena, total), *to = key;
    for (size_t i = 0; key && i < rules->n_key; i++) {
        memcpy(to, parts[i], lengths[i]);
        to += lengths[i];
        *to++ = i + 1 < rules->n_key ? 0x1F : 0;
    }
    return key;
}
