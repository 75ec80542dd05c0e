// SPDX-License-Identifier: Apache-2.0
//
// Packs what the writer stores. Decides nothing; whatever it is given is stored as decided.
#include "broker/entries.h"

#include "proto/base/error.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "the batch's entries do not fit");
}

bool entries_is_plain(int verdict, size_t n_reasons) {
    return verdict == DONGBO__VERDICT__ACCEPTED && n_reasons == 0;
}

bool entries_is_erased(const Dongbo__Entry *entry) {
    return entry->kind == DONGBO__ENTRY_KIND__ENTRY_UNSPECIFIED;
}

static Dongbo__Reason **reasons_new(Arena *arena, const Decision *decision) {
    size_t n = decision->n_reasons;
    Dongbo__Reason **list = arena_alloc(arena, n * sizeof *list + n * sizeof **list);
    if (list == NULL)
        return NULL;
    Dongbo__Reason *reasons = (Dongbo__Reason *)(list + n);
    for (size_t i = 0; i < n; i++) {
        const Finding *finding = &decision->reasons[i];
        dongbo__reason__init(&reasons[i]);
        reasons[i].code = (Dongbo__ReasonCode)finding->code;
        if (finding->field != NULL)
            reasons[i].field = (char *)finding->field;
        if (finding->expected != NULL)
            reasons[i].expected = (char *)finding->expected;
        list[i] = &reasons[i];
    }
    return list;
}

Dongbo__EventVerdict *entries_verdict(Arena *arena, const Item *item, uint64_t position) {
    Dongbo__EventVerdict *verdict = arena_alloc(arena, sizeof *verdict);
    if (verdict == NULL)
        return NULL;
    dongbo__event_verdict__init(verdict);
    verdict->sequence = item->sequence;
    if (item->event != NULL)
        verdict->event_id = item->event->event_id;
    verdict->verdict = (Dongbo__Verdict)item->decision.verdict;
    verdict->position = position;
    verdict->n_reasons = item->decision.n_reasons;
    if (verdict->n_reasons > 0) {
        verdict->reasons = reasons_new(arena, &item->decision);
        if (verdict->reasons == NULL)
            return NULL;
    }
    return verdict;
}

Dongbo__EventVerdict *entries_verdict_of(Arena *arena, const Dongbo__Entry *entry, uint64_t position) {
    Dongbo__EventVerdict *verdict = arena_alloc(arena, sizeof *verdict);
    if (verdict == NULL)
        return NULL;
    dongbo__event_verdict__init(verdict);
    verdict->sequence = entry->sequence;
    verdict->event_id = entry->event_id;
    verdict->verdict = entry->verdict;
    verdict->position = position;
    verdict->n_reasons = entry->n_reasons;
    verdict->reasons = entry->reasons;
    return verdict;
}

static bool is_merged(const Item *item) {
    int verdict = item->decision.verdict;
    return item->record_hash != 0 && item->person != NULL &&
           (verdict == DONGBO__VERDICT__ACCEPTED || verdict == DONGBO__VERDICT__UNCHANGED ||
            verdict == DONGBO__VERDICT__SUPERSEDED || (verdict == DONGBO__VERDICT__REJECTED && item->merged.store));
}

// What a person has to look at already is told of again only where nobody has to any more.
static bool is_new(const Work *work, const Item *item) {
    int verdict = item->decision.verdict;
    if (item->dropped)
        return false;
    if (work->kind == WORK_JUDGE)
        return item->decision.n_reasons > 0 && !item->overtaken;
    if (work->kind != WORK_REDECIDE || item->leaves)
        return true;
    if (work->review == NULL && item->was == DONGBO__VERDICT__MISMATCH)
        return !verdict_is_open(verdict);
    return verdict != DONGBO__VERDICT__DEFERRED;
}

static int changed_fields(Arena *arena, uint32_t bits, Dongbo__Entry *entry) {
    size_t n = (size_t)__builtin_popcount(bits);
    if (n == 0)
        return 0;
    entry->changed_fields = arena_alloc(arena, n * sizeof *entry->changed_fields);
    if (entry->changed_fields == NULL)
        return no_memory();
    for (; bits != 0; bits &= bits - 1)
        entry->changed_fields[entry->n_changed_fields++] = (uint32_t)__builtin_ctz(bits);
    return 0;
}

