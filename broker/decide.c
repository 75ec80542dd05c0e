// SPDX-License-Identifier: Apache-2.0
//
// Runs verify and reconcile over a whole batch. Looks nothing up and stores nothing.
#include "broker/decide.h"

#include "broker/beside.h"
#include "broker/commune.h"
#include "broker/decide_population.h"
#include "broker/decide_standing.h"
#include "broker/decide_whom.h"
#include "broker/resent.h"
#include "proto/base/date.h"
#include "proto/base/error.h"
#include "proto/check.h"

#include <stdio.h>
#include <string.h>

static void settle_form(Item *item, int code, const char *field) {
    decision_add(&item->form, DONGBO__VERDICT__REJECTED, code, field, NULL);
}

Item *decide_items_new(Work *work, size_t n) {
    Item *items = arena_alloc(work->arena, n * sizeof(Item));
    if (items == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        Item *item = &items[i];
        // Not the findings: they are counted, and a kilobyte an event is much to clear.
        memset(item, 0, offsetof(Item, form));
        item->form.verdict = DONGBO__VERDICT__ACCEPTED;
        item->form.n_reasons = 0;
        item->decision = (Decision){.verdict = DONGBO__VERDICT__ACCEPTED};
        memset(&item->merged, 0, sizeof *item - offsetof(Item, merged));
        item->claimed_number = item->record_key = "";
        item->province_before = item->province63_before = item->province_after = item->province63_after = "";
    }
    return items;
}

int decide_items(Work *work) {
    size_t n = work->batch.header->count;
    work->items = decide_items_new(work, n);
    if (work->items == NULL)
        return error_fail(ERROR_MEMORY, "a batch of %zu events does not fit", n);
    work->n_items = n;
    for (size_t i = 0; i < n; i++) {
        Item *item = &work->items[i];
        item->sequence = work->first_sequence + i;
        if (work->unreadable) {
            settle_form(item, DONGBO__REASON_CODE__BATCH_UNREADABLE, "");
            continue;
        }
        item->bytes = work->batch.sealed->events[i];
        item->leaf = work->batch.leaves + i * HASH_BYTES;
    }
    return 0;
}

// The number under which the person is looked up. A re-issue names the person by the old one.
static const char *claimed_number(const Dongbo__ChangeEvent *event, int domain) {
    const char *said = event->subject != NULL ? event->subject->citizen_number : "";
    if (domain != DONGBO__DOMAIN__POPULATION)
        return said;
    const Dongbo__PopulationChange *change = event->population;
    if (population_is_reissue(change) || change->citizen_number[0] == '\0')
        return said;
    return change->citizen_number;
}

static int read_event(Work *work, Item *item) {
    static const int CODES[] = {0, DONGBO__REASON_CODE__EVENT_UNREADABLE, DONGBO__REASON_CODE__EVENT_LIMITS,
                                DONGBO__REASON_CODE__TEXT_INVALID};
    if (item->bytes.len > EVENT_BYTES_MAX) {
        settle_form(item, DONGBO__REASON_CODE__EVENT_LIMITS, "");
        return 0;
    }
    if (item->bytes.len == 0) {
        settle_form(item, DONGBO__REASON_CODE__EVENT_UNREADABLE, "");
        return 0;
    }
    char field[64] = "";
    int fault =
        check_message(&dongbo__change_event__descriptor, &CHECK_EVENT, item->bytes.data, item->bytes.len, field);
    if (fault != 0) {
        const char *kept = field[0] == '\0' ? "" : arena_strndup(work->arena, field, strlen(field));
        settle_form(item, CODES[fault], kept == NULL ? "" : kept);
        return 0;
    }
    item->event = dongbo__change_event__unpack(arena_protobuf(work->arena), item->bytes.len, item->bytes.data);
    if (item->event == NULL) {
        if (arena_failed(work->arena))
            return error_fail(ERROR_MEMORY, "the batch's events do not fit");
        settle_form(item, DONGBO__REASON_CODE__EVENT_UNREADABLE, "");
        return 0;
    }
    item->domain = event_domain(item->event);
    item->claimed_number = claimed_number(item->event, item->domain);
    return 0;
}

