// SPDX-License-Identifier: Apache-2.0
//
// Every event claims some fields: to hold a value (said) or to hold none (cleared). Per field the claim with the
// greatest (authority, event time, event id) stands, so a record is the maximum over its events and their order cannot
// matter. A retraction claims that every field of the domain holds none, whether the record has it or not; otherwise an
// older event that arrives after it would come to life. Key fields are the record's identity: their claims say whether
// the record is, their values always stay. Refuses to drop a deletion: it stands in the origins like any other claim.

#include "broker/reconcile.h"

#include "broker/claim.h"
#include "broker/origins.h"
#include "proto/base/error.h"

#include <assert.h>
#include <string.h>

#define BIT CLAIM_BIT

typedef struct Merging {
    const Merge *merge;
    const Dongbo__Record *current; // NULL for none
    const Dongbo__ChangeEvent *event;
    const DomainRules *rules;
    const ProtobufCMessage *said; // the event's body
    ProtobufCMessage *held;       // current's body; NULL for none
    ProtobufCMessage *body;       // the result
    uint32_t keys;                // the domain's key fields
    uint32_t sets, clears;        // what the event claims
    uint32_t wins;                // of these, what it wins
    uint32_t own;                 // ... and what of it stands by this event already
    uint32_t claimed;             // what current's origins claim
    uint32_t ranks[DOMAIN_FIELDS_MAX + 1];
} Merging;

#define POPULATION_NUMBER 2
#define POPULATION_PROVINCE 8
#define POPULATION_COMMUNE 9

#define RANK_NAMES 0
#define RANK_STAYS 1 // as an agency's that the rules do not list

// A number that is not given only names the person: it yields to every one that is, whenever that was, but one that
// stays in a merger does not yield to the one that went. A residence is said whole: a commune that does not come with
// the province is of another one.
static void find_population_claims(Merging *m) {
    const Dongbo__PopulationChange *change = (const Dongbo__PopulationChange *)m->said;
    if (population_is_cancellation(change)) {
        m->sets &= ~BIT(POPULATION_NUMBER);
        m->clears |= BIT(POPULATION_NUMBER);
        m->ranks[POPULATION_NUMBER] =
            rules_authority(m->merge->rules, m->rules->domain, m->merge->grants->code, POPULATION_NUMBER);
    } else if (!population_is_reissue(change)) {
        m->ranks[POPULATION_NUMBER] = population_is_merger(change) ? RANK_STAYS : RANK_NAMES;
    }
    if ((m->sets | m->clears) & BIT(POPULATION_PROVINCE) && !(m->sets & BIT(POPULATION_COMMUNE))) {
        m->clears |= BIT(POPULATION_COMMUNE);
        m->ranks[POPULATION_COMMUNE] = m->ranks[POPULATION_PROVINCE];
    }
}

static void find_claims(Merging *m) {
    uint32_t all = 0;
    for (const RuleField *field = m->rules->fields; field->number; field++) {
        all |= BIT(field->number);
        if (field->key)
            m->keys |= BIT(field->number);
    }
    if (m->event->operation == DONGBO__OPERATION__RETRACT) {
        m->clears = all;
    } else {
        m->sets = fields_said(m->said) & all;
        m->clears = claim_bits(m->event->cleared_fields, m->event->n_cleared_fields) & all & ~m->sets;
    }
    uint32_t claims = m->sets | m->clears;
    for (unsigned number = 1; number <= DOMAIN_FIELDS_MAX; number++)
        if (claims & BIT(number))
            m->ranks[number] = rules_authority(m->merge->rules, m->rules->domain, m->merge->grants->code, number);
    if (m->rules->domain == DONGBO__DOMAIN__POPULATION)
        find_population_claims(m);
    // Nor does it stand where all that was ever said is gone through anew (history.h).
    for (unsigned number = 1; number <= DOMAIN_FIELDS_MAX; number++)
        if (m->merge->yields & BIT(number))
            m->ranks[number] = RANK_NAMES;
}