static int fill_found(Arena *arena, const SearchAnswer *answer, Dongbo__Entry *entry) {
    const SearchMatch *sure = search_sure(answer);
    entry->found = arena_alloc(arena, sizeof *entry->found);
    if (entry->found == NULL)
        return no_memory();
    dongbo__found__init(entry->found);
    entry->found->posterior = sure->posterior;
    entry->found->bits = (uint32_t)sure->bits;
    entry->found->version = SEARCH_VERSION;
    entry->found->model = answer->model;
    entry->found->learnt = answer->learnt;
    return 0;
}

static bool tells_rest(const Item *item) {
    return item->decision.verdict == DONGBO__VERDICT__ACCEPTED && item->merged.store && !item->merged.deleted;
}

static void fill_record(const Item *item, Dongbo__Entry *entry) {
    entry->person = item->person->key;
    // A tombstone names nobody but where it tells what others said: committees know their record by its id.
    if (item->erases == 0 || tells_rest(item))
        entry->citizen_number = (char *)item->person->citizen_number;
    entry->record_key = (char *)item->record_key;
    entry->province_before = (char *)item->province_before;
    entry->province63_before = (char *)item->province63_before;
    entry->province_after = (char *)item->province_after;
    entry->province63_after = (char *)item->province63_after;
}

static int fill_merged(Arena *arena, const Item *item, Dongbo__Entry *entry) {
    fill_record(item, entry);
    if (item_is_adopted(item) && fill_found(arena, item->found, entry) < 0)
        return no_memory();
    // What is not new to anybody goes to no feed. What is refused after all leaves the record without it.
    if (item->decision.verdict != DONGBO__VERDICT__ACCEPTED && item->decision.verdict != DONGBO__VERDICT__REJECTED)
        return 0;
    entry->deleted = item->merged.deleted;
    if (item->merged.record != NULL && !item->merged.superseded)
        entry->body = item->merged.record->body;
    return changed_fields(arena, item->merged.changed, entry);
}

// What the log says of a record that goes over to another person.
static char GONE[] = "gone over to the person they are merged into", COME[] = "come from a person merged into this one";
// ... or goes on without an event.
static char LINKED[] = "gone over to the person whom an officer linked it to";
static char REPLACED[] = "left to the newer event of the agency's row";
// ... and of one that is told again.
static char NUMBER[] = "told again under the person's new number", RESIDENCE[] = "told again as the person moved";
// ... and of a move by itself, which no event tells of.
static char HOME[] = "somebody moved in the population store: their records are told again";
// ... and of one that one subscription is told.
static char FOLLOWS[] = "told as the person is followed",
            FOLLOWS_NOT[] = "taken back as the person is not followed any more";

static Dongbo__EntryKind kind_of(const Work *work) {
    static const Dongbo__EntryKind KINDS[] = {
        [WORK_BATCH] = DONGBO__ENTRY_KIND__ENTRY_EVENT,    [WORK_REDECIDE] = DONGBO__ENTRY_KIND__ENTRY_DECISION,
        [WORK_JUDGE] = DONGBO__ENTRY_KIND__ENTRY_DECISION, [WORK_MOVE] = DONGBO__ENTRY_KIND__ENTRY_MERGER,
        [WORK_RETELL] = DONGBO__ENTRY_KIND__ENTRY_RETOLD,  [WORK_FOLLOW] = DONGBO__ENTRY_KIND__ENTRY_FOLLOWED,
        [WORK_ERASE] = DONGBO__ENTRY_KIND__ENTRY_ERASURE,  [WORK_HOME] = DONGBO__ENTRY_KIND__ENTRY_RETOLD};
    return KINDS[work->kind];
}

// Its events have no leaves, so that nothing else would bind what came.
static int commit_to_unread(const Work *work, Dongbo__Entry *entry) {
    Merkle *merkle = NULL;
    uint8_t *hash = arena_alloc(work->arena, HASH_BYTES);
    int result = hash == NULL ? no_memory() : merkle_new(&merkle);
    if (result < 0)
        return result;
    merkle_sha256(merkle, work->batch_bytes, work->batch_n, hash);
    merkle_destroy(&merkle);
    entry->unread_batch = (ProtobufCBinaryData){.data = hash, .len = HASH_BYTES};
    return 0;
}