static VerifyContext verify_context(const DecideContext *context, const Work *work) {
    return (VerifyContext){.rules = context->rules, .now_us = context->now_us, .arena = work->arena};
}

int decide_forms(const DecideContext *context, Work *work) {
    VerifyContext verify = verify_context(context, work);
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (work->unreadable)
            break;
        int result = read_event(work, item);
        if (result < 0)
            return result;
        if (item->event == NULL)
            continue;
        verify_form(&verify, &work->agency->grants, item->event, &item->form);
        commune_settle(context->rules, item->event);
        if (work->review != NULL)
            review_form(work->review, item);
    }
    return 0;
}

bool decide_wants_person(const Item *item) {
    return item->event != NULL && !item->dropped && item->stands == 0 &&
           item->form.verdict == DONGBO__VERDICT__ACCEPTED &&
           (item->claimed_number[0] != '\0' || bearers_insurance(item->event, "")[0] != '\0');
}

// Whom the claimed number names, or, where it is nobody's and cannot be used, the insurance number.
static BearersAnswer find_bearer(const Item *item, const Person **ret, bool *by_insurance) {
    Date day = date_of_us(item->event->event_time_us);
    BearersAnswer answer = bearers_on(item->bearers, day, ret);
    *by_insurance = answer == BEARERS_NONE && !verify_is_number(item->claimed_number);
    return *by_insurance ? bearers_on(item->insured, day, ret) : answer;
}

void decide_bearer(Item *item) {
    const Person *found = NULL;
    bool by_insurance;
    if (item->person != NULL || !decide_wants_person(item))
        return;
    BearersAnswer answer = find_bearer(item, &found, &by_insurance);
    if (!by_insurance && item->domain == DONGBO__DOMAIN__POPULATION)
        found = decide_bearer_in_store(item);
    if (found == NULL)
        return;
    Person *person = &item->named;
    *person = *found;
    person->by_alias = !by_insurance;
    person->by_insurance = by_insurance;
    person->at_other_time = answer == BEARERS_OTHER_TIME;
    item->person = person;
}

bool decide_brings_person(const Item *item) {
    const char *kind = item->event->population->kind;
    return strcmp(kind, "registered") == 0 || strcmp(kind, "birth") == 0;
}

static void copy_decision(Decision *to, const Decision *from) {
    to->verdict = from->verdict;
    to->n_reasons = from->n_reasons;
    memcpy(to->reasons, from->reasons, from->n_reasons * sizeof from->reasons[0]);
}

bool decide_went_elsewhere(const Item *item) {
    return !item->settled && item->went_to != 0 && item->person != NULL && item->person->key != item->went_to;
}

// The number, and what else would name the person, is several persons'.
static bool decide_ambiguous(Item *item) {
    const Person *unused;
    bool by_insurance;
    if (item->person != NULL || find_bearer(item, &unused, &by_insurance) != BEARERS_SEVERAL)
        return false;
    decision_add(&item->decision, DONGBO__VERDICT__MISMATCH, DONGBO__REASON_CODE__ID_AMBIGUOUS,
                 by_insurance ? "insurance_number" : "subject.citizen_number", NULL);
    return true;
}

// With the person whom its numbers name, or none; and the insurance number is known to be others', not theirs.
static void decide_named(const VerifyContext *verify, const Grants *grants, Item *item) {
    verify_person(verify, grants, item->event, item->person, &item->decision);
    if (item->person != NULL && item->insured != NULL && !bearers_have(item->insured, item->person->key))
        decision_add(&item->decision, DONGBO__VERDICT__MISMATCH, DONGBO__REASON_CODE__INSURANCE_DIFFERS,
                     "insurance_number", NULL);
}