// Leaves in `wins` what no held claim keeps. A claim of the event itself is kept as it stands.
static void find_wins(Merging *m) {
    m->wins = (m->sets | m->clears) & ~m->merge->yields;
    for (size_t i = 0; m->current && i < m->current->n_origins; i++) {
        const Dongbo__Origin *origin = m->current->origins[i];
        Claim held = claim_of(origin);
        bool own = memcmp(held.event_id, m->event->event_id.data, EVENT_ID_BYTES) == 0;
        uint32_t fields = claim_bits(origin->fields, origin->n_fields) | claim_bits(origin->cleared, origin->n_cleared);
        m->claimed |= fields;
        m->own |= own ? fields : 0;
        fields &= m->wins;
        for (unsigned number = 1; fields && number <= DOMAIN_FIELDS_MAX; number++) {
            Claim claim = {m->ranks[number], m->event->event_time_us, m->event->event_id.data};
            if (fields & BIT(number) && (own || claim_compare(&claim, &held) <= 0))
                m->wins &= ~BIT(number);
        }
    }
}

// ---- the new version ----------------------------------------------------------------------------------------------

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "reconcile: the batch's memory is used up");
}

static Dongbo__Nature nature_of(const Dongbo__ChangeEvent *event) {
    if (event->operation == DONGBO__OPERATION__RETRACT)
        return DONGBO__NATURE__NATURE_RETRACTION;
    bool corrects =
        event->operation == DONGBO__OPERATION__CORRECT ||
        (event_domain(event) == DONGBO__DOMAIN__POPULATION && strcmp(event->population->kind, "correction") == 0);
    return corrects ? DONGBO__NATURE__NATURE_CORRECTION : DONGBO__NATURE__NATURE_CHANGE;
}

// What the event won, one origin per authority it has (nearly always one).
static int add_won(const Merging *m, Dongbo__Record *record) {
    Dongbo__Origin like = DONGBO__ORIGIN__INIT;
    like.event_time_us = m->event->event_time_us;
    like.event_id = m->event->event_id;
    like.agency = m->merge->grants->agency;
    like.nature = nature_of(m->event);
    uint32_t left = m->wins;
    while (left) {
        like.authority = m->ranks[__builtin_ctz(left)];
        uint32_t same = 0;
        for (unsigned number = 1; number <= DOMAIN_FIELDS_MAX; number++)
            if (left & BIT(number) && m->ranks[number] == like.authority)
                same |= BIT(number);
        int r = origins_add(m->merge->arena, record, &like, same & m->sets, same & m->clears);
        if (r < 0)
            return r;
        left &= ~same;
    }
    return 0;
}

static int add_origins(const Merging *m, Dongbo__Record *record) {
    size_t n = m->current ? m->current->n_origins : 0;
    record->origins = arena_alloc(m->merge->arena, (n + DOMAIN_FIELDS_MAX) * sizeof *record->origins);
    if (!record->origins)
        return no_memory();
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        const Dongbo__Origin *origin = m->current->origins[i];
        r = origins_add(m->merge->arena, record, origin, claim_bits(origin->fields, origin->n_fields) & ~m->wins,
                        claim_bits(origin->cleared, origin->n_cleared) & ~m->wins);
    }
    return r ? r : add_won(m, record);
}

static int make_body(Merging *m) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(m->rules->domain);
    m->body = arena_alloc(m->merge->arena, descriptor->sizeof_message);
    if (!m->body)
        return no_memory();
    protobuf_c_message_init(descriptor, m->body);
    for (const RuleField *field = m->rules->fields; field->number; field++) {
        uint32_t bit = BIT(field->number);
        if (m->wins & m->sets & bit || (field->key && !m->held))
            field_copy(m->body, m->said, field->number);
        else if (m->held && (field->key || !(m->wins & bit)))
            field_copy(m->body, m->held, field->number);
    }
    return 0;
}