static Dongbo__Entry *entry_new(const Work *work, const Item *item) {
    Dongbo__Entry *entry = arena_alloc(work->arena, sizeof *entry);
    if (entry == NULL)
        return NULL;
    dongbo__entry__init(entry);
    entry->kind = item->leaves ? DONGBO__ENTRY_KIND__ENTRY_MERGER : kind_of(work);
    entry->sequence = item->sequence;
    entry->domain = (Dongbo__Domain)item->domain;
    entry->verdict = (Dongbo__Verdict)item->decision.verdict;
    entry->agency = work_agency(work);
    entry->citizen_number = (char *)item->claimed_number;
    if (work->link != NULL)
        entry->text = item->person == &work->link->went.person ? GONE : COME;
    if (work->kind == WORK_RETELL)
        entry->text = strcmp(item->province_before, item->province_after) == 0 ? NUMBER : RESIDENCE;
    if (work->kind == WORK_HOME)
        entry->text = HOME;
    if (work->kind == WORK_FOLLOW) {
        entry->text = item->merged.deleted ? FOLLOWS_NOT : FOLLOWS;
        entry->subscription = (uint32_t)work->advance->subscription;
    }
    if (item->note != NULL) {
        entry->text = (char *)item->note;
        entry->decided_by = (char *)item->noted_by;
    }
    if (item->told_by != 0)
        entry->agency = item->told_by;
    if (item->leaves)
        entry->text = work->review->action == REVIEW_LINK ? LINKED : REPLACED;
    if (work->review != NULL) {
        entry->decided_by = (char *)work->review->officer;
        entry->why = (char *)(item->why != NULL ? item->why : work->review->why);
    }
    if (item->event != NULL) {
        entry->event_id = item->event->event_id;
        entry->event_time_us = item->event->event_time_us;
    }
    entry->n_reasons = item->decision.n_reasons;
    if (entry->n_reasons > 0) {
        entry->reasons = reasons_new(work->arena, &item->decision);
        if (entry->reasons == NULL)
            return NULL;
    }
    if (is_merged(item) && fill_merged(work->arena, item, entry) < 0)
        return NULL;
    if (item->stands != 0 && item->record_hash != 0 && !is_merged(item))
        fill_record(item, entry);
    if (work->unreadable && item == work->items && commit_to_unread(work, entry) < 0)
        return NULL;
    return entry;
}

static int build_entries(Work *work) {
    work->n_entries = 0;
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!is_new(work, item))
            continue;
        Dongbo__Entry *entry = entry_new(work, item);
        char *masked = arena_alloc(work->arena, TEXT_MASK_BYTES);
        if (entry == NULL || masked == NULL)
            return no_memory();
        text_mask_number(entry->citizen_number, masked);
        work->entries[work->n_entries] = entry;
        work->leaves[work->n_entries] = item->leaf;
        work->masked[work->n_entries] = masked;
        work->entry_items[work->n_entries] = item;
        item->row = 0;
        work->n_entries++;
    }
    return 0;
}

static int compare_records(const void *a, const void *b, void *context) {
    const Work *work = context;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    const Item *x = work->entry_items[left], *y = work->entry_items[right];
    if (x->person->key != y->person->key)
        return x->person->key < y->person->key ? -1 : 1;
    if (x->domain != y->domain)
        return x->domain < y->domain ? -1 : 1;
    int order = strcmp(x->record_key, y->record_key);
    if (order != 0)
        return order;
    return left < right ? -1 : 1;
}

// Returns its length.
static uint32_t append_packed(Bytes *rows, const ProtobufCMessage *message) {
    size_t n = protobuf_c_message_get_packed_size(message);
    bytes_append_u32(rows, (uint32_t)n);
    uint8_t *at = bytes_reserve(rows, n);
    if (at == NULL)
        return 0;
    protobuf_c_message_pack(message, at);
    rows->n += n;
    return (uint32_t)n;
}