static void set_residence(Item *item) {
    item->province_before = item->province_after = item->person->residence_province;
    item->province63_before = item->province63_after = item->person->residence_province63;
}

static int set_record(const VerifyContext *verify, Item *item) {
    item->record_key = item->domain == DONGBO__DOMAIN__POPULATION ? "" : verify_record_key(verify, item->event);
    if (item->record_key == NULL)
        return error_fail(ERROR_MEMORY, "the batch's record keys do not fit");
    item->record_hash = record_hash(item->person->key, item->domain, item->record_key);
    return 0;
}

static int decide_person(const VerifyContext *verify, const Work *work, Item *item) {
    const Grants *grants = &work->agency->grants;
    copy_decision(&item->decision, &item->form);
    item->merged = (Merged){0};
    item->record_key = "";
    item->record_hash = 0;
    if (item_is_adopted(item))
        item->person = NULL;
    bool changes_person = item->domain == DONGBO__DOMAIN__POPULATION;
    if (item->stands != 0)
        decide_standing(verify, work, item);
    else if (work->review != NULL)
        review_decide(verify, grants, work->review, item);
    else if (item->event == NULL || item->form.verdict != DONGBO__VERDICT__ACCEPTED)
        return 0;
    else if (changes_person)
        decide_whom(item);
    else if (!decide_ambiguous(item))
        decide_named(verify, grants, item);
    if (item->person != NULL && !changes_person)
        set_residence(item);
    if (item->expired && item->decision.verdict == DONGBO__VERDICT__DEFERRED)
        item->decision.verdict = DONGBO__VERDICT__MISMATCH;
    if (item->person == NULL || (item->decision.verdict != DONGBO__VERDICT__ACCEPTED && item->stands == 0))
        return 0;
    return set_record(verify, item);
}

int decide_persons(const DecideContext *context, Work *work) {
    VerifyContext verify = verify_context(context, work);
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->n_items; i++) {
        if (!work->items[i].dropped)
            result = decide_person(&verify, work, &work->items[i]);
    }
    return result;
}

static bool is_contradiction(int code) {
    switch (code) {
    case DONGBO__REASON_CODE__ID_MISSING:
    case DONGBO__REASON_CODE__ID_FORMAT:
    case DONGBO__REASON_CODE__ID_PROVINCE:
    case DONGBO__REASON_CODE__ID_SEX:
    case DONGBO__REASON_CODE__ID_BIRTH_YEAR:
    case DONGBO__REASON_CODE__ID_AMBIGUOUS:
    case DONGBO__REASON_CODE__ID_OTHER_TIME:
    case DONGBO__REASON_CODE__ID_BY_INSURANCE:
    case DONGBO__REASON_CODE__INSURANCE_DIFFERS:
    case DONGBO__REASON_CODE__NOT_FOUND:
    case DONGBO__REASON_CODE__NAME_DIFFERS:
    case DONGBO__REASON_CODE__NAME_SIMILAR:
    case DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS:
    case DONGBO__REASON_CODE__SEX_DIFFERS:
    case DONGBO__REASON_CODE__MOTHER_DIFFERS:
        return true;
    default:
        return false;
    }
}

bool decide_wants_search(const Work *work, const Item *item) {
    if (work->review != NULL || item->stands != 0 || item->event == NULL || item->dropped ||
        item->domain == DONGBO__DOMAIN__POPULATION || item->event->subject == NULL ||
        item->event->subject->full_name[0] == '\0')
        return false;
    if (item->decision.verdict == DONGBO__VERDICT__DEFERRED)
        return work->kind == WORK_BATCH;
    if (item->decision.verdict != DONGBO__VERDICT__MISMATCH)
        return false;
    for (size_t i = 0; i < item->decision.n_reasons; i++) {
        if (is_contradiction(item->decision.reasons[i].code))
            return true;
    }
    return false;
}

SearchQuestion decide_question(const Item *item) {
    return (SearchQuestion){.subject = item->event->subject,
                            .number = item->claimed_number,
                            .number_of = item->person == NULL ? 0 : item->person->key,
                            .bearers = item->bearers,
                            .insured = item->insured};
}

