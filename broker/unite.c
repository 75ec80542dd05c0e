// SPDX-License-Identifier: Apache-2.0
//
// A claim that stands in one record and loses in the other is in neither's next version; it stays where it was stored,
// and history.h finds it there.
#include "broker/unite.h"

#include "broker/claim.h"
#include "broker/origins.h"
#include "proto/base/error.h"

typedef struct Side {
    const Dongbo__Record *record;
    ProtobufCMessage *body; // NULL where there is no record
    uint32_t sets, clears;  // what it claims
    const Dongbo__Origin *by[DOMAIN_FIELDS_MAX + 1];
} Side;

typedef struct Uniting {
    const Unite *unite;
    Side into, coming;
    uint32_t wins; // of the fields, those that `coming` decides
    uint32_t keys;
    ProtobufCMessage *body;
    Dongbo__Record *record;
} Uniting;

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "records that come together do not fit the batch's memory");
}

static int read_side(const Unite *unite, const Dongbo__Record *record, Side *ret) {
    *ret = (Side){.record = record};
    if (!record)
        return 0;
    if (record == &RECONCILE_UNREADABLE)
        return 1;
    for (size_t i = 0; i < record->n_origins; i++) {
        const Dongbo__Origin *origin = record->origins[i];
        uint32_t sets = claim_bits(origin->fields, origin->n_fields);
        uint32_t clears = claim_bits(origin->cleared, origin->n_cleared);
        if (origin->event_id.len != EVENT_ID_BYTES)
            return 1;
        ret->sets |= sets;
        ret->clears |= clears;
        for (unsigned number = 1; number <= DOMAIN_FIELDS_MAX; number++)
            if ((sets | clears) & CLAIM_BIT(number))
                ret->by[number] = origin;
    }
    ret->body = protobuf_c_message_unpack(domain_descriptor(unite->rules->domain), arena_protobuf(unite->arena),
                                          record->body.len, record->body.data);
    if (ret->body)
        return 0;
    return arena_failed(unite->arena) ? no_memory() : 1;
}

static int begin(Uniting *u, const Unite *unite) {
    *u = (Uniting){.unite = unite};
    for (size_t i = 0; i < unite->rules->n_key; i++)
        u->keys |= CLAIM_BIT(unite->rules->key[i]->number);
    int r = read_side(unite, unite->into, &u->into);
    return r ? r : read_side(unite, unite->coming, &u->coming);
}

static void find_wins(Uniting *u) {
    for (unsigned number = 1; number <= DOMAIN_FIELDS_MAX; number++) {
        const Dongbo__Origin *there = u->into.by[number], *coming = u->coming.by[number];
        if (!coming || u->unite->kept & CLAIM_BIT(number))
            continue;
        Claim held = there ? claim_of(there) : (Claim){0}, claim = claim_of(coming);
        if (!there || claim_compare(&held, &claim) < 0)
            u->wins |= CLAIM_BIT(number);
    }
}

static int add_side(Uniting *u, const Side *side, uint32_t fields) {
    for (size_t i = 0; side->record && i < side->record->n_origins; i++) {
        const Dongbo__Origin *origin = side->record->origins[i];
        int r = origins_add(u->unite->arena, u->record, origin, claim_bits(origin->fields, origin->n_fields) & fields,
                            claim_bits(origin->cleared, origin->n_cleared) & fields);
        if (r < 0)
            return r;
    }
    return 0;
}

static int new_record(Uniting *u) {
    Arena *arena = u->unite->arena;
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(u->unite->rules->domain);
    size_t n = (u->into.record ? u->into.record->n_origins : 0) + u->coming.record->n_origins + 1;
    u->record = arena_alloc(arena, sizeof *u->record);
    u->body = arena_alloc(arena, descriptor->sizeof_message);
    if (!u->record || !u->body)
        return no_memory();
    dongbo__record__init(u->record);
    protobuf_c_message_init(descriptor, u->body);
    u->record->origins = arena_alloc(arena, n * sizeof *u->record->origins);
    return u->record->origins ? 0 : no_memory();
}

static void fill_body(Uniting *u) {
    for (const RuleField *field = u->unite->rules->fields; field->number; field++) {
        uint32_t bit = CLAIM_BIT(field->number);
        bool from_coming = field->key ? !u->into.body : (u->wins & bit) != 0;
        if (from_coming && (field->key || u->coming.sets & bit))
            field_copy(u->body, u->coming.body, field->number);
        else if (!from_coming && u->into.body)
            field_copy(u->body, u->into.body, field->number);
    }
}

static uint32_t find_changed(const Uniting *u) {
    bool was = u->into.record && !u->into.record->retracted;
    uint32_t changed = was != !u->record->retracted ? u->keys : 0;
    for (unsigned number = 1; number <= DOMAIN_FIELDS_MAX; number++) {
        if (!(u->wins & ~u->keys & CLAIM_BIT(number)))
            continue;
        bool same = u->into.body ? field_equal(u->into.body, u->body, number) : !field_is_said(u->body, number);
        if (!same)
            changed |= CLAIM_BIT(number);
    }
    return changed;
}

int unite(const Unite *unite, Merged *ret) {
    Uniting u;
    *ret = (Merged){.verdict = DONGBO__VERDICT__UNCHANGED};
    int r = begin(&u, unite);
    if (r)
        return r;
    find_wins(&u);
    if (!u.wins) {
        ret->body = u.into.body;
        ret->deleted = u.into.record && u.into.record->retracted;
        return 0;
    }
    r = new_record(&u);
    if (r == 0)
        r = add_side(&u, &u.into, ~u.wins);
    if (r == 0)
        r = add_side(&u, &u.coming, u.wins);
    if (r < 0)
        return r;
    fill_body(&u);
    r = origins_close(unite->arena, u.record, u.body);
    *ret = (Merged){.verdict = DONGBO__VERDICT__UNCHANGED,
                    .store = true,
                    .record = u.record,
                    .body = u.body,
                    .won = u.wins,
                    .changed = find_changed(&u),
                    .deleted = u.record->retracted};
    if (ret->changed)
        ret->verdict = DONGBO__VERDICT__ACCEPTED;
    return r;
}

int unite_leave(const Unite *unite, const Dongbo__Origin *by, Merged *ret) {
    Uniting u;
    Unite alone = {.rules = unite->rules, .arena = unite->arena, .coming = unite->coming};
    *ret = (Merged){0};
    int r = begin(&u, &alone);
    if (r >= 0)
        r = new_record(&u);
    if (r < 0)
        return r;
    uint32_t all = u.keys;
    for (const RuleField *field = unite->rules->fields; field->number; field++) {
        all |= CLAIM_BIT(field->number);
        if (field->key && u.coming.body)
            field_copy(u.body, u.coming.body, field->number);
    }
    r = origins_add(unite->arena, u.record, by, 0, all);
    if (r == 0)
        r = origins_close(unite->arena, u.record, u.body);
    *ret = (Merged){.verdict = DONGBO__VERDICT__ACCEPTED,
                    .store = true,
                    .record = u.record,
                    .body = u.body,
                    .changed = u.keys,
                    .deleted = true};
    return r;
}
