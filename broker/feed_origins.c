// SPDX-License-Identifier: Apache-2.0
//
// The batch of an event's own segment is known by its position; that of an event which was decided on later, or erased,
// is looked for by stream and sequence, and that of a record which is told again by its present version; for as many of
// a segment's entries as are read at once.
#include "broker/feed_origins.h"

#include "broker/segment.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/batch.h"
#include "proto/proof.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 16
#define SLOT_BYTES_MAX ((size_t)4 * 1024 * 1024) // of a batch, twice, and its nodes
#define SCRATCH_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define SCRATCH_BYTES_KEPT ((size_t)2 * 1024 * 1024)
#define PIECE_BYTES 6 // tag and length

typedef uint8_t Hash[HASH_BYTES];

// A batch, and what was erased of it.
typedef struct Slot {
    uint64_t first, last; // its segment; last = 0: empty
    uint64_t used;
    Arena *arena;
    bool whole; // read with its events
    ProtobufCBinaryData origin;
    size_t n;                         // of its events; 0: nothing is proved by it
    Hash *nodes;                      // proof.h
    const Dongbo__SealedBatch *batch; // NULL: not read, or let go
    uint64_t *erased;                 // positions, and those of their tombstones
    size_t n_erased;
} Slot;

// Which event of which batch an entry is about.
typedef struct Answer {
    uint64_t position; // of the entry
    uint64_t first;    // of the batch's segment; 0: there is none
    size_t index;
} Answer;

struct FeedOrigins {
    FeedStore *store;
    Merkle *merkle;
    Arena *scratch;
    uint64_t uses;
    Slot slots[SLOTS];
    Answer answers[FEED_STORE_ORIGINS_ASKED];
    size_t n_answers;
};

// ---- parts of a frame
// ------------------------------------------------------------------------------------------------

static void list_free(OriginList *list) {
    bytes_free(&list->bytes);
    free(list->pieces);
}

void origin_parts_free(OriginParts *parts) {
    list_free(&parts->batches);
    list_free(&parts->proofs);
    free(parts->firsts);
    *parts = (OriginParts){0};
}

void origin_parts_clear(OriginParts *parts) {
    bytes_clear(&parts->batches.bytes); // what did not fit once may fit now
    bytes_clear(&parts->proofs.bytes);
    parts->batches.n = parts->proofs.n = 0;
}

size_t origin_parts_bytes(const OriginParts *parts) {
    return parts->batches.bytes.n + parts->proofs.bytes.n + (parts->batches.n + parts->proofs.n) * PIECE_BYTES;
}

OriginMark origin_parts_mark(const OriginParts *parts) {
    return (OriginMark){parts->batches.n, parts->batches.bytes.n, parts->proofs.n, parts->proofs.bytes.n};
}

void origin_parts_rewind(OriginParts *parts, const OriginMark *mark) {
    parts->batches.n = mark->batches;
    parts->batches.bytes.n = mark->batch_bytes;
    parts->proofs.n = mark->proofs;
    parts->proofs.bytes.n = mark->proof_bytes;
}

static void list_give(OriginList *list) {
    uint8_t *at = list->bytes.data;
    for (size_t i = 0; i < list->n; at += list->pieces[i++].len)
        list->pieces[i].data = at;
}

void origin_parts_give(OriginParts *parts, Dongbo__Records *records) {
    list_give(&parts->batches);
    list_give(&parts->proofs);
    records->n_batches = parts->batches.n;
    records->batches = parts->batches.pieces;
    records->n_origins = parts->proofs.n;
    records->origins = parts->proofs.pieces;
}

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for proofs of origin");
}

static void *grow(void *array, size_t n, size_t *size, size_t element) {
    if (n < *size)
        return array;
    size_t larger = *size ? 2 * *size : 64;
    void *moved = realloc(array, larger * element);
    if (moved)
        *size = larger;
    return moved;
}

// What was appended to its bytes since is one more piece.
static int list_add(OriginList *list, size_t before) {
    ProtobufCBinaryData *pieces = list->bytes.failed ? NULL : grow(list->pieces, list->n, &list->size, sizeof *pieces);
    if (!pieces)
        return no_memory();
    list->pieces = pieces;
    pieces[list->n++].len = list->bytes.n - before;
    return 0;
}

static int parts_batch(OriginParts *parts, const Slot *slot, uint32_t *ret) {
    OriginList *batches = &parts->batches;
    for (size_t i = batches->n; i-- > 0;) {
        if (parts->firsts[i] == slot->first) {
            *ret = (uint32_t)i;
            return 0;
        }
    }
    uint64_t *firsts = grow(parts->firsts, batches->n, &parts->firsts_size, sizeof *firsts);
    if (!firsts)
        return no_memory();
    parts->firsts = firsts;
    firsts[batches->n] = slot->first;
    *ret = (uint32_t)batches->n;
    size_t before = batches->bytes.n;
    bytes_append(&batches->bytes, slot->origin.data, slot->origin.len);
    return list_add(batches, before);
}