static bool has_reason(const Decision *decision, int code) {
    for (size_t i = 0; i < decision->n_reasons; i++) {
        if (decision->reasons[i].code == code)
            return true;
    }
    return false;
}

bool decide_is_misled(const Item *item) {
    if (!verify_is_number(item->claimed_number))
        return false;
    return item->person == NULL || (has_reason(&item->decision, DONGBO__REASON_CODE__NAME_DIFFERS) &&
                                    has_reason(&item->decision, DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS));
}

size_t decide_bearers(const Item *item, SearchNumber out[DECIDE_BEARERS_MAX]) {
    const Bearers *both[] = {item->bearers, item->insured};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; both[i] != NULL && j < both[i]->n; j++) {
            const char *number = both[i]->list[j].person.citizen_number;
            if (strlen(number) < sizeof *out)
                snprintf(out[n++], sizeof *out, "%s", number);
        }
    }
    return n;
}

static void say_found(Item *item) {
    static const char FIELD[] = "subject.citizen_number";
    Decision *decision = &item->decision;
    const SearchAnswer *found = item->found;
    const SearchMatch *sure = search_sure(found), *first = search_first(found);
    if (has_reason(decision, DONGBO__REASON_CODE__ID_AMBIGUOUS)) // among whom it was found
        return;
    // The number is right, and another field is not: the other reasons say so.
    if (first != NULL && ((item->person != NULL && item->person->key == first->person) ||
                          strcmp(first->citizen_number, item->claimed_number) == 0))
        return;
    if (sure != NULL)
        decision_add(decision, DONGBO__VERDICT__MISMATCH, DONGBO__REASON_CODE__PERSON_KNOWN, FIELD, NULL);
    else if (decision->verdict != DONGBO__VERDICT__MISMATCH)
        return;
    else if (found->too_large)
        decision_add(decision, DONGBO__VERDICT__MISMATCH, DONGBO__REASON_CODE__PERSON_TOO_COMMON, FIELD, NULL);
    else if (first != NULL)
        decision_add(decision, DONGBO__VERDICT__MISMATCH, DONGBO__REASON_CODE__PERSON_POSSIBLE, FIELD, NULL);
}

// What is wrong with the number, as bits of rules_accepted_numbers(); 0 where that is not all, or where it is a number.
static unsigned number_faults(const Decision *decision) {
    unsigned faults = decision->n_reasons > 0 ? NUMBER_MALFORMED : 0;
    for (size_t i = 0; i < decision->n_reasons; i++) {
        int code = decision->reasons[i].code;
        if (code == DONGBO__REASON_CODE__ID_MISSING)
            faults = NUMBER_MISSING;
        else if (code != DONGBO__REASON_CODE__ID_FORMAT)
            return 0;
    }
    return faults;
}

bool decide_may_adopt(const DecideContext *context, const Work *work, const Item *item) {
    if (item->person != NULL || item->decision.verdict != DONGBO__VERDICT__MISMATCH || !decide_wants_search(work, item))
        return false;
    unsigned faults = number_faults(&item->decision);
    return faults != 0 && (faults & ~rules_accepted_numbers(context->rules, work->agency->grants.code)) == 0;
}

// Takes the person whom the search is sure of, where all else that is said agrees with them. 1 when it does not.
static int adopt(const DecideContext *context, const Work *work, Item *item) {
    const SearchMatch *sure = search_sure(item->found);
    if (sure == NULL || sure->level[SEARCH_NUMBER] == SEARCH_ELSE || !decide_may_adopt(context, work, item))
        return 1;
    VerifyContext verify = verify_context(context, work);
    Decision decision;
    copy_decision(&decision, &item->decision);
    decision.verdict = DONGBO__VERDICT__ACCEPTED;
    verify_found(&verify, &work->agency->grants, item->event, &item->found->person, &decision);
    if (decision.verdict != DONGBO__VERDICT__ACCEPTED)
        return 1;
    copy_decision(&item->decision, &decision);
    item->person = &item->found->person;
    set_residence(item);
    return set_record(&verify, item);
}

