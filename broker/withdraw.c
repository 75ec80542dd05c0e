// SPDX-License-Identifier: Apache-2.0
//
// What is left is read as history is. The new version notes whose words were taken back, among what its event said of
// others: origins of no field.
#include "broker/withdraw.h"

#include "broker/claim.h"
#include "broker/history.h"
#include "proto/base/error.h"

#include <stdint.h>

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "a record without some of its events does not fit the batch's memory");
}

static bool is_by(const Dongbo__Origin *origin, const Dongbo__ChangeEvent *event) {
    return origin->event_id.len == EVENT_ID_BYTES &&
           memcmp(origin->event_id.data, event->event_id.data, EVENT_ID_BYTES) == 0;
}

bool withdraw_stands(const Dongbo__Record *current, const Dongbo__ChangeEvent *event) {
    for (size_t i = 0; current != NULL && i < current->n_origins; i++) {
        if (is_by(current->origins[i], event))
            return true;
    }
    return false;
}

static int unpack_body(const Withdraw *of, ProtobufCMessage **ret) {
    *ret = protobuf_c_message_unpack(domain_descriptor(of->rules->domain), arena_protobuf(of->arena),
                                     of->current->body.len, of->current->body.data);
    if (*ret != NULL)
        return 0;
    return arena_failed(of->arena) ? no_memory() : 1;
}

static Dongbo__Lost *make_note(const Withdraw *of) {
    Dongbo__Lost *note = arena_alloc(of->arena, sizeof *note);
    Dongbo__Origin *origins = arena_alloc(of->arena, of->n_words * sizeof *origins);
    Dongbo__Origin **list = arena_alloc(of->arena, of->n_words * sizeof *list);
    if (note == NULL || origins == NULL || list == NULL)
        return NULL;
    for (size_t i = 0; i < of->n_words; i++) {
        const WithdrawWord *word = &of->words[i];
        dongbo__origin__init(&origins[i]);
        origins[i].event_id = word->event->event_id;
        origins[i].event_time_us = word->event->event_time_us;
        origins[i].agency = word->agency;
        origins[i].nature = DONGBO__NATURE__NATURE_RETRACTION;
        list[i] = &origins[i];
    }
    dongbo__lost__init(note);
    note->body = of->current->body;
    note->origins = list;
    note->n_origins = of->n_words;
    return note;
}

// All versions and, behind them, one that takes the words back.
static int read_others(const Withdraw *of, Dongbo__Lost *note, HistoryAnswer *ret) {
    const Dongbo__Record **versions = arena_alloc(of->arena, (of->n + 1) * sizeof *versions);
    Dongbo__Record *last = arena_alloc(of->arena, sizeof *last);
    if (versions == NULL || last == NULL)
        return no_memory();
    dongbo__record__init(last);
    last->body = note->body;
    last->lost = note;
    for (size_t i = 0; i < of->n; i++)
        versions[i] = of->versions[i];
    versions[of->n] = last;
    const HistoryQuestion question = {of->rules, of->arena, versions, of->n + 1, INT64_MAX};
    return history_rest(&question, ret);
}

static uint32_t find_changed(const Withdraw *of, const ProtobufCMessage *held, const Merged *now) {
    uint32_t keys = 0, changed = 0;
    for (const RuleField *field = of->rules->fields; field->number != 0; field++) {
        if (field->key)
            keys |= CLAIM_BIT(field->number);
        else if (!field_equal(held, now->body, field->number))
            changed |= CLAIM_BIT(field->number);
    }
    return of->current->retracted == now->record->retracted ? changed : changed | keys;
}

int withdraw(const Withdraw *of, Merged *ret) {
    ProtobufCMessage *held = NULL;
    HistoryAnswer others = {0};
    *ret = (Merged){.verdict = DONGBO__VERDICT__UNCHANGED};
    if (of->current == NULL)
        return 0;
    int r = of->current == &RECONCILE_UNREADABLE ? 1 : unpack_body(of, &held);
    Dongbo__Lost *note = r == 0 ? make_note(of) : NULL;
    if (r == 0 && note == NULL)
        r = no_memory();
    if (r == 0)
        r = read_others(of, note, &others);
    if (r != 0)
        return r;
    ret->store = true;
    ret->record = (Dongbo__Record *)others.record;
    ret->record->lost = note;
    ret->body = (ProtobufCMessage *)others.body;
    ret->deleted = others.record->retracted;
    ret->changed = find_changed(of, held, ret);
    if (ret->changed != 0)
        ret->verdict = DONGBO__VERDICT__ACCEPTED;
    return 0;
}