// ---- batches
// ---------------------------------------------------------------------------------------------------------

int feed_origins_new(FeedOrigins **ret, FeedStore *store) {
    FeedOrigins *origins = calloc(1, sizeof *origins);
    if (!origins)
        return no_memory();
    origins->store = store;
    int r = merkle_new(&origins->merkle);
    if (r < 0)
        feed_origins_destroy(&origins);
    *ret = origins;
    return r;
}

void feed_origins_forget(FeedOrigins *origins) {
    for (size_t i = 0; i < SLOTS; i++)
        origins->slots[i].last = 0;
    origins->n_answers = 0;
}

void feed_origins_destroy(FeedOrigins **origins) {
    if (!*origins)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        arena_destroy(&(*origins)->slots[i].arena);
    arena_destroy(&(*origins)->scratch);
    merkle_destroy(&(*origins)->merkle);
    free(*origins);
    *origins = NULL;
}

static Slot *find(FeedOrigins *origins, uint64_t first, bool whole) {
    for (size_t i = 0; i < SLOTS; i++) {
        Slot *slot = &origins->slots[i];
        if (slot->last != 0 && slot->first == first && (slot->whole || !whole)) {
            slot->used = ++origins->uses;
            return slot;
        }
    }
    return NULL;
}

// One that has the batch without its events is given up for the whole.
static Slot *oldest(FeedOrigins *origins, uint64_t first) {
    Slot *ret = &origins->slots[0];
    for (size_t i = 0; i < SLOTS; i++) {
        Slot *slot = &origins->slots[i];
        if (slot->last == 0 || slot->first == first)
            return slot;
        if (slot->used < ret->used)
            ret = slot;
    }
    return ret;
}

static int arena_ready(Arena **arena, size_t bytes_max, size_t bytes_kept) {
    if (*arena && arena_used(*arena) > bytes_kept)
        arena_destroy(arena);
    if (!*arena)
        return arena_new(arena, bytes_max);
    arena_reset(*arena);
    return 0;
}

static int copy(Arena *arena, const uint8_t *data, size_t n, ProtobufCBinaryData *ret) {
    return arena_copy(arena, data, n, ret) ? 0 : no_memory();
}

// Its events' leaves, and the tree above them. 1 when they are not those that were signed.
static int fill_nodes(FeedOrigins *origins, Slot *slot, const OriginRow *row) {
    Dongbo__SegmentSummary *summary = NULL;
    int r = arena_ready(&origins->scratch, SCRATCH_BYTES_MAX, SCRATCH_BYTES_KEPT);
    if (r == 0)
        r = segment_decode_summary(row->summary, row->summary_n, row->format, origins->scratch, &summary);
    size_t n = r == 0 ? summary->n_lines : 0;
    if (r != 0 || n != row->last - row->first + 1 || n > BATCH_EVENTS_MAX)
        return r < 0 ? r : 1;
    slot->nodes = arena_alloc(slot->arena, proof_nodes_count(n) * sizeof *slot->nodes);
    if (!slot->nodes)
        return no_memory();
    for (size_t i = 0; i < n; i++) {
        if (summary->lines[i]->leaf.len != HASH_BYTES)
            return 1;
        memcpy(slot->nodes[i], summary->lines[i]->leaf.data, HASH_BYTES);
    }
    proof_nodes_fill(origins->merkle, slot->nodes, n);
    if (!row->root || memcmp(slot->nodes[proof_nodes_count(n) - 1], row->root, HASH_BYTES) != 0)
        return 1;
    slot->n = n;
    return 0;
}

static int fill_batch(Slot *slot, const OriginRow *row) {
    ProtobufCBinaryData bytes;
    if (!row->batch || row->batch_n > BATCH_BYTES_MAX)
        return 0;
    int r = copy(slot->arena, row->batch, row->batch_n, &bytes);
    if (r < 0)
        return r;
    slot->batch = segment_decode_batch(bytes.data, bytes.len, slot->n, slot->arena);
    if (slot->batch && slot->batch->salts.len != slot->n * SALT_BYTES)
        slot->batch = NULL;
    return 0;
}

static int fill_erased(Slot *slot, const OriginRow *row) {
    slot->erased = arena_alloc(slot->arena, 2 * row->n_erased * sizeof *slot->erased + 1);
    if (!slot->erased)
        return no_memory();
    for (size_t i = 0; i < 2 * row->n_erased; i++)
        slot->erased[i] = (uint64_t)pg_element_int(row->erased[i]);
    slot->n_erased = row->n_erased;
    return 0;
}