int decide_found(const DecideContext *context, Work *work) {
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (item->found == NULL || !decide_wants_search(work, item))
            continue;
        int result = adopt(context, work, item);
        if (result < 0)
            return result;
        if (result > 0)
            say_found(item);
    }
    return 0;
}

bool decide_wants_record(const Item *item) {
    return item->record_hash != 0 && !item->dropped;
}

// ---- neighbourhoods -------------------------------------------------------------------------------------------------

static bool wants_hood(const DecideContext *context, const Item *item) {
    return decide_wants_record(item) && item->stands == 0 && rules_domain(context->rules, item->domain)->n_beside > 0;
}

typedef struct HoodTable {
    Neighbourhood **slots; // open addressing, at most half full
    size_t mask;
} HoodTable;

static Neighbourhood **hood_slot(const HoodTable *table, const Neighbourhood *like) {
    for (size_t at = like->hash & table->mask;; at = (at + 1) & table->mask) {
        const Neighbourhood *there = table->slots[at];
        if (there == NULL || (there->of.person == like->of.person && there->domain == like->domain &&
                              strcmp(there->of.record_key, like->of.record_key) == 0))
            return &table->slots[at];
    }
}

static size_t slots_for(size_t n) {
    size_t size = 16;
    while (size < 2 * n)
        size *= 2;
    return size;
}

static int hood_table_new(HoodTable *table, Work *work, size_t n) {
    size_t size = slots_for(n + work->n_hoods);
    table->mask = size - 1;
    table->slots = arena_zalloc(work->arena, size * sizeof *table->slots);
    Neighbourhood **hoods = arena_alloc(work->arena, (n + work->n_hoods) * sizeof *hoods);
    if (table->slots == NULL || hoods == NULL)
        return error_fail(ERROR_MEMORY, "the batch's neighbouring records do not fit");
    for (size_t i = 0; i < work->n_hoods; i++) {
        hoods[i] = work->hoods[i];
        *hood_slot(table, hoods[i]) = hoods[i];
    }
    work->hoods = hoods;
    return 0;
}

// Its key stays where it is.
static int find_hood(const HoodTable *table, Work *work, const Item *item, NeighbourName of, Neighbourhood **ret) {
    Neighbourhood like = {
        .of = of, .domain = item->domain, .hash = neighbourhood_hash(of, item->domain), .wanted = true};
    Neighbourhood **slot = hood_slot(table, &like);
    if (*slot == NULL) {
        Neighbourhood *hood = arena_alloc(work->arena, sizeof *hood);
        if (hood == NULL)
            return error_fail(ERROR_MEMORY, "the batch's neighbouring records do not fit");
        *hood = like;
        *slot = work->hoods[work->n_hoods++] = hood;
    }
    *ret = *slot;
    (*ret)->items++;
    (*ret)->wanted = (*ret)->wanted || item->stale_person || item->stale_record;
    return 0;
}

int decide_hoods(const DecideContext *context, Work *work) {
    size_t n = 0;
    for (size_t i = 0; i < work->n_hoods; i++)
        work->hoods[i]->items = 0;
    for (size_t i = 0; i < work->n_items; i++) {
        work->items[i].hood = work->items[i].holders = NULL;
        if (wants_hood(context, &work->items[i]))
            n += rules_domain(context->rules, work->items[i].domain)->holders ? 2 : 1;
    }
    HoodTable table;
    int result = n == 0 ? 0 : hood_table_new(&table, work, n);
    for (size_t i = 0; n > 0 && result == 0 && i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!wants_hood(context, item))
            continue;
        result = find_hood(&table, work, item, (NeighbourName){item->person->key, ""}, &item->hood);
        if (result == 0 && rules_domain(context->rules, item->domain)->holders)
            result = find_hood(&table, work, item, (NeighbourName){0, item->record_key}, &item->holders);
    }
    return result;
}