static uint32_t append_position(Bytes *rows) {
    copy_i64(rows, 0);
    return (uint32_t)(rows->n - 8);
}

static void build_records(Work *work) {
    work->n_records = 0;
    for (size_t i = 0; i < work->n_entries; i++) {
        if (is_merged(work->entry_items[i]) && work->entry_items[i]->merged.store)
            work->record_index[work->n_records++] = (uint32_t)i;
    }
    qsort_r(work->record_index, work->n_records, sizeof *work->record_index, compare_records, work);
    bytes_clear(&work->records);
    for (size_t i = 0; i < work->n_records; i++) {
        Item *item = work->entry_items[work->record_index[i]];
        item->row = (uint32_t)i + 1;
        work->record_start[i] = (uint32_t)work->records.n;
        copy_row(&work->records, 6);
        copy_i64(&work->records, item->person->key);
        copy_i16(&work->records, (int16_t)item->domain);
        copy_bytes(&work->records, item->record_key, strlen(item->record_key));
        work->record_at[i] = append_position(&work->records);
        copy_bool(&work->records, item->merged.superseded);
        work->packed_n[i] = append_packed(&work->records, &item->merged.record->base);
        work->packed_at[i] = (uint32_t)work->records.n - work->packed_n[i];
    }
}

static bool is_exception(int verdict) {
    return verdict_is_open(verdict) || verdict == DONGBO__VERDICT__REJECTED;
}

const SearchAnswer *entries_found(const Item *item) {
    return verdict_is_open(item->decision.verdict) && !item->poisoned ? item->found : NULL;
}

// Of binary COPY's jsonb: a version, then the text.
static void append_candidates(Bytes *rows, const SearchAnswer *found) {
    size_t at = rows->n;
    bytes_append_u32(rows, 0);
    bytes_append_u8(rows, 1);
    search_write(found, rows);
    if (rows->failed)
        return;
    bytes_put_number(rows->data + at, 4, rows->n - at - 4);
}

static void append_likely(Bytes *rows, const Item *item) {
    const SearchAnswer *found = entries_found(item);
    const SearchMatch *first = search_first(found);
    if (first == NULL) {
        copy_null(rows);
        copy_null(rows);
    } else {
        copy_i64(rows, first->person);
        copy_i32(rows, (int32_t)first->posterior);
    }
    if (found == NULL)
        copy_null(rows);
    else
        append_candidates(rows, found);
}

// The number that the event waits for, if it waits: of a merger it may be that of the person who is to go.
static const char *waits_for(const Item *item) {
    bool goes = item->domain == DONGBO__DOMAIN__POPULATION && item->event != NULL && item->person != NULL &&
                item->event->subject != NULL && population_is_merger(item->event->population) &&
                item->decision.verdict == DONGBO__VERDICT__DEFERRED;
    return item->poisoned ? "" : goes ? item->event->subject->citizen_number : item->claimed_number;
}

static void append_codes(Bytes *rows, const Decision *decision) {
    int16_t codes[REASONS_MAX];
    for (size_t i = 0; i < decision->n_reasons; i++)
        codes[i] = (int16_t)decision->reasons[i].code;
    copy_i16_array(rows, codes, (int)decision->n_reasons);
}

static int append_exception(Work *work, const Item *item, uint32_t index) {
    Dongbo__EventVerdict *verdict = entries_verdict(work->arena, item, 0);
    if (verdict == NULL)
        return no_memory();
    Bytes *rows = &work->exceptions;
    int decided = item->decision.verdict;
    work->exception_start[work->n_exceptions] = (uint32_t)rows->n;
    copy_row(rows, 20);
    work->exception_at[work->n_exceptions] = append_position(rows);
    cases_put(rows, verdict_is_open(decided) && item->has_case_key ? item->case_key : NULL);
    work->exception_index[work->n_exceptions++] = index;
    copy_bytes(rows, work->stream, STREAM_BYTES);
    copy_i64(rows, (int64_t)item->sequence);
    copy_i32(rows, (int32_t)work->agency->grants.agency);
    copy_i16(rows, (int16_t)item->domain);
    copy_i16(rows, (int16_t)decided);
    copy_i16(rows, (int16_t)decided);
    copy_bool(rows, verdict_is_open(decided));
    const char *claimed = waits_for(item);
    copy_bytes(rows, claimed, strlen(claimed));
    if (item->stands != 0)
        copy_i64(rows, item->stands);
    else
        copy_null(rows);
    append_packed(rows, &verdict->base);
    copy_bytes(rows, item->bytes.data, item->bytes.len);
    copy_bytes(rows, item->leaf, item->leaf == NULL ? 0 : HASH_BYTES);
    append_likely(rows, item);
    append_codes(rows, &item->decision);
    if (verdict_is_open(decided) && item->row_key != 0)
        copy_i64(rows, (int64_t)item->row_key);
    else
        copy_null(rows);
    return 0;
}