static int make_record(Merging *m, Dongbo__Record **ret) {
    Dongbo__Record *record = arena_alloc(m->merge->arena, sizeof *record);
    if (!record)
        return no_memory();
    dongbo__record__init(record);
    int r = add_origins(m, record);
    if (r == 0)
        r = make_body(m);
    if (r < 0)
        return r;
    r = origins_close(m->merge->arena, record, m->body);
    *ret = record;
    return r;
}

// What the event said and did not win, as a version of the event alone would have it.
static int keep_lost(const Merging *m, Dongbo__Record *record) {
    Merging alone = *m;
    alone.current = NULL;
    alone.held = NULL;
    alone.wins = (m->sets | m->clears) & ~m->wins & ~m->own;
    Dongbo__Record *said = NULL;
    int r = alone.wins ? make_record(&alone, &said) : 0;
    if (!said)
        return r;
    record->lost = arena_alloc(m->merge->arena, sizeof *record->lost);
    if (!record->lost)
        return no_memory();
    dongbo__lost__init(record->lost);
    record->lost->body = said->body;
    record->lost->origins = said->origins;
    record->lost->n_origins = said->n_origins;
    return 0;
}

// Key fields change when the record comes or goes; the others when their value does. Of a person much is known that no
// event has said: the first to clear it may change it.
static uint32_t find_changed(const Merging *m, const Dongbo__Record *record) {
    bool was = m->current && !m->current->retracted;
    uint32_t changed = was != !record->retracted ? m->keys : 0;
    if (m->rules->domain == DONGBO__DOMAIN__POPULATION)
        changed |= m->wins & m->clears & ~m->claimed;
    for (unsigned number = 1; number <= DOMAIN_FIELDS_MAX; number++) {
        if (!(m->wins & ~m->keys & BIT(number)))
            continue;
        bool same = m->held ? field_equal(m->held, m->body, number) : !field_is_said(m->body, number);
        if (!same)
            changed |= BIT(number);
    }
    return changed;
}

const Dongbo__Record RECONCILE_UNREADABLE = DONGBO__RECORD__INIT;

// 1 when current's bytes are unreadable.
static int read_current(Merging *m) {
    if (!m->current)
        return 0;
    if (m->current == &RECONCILE_UNREADABLE)
        return 1;
    for (size_t i = 0; i < m->current->n_origins; i++)
        if (m->current->origins[i]->event_id.len != EVENT_ID_BYTES)
            return 1;
    m->held = protobuf_c_message_unpack(domain_descriptor(m->rules->domain), arena_protobuf(m->merge->arena),
                                        m->current->body.len, m->current->body.data);
    if (m->held)
        return 0;
    return arena_failed(m->merge->arena) ? no_memory() : 1;
}

int reconcile(const Merge *merge, const Dongbo__Record *current, const Dongbo__ChangeEvent *event, Merged *ret) {
    Merging m = {.merge = merge,
                 .current = current,
                 .event = event,
                 .rules = rules_domain(merge->rules, event_domain(event)),
                 .said = event_body(event)};
    assert(m.rules && m.said && event->event_id.len == EVENT_ID_BYTES);
    *ret = (Merged){.verdict = DONGBO__VERDICT__UNCHANGED};
    int r = read_current(&m);
    if (r)
        return r;
    find_claims(&m);
    find_wins(&m);
    if (!m.wins && (m.own || !(m.sets | m.clears))) {
        ret->body = m.held;
        ret->deleted = current && current->retracted;
        return 0;
    }
    ret->store = true;
    if (!m.wins) { // kept as the event alone, for what was true then
        ret->verdict = DONGBO__VERDICT__SUPERSEDED;
        ret->superseded = true;
        m.current = NULL;
        m.held = NULL;
        m.wins = m.sets | m.clears;
    }
    r = make_record(&m, &ret->record);
    if (r == 0)
        r = keep_lost(&m, ret->record);
    if (r < 0)
        return r;
    ret->body = m.body;
    ret->deleted = ret->record->retracted;
    if (ret->superseded)
        return 0;
    ret->won = m.wins;
    ret->changed = find_changed(&m, ret->record);
    if (ret->changed)
        ret->verdict = DONGBO__VERDICT__ACCEPTED;
    return 0;
}