static bool leaves_record(const Item *item) {
    return item->merged.store && !item->merged.superseded;
}

static Beside beside_of(const DecideContext *context, const Work *work, const Item *item) {
    return (Beside){.rules = rules_domain(context->rules, item->domain),
                    .name = {item->person->key, item->record_key},
                    .said = event_body(item->event),
                    .after = leaves_record(item) && !item->merged.deleted ? item->merged.body : NULL,
                    .before = item->onto,
                    .tells = item->event->operation == DONGBO__OPERATION__UPSERT,
                    .hood = item->hood,
                    .holders = item->holders,
                    .arena = work->arena};
}

// Of what was merged. What a rule does not let pass leaves no record, and those behind it do not stand on it.
static int judge_beside(const DecideContext *context, const Work *work, Item *item) {
    item->reasons_before = item->decision.n_reasons;
    if (item->hood == NULL || item->merged.verdict == DONGBO__VERDICT__UNCHANGED)
        return 0;
    Beside beside = beside_of(context, work, item);
    int result = beside_judge(&beside, &item->decision);
    if (result < 0)
        return result;
    if (work->review != NULL && item->decision.verdict == DONGBO__VERDICT__MISMATCH)
        item->decision.verdict = item->merged.verdict; // a person has looked
    if (item->decision.verdict == DONGBO__VERDICT__MISMATCH || item->decision.verdict == DONGBO__VERDICT__REJECTED) {
        item->merged = (Merged){0};
        return 0;
    }
    if (leaves_record(item))
        result = neighbourhood_move(item->hood, work->arena, beside.name, beside.after);
    if (result == 0 && leaves_record(item) && item->holders != NULL)
        result = neighbourhood_move(item->holders, work->arena, beside.name, beside.after);
    return result;
}

bool decide_stands(const DecideContext *context, const Work *work, const Item *item) {
    bool alone = item->hood->items == 1 && (item->holders == NULL || item->holders->items == 1);
    if (!alone || item->merged.verdict == 0)
        return false;
    if (item->merged.verdict == DONGBO__VERDICT__UNCHANGED)
        return true;
    Beside beside = beside_of(context, work, item);
    Decision now = {.verdict = DONGBO__VERDICT__ACCEPTED};
    if (beside_judge(&beside, &now) < 0 || now.verdict != DONGBO__VERDICT__ACCEPTED ||
        now.n_reasons != item->decision.n_reasons - item->reasons_before)
        return false;
    for (size_t i = 0; i < now.n_reasons; i++) {
        const Finding *was = &item->decision.reasons[item->reasons_before + i];
        if (was->code != now.reasons[i].code || strcmp(was->field, now.reasons[i].field) != 0)
            return false;
    }
    return true;
}

// ---- records --------------------------------------------------------------------------------------------------------

// Which item last stood on a record: open addressing, at most half full.
typedef struct Chains {
    Item **slots;
    size_t mask;
} Chains;

static int chains_new(Chains *chains, Arena *arena, size_t n) {
    size_t size = slots_for(n);
    chains->mask = size - 1;
    chains->slots = arena_zalloc(arena, size * sizeof *chains->slots);
    return chains->slots == NULL ? error_fail(ERROR_MEMORY, "the batch's records do not fit") : 0;
}

static Item **chains_slot(const Chains *chains, const Item *item) {
    size_t at = item->record_hash & chains->mask;
    for (;; at = (at + 1) & chains->mask) {
        Item **slot = &chains->slots[at];
        const Item *there = *slot;
        if (there == NULL || (there->record_hash == item->record_hash && there->person->key == item->person->key &&
                              there->domain == item->domain && strcmp(there->record_key, item->record_key) == 0))
            return slot;
    }
}

// What the next event on the same record is merged onto.
static const Dongbo__Record *after(const Item *item, const Dongbo__Record *before) {
    return leaves_record(item) ? item->merged.record : before;
}