static int fill(FeedOrigins *origins, const OriginRow *row, bool whole) {
    Slot *slot = oldest(origins, row->first);
    ProtobufCBinaryData header, signature;
    slot->last = 0;
    int r = arena_ready(&slot->arena, SLOT_BYTES_MAX, SLOT_BYTES_MAX / 2);
    if (r < 0)
        return r;
    *slot = (Slot){.first = row->first, .whole = whole, .arena = slot->arena};
    bool has_origin = row->origin && batch_read_origin(row->origin, row->origin_n, &header, &signature) == 0;
    if (has_origin)
        r = fill_nodes(origins, slot, row);
    if (r == 1)
        log_error("feed: the batch at position %" PRIu64 " is not as it was signed: dongbo log verify says more",
                  row->first);
    if (r == 0 && has_origin)
        r = copy(slot->arena, row->origin, row->origin_n, &slot->origin);
    if (r == 0 && has_origin)
        r = fill_batch(slot, row);
    if (r == 0 && has_origin)
        r = fill_erased(slot, row);
    if (r < 0)
        return r;
    slot->last = row->last;
    slot->used = ++origins->uses;
    return 0;
}

// Each of these that is there has a slot then. The most that is read at once leaves others theirs.
_Static_assert(FEED_STORE_ORIGINS < SLOTS, "what was read at once must be there at once");
static int load(FeedOrigins *origins, const uint64_t *firsts, size_t n, bool whole) {
    PGresult *result;
    int r = feed_store_origins(origins->store, firsts, n, whole, &result);
    if (r < 0)
        return r;
    for (int i = 0; r == 0 && i < PQntuples(result); i++) {
        OriginRow row;
        r = feed_store_origin_row(result, i, &row);
        if (r == 0)
            r = fill(origins, &row, whole);
        free(row.erased);
    }
    PQclear(result);
    return r;
}

// ---- whose event an entry is about
// -------------------------------------------------------------------------------------

static bool may_ask(const Dongbo__Entry *entry) {
    return entry->verdict == DONGBO__VERDICT__ACCEPTED &&
           (entry->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION || entry->kind == DONGBO__ENTRY_KIND__ENTRY_ERASURE);
}

static int query_told(FeedOrigins *origins, const ReaderSegment *segment, PGresult **ret) {
    OriginTold questions[FEED_STORE_ORIGINS_ASKED];
    for (size_t i = 0; i < origins->n_answers; i++) {
        const Dongbo__Entry *entry = segment->entries[origins->answers[i].position - segment->first];
        questions[i] = (OriginTold){.position = origins->answers[i].position,
                                    .person = entry->person,
                                    .domain = (int)entry->domain,
                                    .record_key = entry->record_key,
                                    .agency = entry->agency};
    }
    return feed_store_find_told(origins->store, questions, origins->n_answers, ret);
}

static int query_decided(FeedOrigins *origins, const ReaderSegment *segment, PGresult **ret) {
    OriginFind questions[FEED_STORE_ORIGINS_ASKED];
    for (size_t i = 0; i < origins->n_answers; i++) {
        uint64_t position = origins->answers[i].position;
        questions[i] = (OriginFind){.first = segment->first,
                                    .position = position,
                                    .sequence = segment->entries[position - segment->first]->sequence};
    }
    return feed_store_find_origins(origins->store, questions, origins->n_answers, ret);
}

// For this entry and those behind it in its segment that may be asked for next, and are found in the same way.
static int find_batches(FeedOrigins *origins, const OriginAsk *ask) {
    const ReaderSegment *segment = ask->segment;
    bool again = origin_is_told_again(segment->entries[ask->position - segment->first]);
    size_t n = 0;
    for (uint64_t at = ask->position; at <= segment->last && n < FEED_STORE_ORIGINS_ASKED; at++) {
        const Dongbo__Entry *entry = segment->entries[at - segment->first];
        if (again ? origin_is_told_again(entry) : may_ask(entry))
            origins->answers[n++] = (Answer){.position = at};
    }
    PGresult *result;
    origins->n_answers = n;
    int r = again ? query_told(origins, segment, &result) : query_decided(origins, segment, &result);
    if (r < 0) {
        origins->n_answers = 0;
        return r;
    }
    for (int row = 0; row < PQntuples(result); row++) {
        size_t i = (size_t)pg_i64(result, row, 0) - 1;
        origins->answers[i].first = (uint64_t)pg_i64(result, row, 1);
        origins->answers[i].index = (size_t)pg_i64(result, row, 2);
    }
    PQclear(result);
    return 0;
}

