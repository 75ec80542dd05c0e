// SPDX-License-Identifier: Apache-2.0
//
// The few things that are done to a work or an item as such. Pure.
#include "broker/item.h"

#include "broker/origins.h"
#include "proto/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void work_settle(Work *work, Outcome outcome, int code, const char *fmt, ...) {
    work->outcome = outcome;
    work->code = code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(work->text, sizeof work->text, fmt, args);
    va_end(args);
}

bool work_is_of_records(const Work *work) {
    return work->kind == WORK_MOVE || work->kind == WORK_RETELL || work->kind == WORK_FOLLOW ||
           work->kind == WORK_ERASE || work->kind == WORK_HOME;
}

Dongbo__ChangeEvent *work_cause(Arena *arena, const uint8_t event_id[EVENT_ID_BYTES], int64_t event_time_us) {
    Dongbo__ChangeEvent *event = arena_alloc(arena, sizeof *event);
    uint8_t *id = arena_alloc(arena, EVENT_ID_BYTES);
    if (event == NULL || id == NULL)
        return NULL;
    dongbo__change_event__init(event);
    memcpy(id, event_id, EVENT_ID_BYTES);
    event->event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, id};
    event->event_time_us = event_time_us;
    return event;
}

int work_told_by(Arena *arena, const Dongbo__Record *record, Item *item) {
    const Dongbo__Origin *by = origins_newest(record);
    if (by == NULL || by->event_id.len != EVENT_ID_BYTES)
        return 0;
    item->event = work_cause(arena, by->event_id.data, by->event_time_us);
    item->told_by = by->agency;
    return item->event == NULL ? error_fail(ERROR_MEMORY, "a record's event does not fit") : 0;
}

uint32_t work_agency(const Work *work) {
    if (work_is_of_records(work) && work->kind != WORK_MOVE)
        return work->advance->agency; // 0: none
    return work->link != NULL ? work->link->agency : work->agency->grants.agency;
}

void work_give_up(Work *work, int error) {
    if (error == ERROR_MEMORY)
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__TOO_BIG,
                    "The batch takes more memory than a batch may: seal smaller ones.");
    else
        work_settle(work, OUTCOME_ERROR, DONGBO__ERROR__CODE__INTERNAL,
                    "This broker cannot finish the batch, and its operator's log says why. Nothing is lost: say Hello "
                    "again, at another endpoint first, and send it again.");
}

bool item_is_adopted(const Item *item) {
    return item->found != NULL && item->person == &item->found->person;
}

void work_poison(Item *item) {
    item->poisoned = true;
    decision_add(&item->form, DONGBO__VERDICT__REJECTED, DONGBO__REASON_CODE__NOT_STORABLE, "", NULL);
}

uint64_t record_hash(int64_t person, int domain, const char *record_key) {
    // splitmix64 over the person, FNV-1a over the key: cheap, and only ever a filter.
    uint64_t hash = (uint64_t)person * 0x9E3779B97F4A7C15ULL + (uint64_t)domain;
    for (const unsigned char *c = (const unsigned char *)record_key; *c != 0; c++)
        hash = (hash ^ *c) * 0x100000001B3ULL;
    hash ^= hash >> 30;
    hash *= 0xBF58476D1CE4E5B9ULL;
    hash ^= hash >> 27;
    hash *= 0x94D049BB133111EBULL;
    hash ^= hash >> 31;
    return hash == 0 ? 1 : hash;
}