static int build_exceptions(Work *work) {
    work->n_exceptions = 0;
    bytes_clear(&work->exceptions);
    if (work->kind != WORK_BATCH && work->kind != WORK_JUDGE)
        return 0;
    for (size_t i = 0; i < work->n_entries; i++) {
        if (!is_exception(work->entry_items[i]->decision.verdict))
            continue;
        int result = append_exception(work, work->entry_items[i], (uint32_t)i);
        if (result < 0)
            return result;
    }
    return 0;
}

static int build_arrays(Work *work) {
    size_t n = work->n_items;
    if (work->entries != NULL)
        return 0;
    work->entries = arena_alloc(work->arena, n * sizeof *work->entries);
    work->leaves = arena_alloc(work->arena, n * sizeof *work->leaves);
    work->masked = arena_alloc(work->arena, n * sizeof *work->masked);
    work->entry_items = arena_alloc(work->arena, n * sizeof *work->entry_items);
    uint32_t *numbers = arena_alloc(work->arena, 8 * n * sizeof *numbers);
    if (work->entries == NULL || work->leaves == NULL || work->masked == NULL || work->entry_items == NULL ||
        numbers == NULL)
        return no_memory();
    work->record_at = numbers;
    work->record_index = numbers + n;
    work->exception_at = numbers + 2 * n;
    work->exception_index = numbers + 3 * n;
    work->record_start = numbers + 4 * n;
    work->exception_start = numbers + 5 * n;
    work->packed_at = numbers + 6 * n;
    work->packed_n = numbers + 7 * n;
    return 0;
}

int entries_build(Work *work) {
    int result = build_arrays(work);
    if (result == 0)
        result = build_entries(work);
    if (result < 0)
        return result;
    build_records(work);
    result = build_exceptions(work);
    if (result < 0)
        return result;
    segment_pack_clear(&work->packed);
    Segment segment;
    entries_segment(work, &segment);
    result = segment_encode(work->coder, &segment, &work->packed);
    if (result < 0)
        return result;
    return work->records.failed || work->exceptions.failed ? no_memory() : 0;
}

void entries_segment(const Work *work, Segment *ret) {
    bool is_batch = work->kind == WORK_BATCH;
    *ret = (Segment){
        .kind = kind_of(work),
        .agency = work_agency(work),
        .stream = work_is_of_records(work) ? NULL : work->stream,
        .first_sequence = is_batch ? work->first_sequence : 0,
        .last_sequence = is_batch ? work->last_sequence : 0,
        .batch_root = is_batch ? work->batch.header->root.data : NULL,
        .header = is_batch ? work->batch.header_bytes : (ProtobufCBinaryData){0},
        .signature = is_batch ? work->batch.signature.data : NULL,
        .entries = work->entries,
        .n_entries = work->n_entries,
        .leaves = work->leaves,
        .masked = work->masked,
    };
}

void entries_place(Work *work, uint64_t first) {
    work->first_position = first;
    work->last_position = first + work->n_entries - 1;
    for (size_t i = 0; i < work->n_entries; i++)
        work->entry_items[i]->position = first + i;
    for (size_t i = 0; i < work->n_records; i++)
        bytes_put_number(work->records.data + work->record_at[i], 8, first + work->record_index[i]);
    for (size_t i = 0; i < work->n_exceptions; i++)
        bytes_put_number(work->exceptions.data + work->exception_at[i], 8, first + work->exception_index[i]);
}