static const Answer *answer_of(const FeedOrigins *origins, uint64_t position) {
    for (size_t i = 0; i < origins->n_answers; i++)
        if (origins->answers[i].position == position)
            return &origins->answers[i];
    return NULL;
}

// The batches of the answers from this one on that are not at hand, as many as are read at once.
static int load_answers(FeedOrigins *origins, const Answer *from, bool whole) {
    uint64_t firsts[FEED_STORE_ORIGINS];
    size_t n = 0;
    for (; from < origins->answers + origins->n_answers && n < FEED_STORE_ORIGINS; from++) {
        bool known = from->first == 0 || find(origins, from->first, whole);
        for (size_t i = 0; i < n && !known; i++)
            known = firsts[i] == from->first;
        if (!known)
            firsts[n++] = from->first;
    }
    return load(origins, firsts, n, whole);
}

// *ret NULL: there is none.
static int slot_of(FeedOrigins *origins, const OriginAsk *ask, const Slot **ret, size_t *ret_index) {
    const ReaderSegment *segment = ask->segment;
    const Dongbo__Entry *entry = segment->entries[ask->position - segment->first];
    bool whole = ask->right == ORIGIN_EVENT, own = entry->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT;
    Answer answer = {.first = segment->first, .index = (size_t)(ask->position - segment->first)};
    const Answer *found = own ? &answer : answer_of(origins, ask->position);
    int r = 0;
    if (!found) {
        r = find_batches(origins, ask);
        found = r == 0 ? answer_of(origins, ask->position) : NULL;
    }
    *ret = NULL;
    if (r < 0 || !found || found->first == 0)
        return r;
    *ret_index = found->index;
    *ret = find(origins, found->first, whole);
    if (*ret)
        return 0;
    r = own ? load(origins, &answer.first, 1, whole) : load_answers(origins, found, whole);
    if (r == 0)
        *ret = find(origins, found->first, whole);
    return r;
}

// ---- a proof
// ---------------------------------------------------------------------------------------------------------

static uint64_t tombstone_of(const Slot *slot, size_t index) {
    for (size_t i = 0; i < slot->n_erased; i++)
        if (slot->erased[2 * i] == slot->first + index)
            return slot->erased[2 * i + 1];
    return 0;
}

static void add_event(FeedOrigins *origins, const Slot *slot, const Dongbo__Entry *entry, Dongbo__OriginProof *proof) {
    ProtobufCBinaryData bytes = slot->batch->events[proof->index];
    arena_reset(origins->scratch);
    const Dongbo__ChangeEvent *event =
        dongbo__change_event__unpack(arena_protobuf(origins->scratch), bytes.len, bytes.data);
    if (bytes.len == 0 || !event || !origin_is_theirs(event, entry))
        return;
    proof->event = bytes;
    proof->salt = (ProtobufCBinaryData){.data = slot->batch->salts.data + proof->index * SALT_BYTES, .len = SALT_BYTES};
}

static int proof_append(FeedOrigins *origins, const OriginAsk *ask, const Slot *slot, size_t index,
                        OriginParts *parts) {
    Dongbo__OriginProof proof = DONGBO__ORIGIN_PROOF__INIT;
    ProofPath path;
    ProtobufCBinaryData hashes[PROOF_MAX];
    int r = parts_batch(parts, slot, &proof.batch);
    if (r < 0)
        return r;
    proof_nodes_path((const Hash *)slot->nodes, slot->n, index, &path);
    for (size_t i = 0; i < path.n; i++)
        hashes[i] = (ProtobufCBinaryData){.data = path.hashes[i], .len = HASH_BYTES};
    proof.index = (uint32_t)index;
    proof.leaf = (ProtobufCBinaryData){.data = slot->nodes[index], .len = HASH_BYTES};
    proof.n_path = path.n;
    proof.path = hashes;
    proof.erased = tombstone_of(slot, index);
    if (ask->right == ORIGIN_EVENT && proof.erased == 0 && slot->batch)
        add_event(origins, slot, ask->segment->entries[ask->position - ask->segment->first], &proof);
    bytes_append_message(&parts->proofs.bytes, &proof.base);
    return 0;
}

int feed_origins_append(FeedOrigins *origins, const OriginAsk *ask, OriginParts *parts) {
    const Slot *slot = NULL;
    size_t index = 0, before = parts->proofs.bytes.n;
    int r = ask->right == ORIGIN_NOT ? 0 : slot_of(origins, ask, &slot, &index);
    if (r == 0 && slot && index < slot->n)
        r = proof_append(origins, ask, slot, index, parts);
    return r < 0 ? r : list_add(&parts->proofs, before);
}