// ---- mergers --------------------------------------------------------------------------------------------------------

static const Dongbo__Record *coming_of(const Chains *chains, const Item *merger) {
    Item of = {.domain = DONGBO__DOMAIN__POPULATION, .person = merger->goes, .record_key = ""};
    if (merger->goes == NULL)
        return NULL;
    of.record_hash = record_hash(of.person->key, of.domain, of.record_key);
    const Item *last = *chains_slot(chains, &of);
    return last == NULL ? merger->coming : after(last, last->onto);
}

static int decide_record(const Merge *merge, const Work *work, const Chains *chains, Item *item) {
    if (item->stands != 0)
        return decide_standing_record(merge, work, item);
    if (item->domain == DONGBO__DOMAIN__POPULATION)
        return decide_population(merge, coming_of(chains, item), item);
    return reconcile(merge, item->onto, item->event, &item->merged);
}

static void find_cases(const DecideContext *context, Work *work) {
    uint32_t agency = work->agency->grants.agency;
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        bool found = item->has_case_key && item->case_is_held == item->held;
        if (item->event == NULL || found || !verdict_is_open(item->decision.verdict))
            continue;
        if (item->held)
            cases_held_key(agency, item->domain, item->person->key, item->case_key);
        else
            cases_key(context->rules, agency, item->event, item->case_key);
        item->has_case_key = true;
        item->case_is_held = item->held;
        item->row_key = resent_key(context->rules, item->event);
    }
}

int decide_records(const DecideContext *context, Work *work) {
    Merge merge = {.rules = context->rules, .grants = &work->agency->grants, .arena = work->arena};
    Chains chains = {0};
    int result = chains_new(&chains, work->arena, work->n_items);
    for (size_t i = 0; i < work->n_hoods; i++)
        neighbourhood_begin(work->hoods[i]);
    for (size_t i = 0; result >= 0 && i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!decide_wants_record(item))
            continue;
        Item **slot = chains_slot(&chains, item);
        item->onto = *slot == NULL ? item->read : after(*slot, (*slot)->onto);
        item->earlier = *slot;
        result = decide_record(&merge, work, &chains, item);
        if (result > 0) {
            // The stored version does not decode: this event cannot be merged, others are none the worse for it.
            item->merged = (Merged){0};
            decision_add(&item->decision, DONGBO__VERDICT__REJECTED, DONGBO__REASON_CODE__NOT_STORABLE, "", NULL);
            continue;
        }
        if (result == 0 && decide_is_somebody_else(item))
            decide_somebody_else(item);
        else if (result == 0 && item->decision.verdict == DONGBO__VERDICT__ACCEPTED)
            item->decision.verdict = item->merged.verdict;
        if (result == 0)
            result = judge_beside(context, work, item);
        *slot = item;
    }
    if (work->kind != WORK_REDECIDE)
        find_cases(context, work);
    return result < 0 ? result : 0;
}

// What the population store is told of an event depends on what became of it: these are taken as they come.
bool decide_wants_repeats(Work *work) {
    bool any = false;
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        item->wanted = decide_wants_record(item) && item->decision.verdict == DONGBO__VERDICT__SUPERSEDED &&
                       item->domain != DONGBO__DOMAIN__POPULATION;
        any = any || item->wanted;
    }
    return any;
}

static bool is_stored_before(const Work *work, const Item *item) {
    for (const Item *other = work->items; other < item; other++) {
        if (other->record_hash == item->record_hash && other->merged.store &&
            memcmp(other->event->event_id.data, item->event->event_id.data, EVENT_ID_BYTES) == 0)
            return true;
    }
    return false;
}

void decide_repeats(Work *work) {
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!item->wanted || !(item->repeated || is_stored_before(work, item)))
            continue;
        item->merged = (Merged){.verdict = DONGBO__VERDICT__UNCHANGED};
        item->decision.verdict = DONGBO__VERDICT__UNCHANGED;
    }
}
