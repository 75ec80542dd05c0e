// SPDX-License-Identifier: Apache-2.0
//
// Segments in their order: positions, numbers, epochs and times go on, each hash follows from the one before, and the
// tree grows by each leaf. Where the chain breaks it says so once, and goes on from what stands there, so that what
// breaks further on is found too.
#include "broker/audit.h"

#include "broker/audit_expected.h"
#include "broker/audit_gone.h"
#include "broker/audit_notes.h"
#include "broker/audit_streams.h"
#include "log.pb-c.h"
#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/base/text.h"
#include "proto/check.h"
#include "proto/head.h"
#include "store.pb-c.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#define UNCHECKED_MAX 64
#define TOMBSTONES_MAX 100 // that are told one by one

static const uint8_t NOTHING[HASH_BYTES]; // before the first segment

static const CheckLimits RECORD_LIMITS = {
    .fields_max = 64, .depth_max = 1, .string_max = TEXT_BYTES_MAX, .bytes_max = 4096, .repeated_max = 0};

typedef enum Stage { STAGE_BEGIN, STAGE_NOTES, STAGE_SEGMENTS, STAGE_END } Stage;

struct Audit {
    AuditKeys *keys;
    AuditTell tell;
    void *to;
    Merkle *merkle;
    Arena *arena; // one record
    Stage stage;
    bool begun; // a file was read before
    AuditState state;
    AuditCounts counts;
    uint32_t epoch; // of the last segment; 0: none was seen
    int format;     // ... likewise
    int64_t stored_at_us, population_position;
    Frontier frontier;
    bool frontier_off, root_off, hash_off; // the last segment's, the last head's: as was told
    AuditNotes notes;
    uint64_t trim_logged; // up to where, as the log's entries say
    uint64_t missing_to;  // the position of the last payload that is not there
    AuditGoneList gone;
    AuditMark tombstones[TOMBSTONES_MAX];
    size_t n_tombstones;
    uint64_t head_number; // of the last one; 0: none was seen
    uint8_t head_hash[HASH_BYTES];
    AuditExpected expected; // heads from elsewhere
    AuditStreams *streams;
    AuditReceipts *receipts; // NULL: none
    uint64_t file_segments;
    AuditUnchecked unchecked[UNCHECKED_MAX];
    size_t n_unchecked;
};

int audit_new(Audit **ret, AuditKeys *keys, AuditTell tell, void *to) {
    Audit *audit = *ret = calloc(1, sizeof *audit);
    if (!audit)
        return error_fail(ERROR_MEMORY, "no memory to verify a log");
    audit->keys = keys;
    audit->tell = tell;
    audit->to = to;
    audit->state.payloads = true;
    int r = merkle_new(&audit->merkle);
    if (r == 0)
        r = arena_new(&audit->arena, (size_t)64 * 1024);
    if (r == 0)
        r = audit_streams_new(&audit->streams);
    if (r < 0)
        audit_destroy(ret);
    return r;
}

void audit_destroy(Audit **audit) {
    if (!*audit)
        return;
    merkle_destroy(&(*audit)->merkle);
    arena_destroy(&(*audit)->arena);
    audit_notes_free(&(*audit)->notes);
    audit_gone_free(&(*audit)->gone);
    audit_expected_free(&(*audit)->expected);
    audit_streams_destroy(&(*audit)->streams);
    free(*audit);
    *audit = NULL;
}

// ---- findings -----------------------------------------------------------------------------------------------------

// Whoever made the file may have put into it what tells a terminal to show something else.
static void tell(Audit *audit, const AuditFinding *finding) {
    AuditFinding shown = *finding;
    text_make_visible(shown.is);
    text_make_visible(shown.should);
    audit->counts.broken++;
    audit->tell(audit->to, &shown);
}

static void tell_number(Audit *audit, uint64_t position, const char *what, uint64_t is, uint64_t should) {
    AuditFinding finding = {.position = position, .what = what};
    snprintf(finding.is, sizeof finding.is, "%" PRIu64, is);
    snprintf(finding.should, sizeof finding.should, "%" PRIu64, should);
    tell(audit, &finding);
}

static void tell_hashes(Audit *audit, AuditFinding finding, const uint8_t *is, const uint8_t *should) {
    hex_encode(is, HASH_BYTES, finding.is);
    hex_encode(should, HASH_BYTES, finding.should);
    tell(audit, &finding);
}

static void tell_hash(Audit *audit, uint64_t position, const char *what, const uint8_t *is, const uint8_t *should) {
    tell_hashes(audit, (AuditFinding){.position = position, .what = what}, is, should);
}

static void tell_text(Audit *audit, uint64_t position, const char *what, const char *is, const char *should) {
    AuditFinding finding = {.position = position, .what = what};
    snprintf(finding.is, sizeof finding.is, "%s", is);
    snprintf(finding.should, sizeof finding.should, "%s", should);
    tell(audit, &finding);
}

static int malformed(const char *what) {
    error_fail(ERROR_CONFIG, "%s", what);
    return 1;
}

// ---- records that are no segments ---------------------------------------------------------------------------------

static void *read_message(Audit *audit, const ProtobufCMessageDescriptor *descriptor, const LogfileRecord *record) {
    arena_reset(audit->arena);
    if (check_message(descriptor, &RECORD_LIMITS, record->body, record->n, NULL) != 0)
        return NULL;
    return protobuf_c_message_unpack(descriptor, arena_protobuf(audit->arena), record->n, record->body);
}

static int begin_file(Audit *audit, const LogfileRecord *record) {
    const Dongbo__LogBegin *begin = read_message(audit, &dongbo__log_begin__descriptor, record);
    Frontier frontier;
    if (!begin || begin->previous_hash.len != HASH_BYTES || begin->first_position == 0 ||
        frontier_read(&frontier, begin->leaf_index, begin->frontier.data, begin->frontier.len) != 0)
        return malformed("its first record is malformed");
    AuditState *state = &audit->state;
    audit_notes_begin(&audit->notes);
    state->payloads &= begin->payloads;
    audit->file_segments = 0;
    audit->stage = STAGE_NOTES;
    if (!audit->begun) {
        audit->begun = true;
        audit->frontier = frontier;
        state->from_middle = begin->leaf_index > 0;
        state->first_position = begin->first_position;
        state->last_position = begin->first_position - 1;
        state->leaf_index = begin->leaf_index;
        memcpy(state->hash, begin->previous_hash.data, HASH_BYTES);
        if (state->leaf_index == 0 && state->first_position != 1)
            tell_number(audit, state->first_position, "first position of a log", state->first_position, 1);
        if (state->leaf_index == 0 && memcmp(state->hash, NOTHING, HASH_BYTES) != 0)
            tell_hash(audit, state->first_position, "hash before a log's first segment", state->hash, NOTHING);
        return 0;
    }
    if (begin->first_position != state->last_position + 1)
        tell_number(audit, begin->first_position, "position of the next file", begin->first_position,
                    state->last_position + 1);
    else if (memcmp(begin->previous_hash.data, state->hash, HASH_BYTES) != 0)
        tell_hash(audit, begin->first_position, "hash that the next file goes on from", begin->previous_hash.data,
                  state->hash);
    return 0;
}

static int note_agency(Audit *audit, const LogfileRecord *record) {
    const Dongbo__LogAgency *agency = read_message(audit, &dongbo__log_agency__descriptor, record);
    int r = agency ? audit_notes_agency(&audit->notes, agency->agency, agency->code) : 1;
    if (r == 1)
        return malformed("the record of an agency is malformed");
    if (r == 2)
        tell_text(audit, audit->state.last_position, "name of an agency", agency->code, "the one that was said before");
    return r < 0 ? r : 0;
}

static int note_epoch(Audit *audit, const LogfileRecord *record) {
    const Dongbo__LogEpoch *epoch = read_message(audit, &dongbo__log_epoch__descriptor, record);
    int r = epoch ? audit_notes_epoch(&audit->notes, epoch->epoch, epoch->position) : 1;
    return r == 1 ? malformed("the record of an epoch is malformed") : r;
}

static int note_trim(Audit *audit, const LogfileRecord *record) {
    const Dongbo__LogTrim *trim = read_message(audit, &dongbo__log_trim__descriptor, record);
    if (!trim)
        return malformed("the record of a trim is malformed");
    audit_notes_trim(&audit->notes, trim->position, trim->logged_position);
    return 0;
}

static int note_erasure(Audit *audit, const LogfileRecord *record) {
    const Dongbo__LogErasure *erasure = read_message(audit, &dongbo__log_erasure__descriptor, record);
    int r = erasure ? audit_notes_erasure(&audit->notes, erasure->position, erasure->logged_position) : 1;
    return r == 1 ? malformed("the record of an erasure is malformed") : r;
}

static int finish_file(Audit *audit, const LogfileRecord *record) {
    const Dongbo__LogEnd *end = read_message(audit, &dongbo__log_end__descriptor, record);
    if (!end)
        return malformed("its last record is malformed");
    audit->stage = STAGE_END;
    audit_notes_end(&audit->notes, end->log_last_position);
    if (end->segments != audit->file_segments)
        tell_number(audit, audit->state.last_position, "number of segments in the file", audit->file_segments,
                    end->segments);
    return 0;
}

// ---- signed heads -------------------------------------------------------------------------------------------------

static int read_head(Audit *audit, const uint8_t *data, size_t n, Dongbo__SignedHead **ret,
                     const Dongbo__TreeHead **ret_tree) {
    arena_reset(audit->arena);
    *ret = check_message(&dongbo__signed_head__descriptor, &RECORD_LIMITS, data, n, NULL) != 0
               ? NULL
               : dongbo__signed_head__unpack(arena_protobuf(audit->arena), n, data);
    if (!*ret || head_read((*ret)->head.data, (*ret)->head.len, audit->arena, ret_tree) != 0)
        return malformed("a signed head is malformed");
    return 0;
}

// By the exchange's key, where it was given. Of an unknown one nothing follows.
static int check_head_signature(Audit *audit, const Dongbo__SignedHead *head, const Dongbo__TreeHead *tree,
                                bool *ret_signed) {
    *ret_signed = false;
    for (int i = 0; i < audit->keys->n; i++) {
        AuditKey *key = &audit->keys->list[i];
        const Dongbo__TreeHead *opened = NULL;
        Verifier *verifier = NULL;
        if (strcmp(key->id, tree->key_id) != 0 || (*key->who && strcmp(key->who, AUDIT_EXCHANGE) != 0))
            continue;
        int r = verifier_new(&verifier, key->key);
        if (r == 0)
            r = head_open(head, verifier, audit->arena, &opened);
        verifier_destroy(&verifier);
        if (r < 0)
            return r;
        if (r > 0) {
            tell_text(audit, tree->last_position, "signature of a head", "not the key's", tree->key_id);
            return 0;
        }
        key->signatures++;
        key->of_head = true;
        *ret_signed = true;
        return 0;
    }
    return 0;
}

// fits: to what is there. What contradicts it proves nothing of it.
static void count_head(Audit *audit, uint64_t last_position, bool is_signed, bool fits) {
    audit->counts.heads++;
    audit->counts.signed_heads += is_signed;
    if (is_signed && fits && last_position > audit->state.proven_position)
        audit->state.proven_position = last_position;
}

// What the exchange signed of its log when it was so long is what the log is. Whether it is.
static bool check_tree(Audit *audit, uint64_t position, const uint8_t *signed_root, const uint8_t *signed_hash) {
    uint8_t root[HASH_BYTES];
    bool root_was_off = audit->root_off || audit->frontier_off, hash_was_off = audit->hash_off;
    frontier_root(audit->merkle, &audit->frontier, root);
    audit->root_off = memcmp(signed_root, root, HASH_BYTES) != 0;
    audit->hash_off = memcmp(signed_hash, audit->state.hash, HASH_BYTES) != 0;
    if (audit->root_off)
        tell_hashes(audit, (AuditFinding){position, "root, as a head was signed", .follows = root_was_off}, root,
                    signed_root);
    if (audit->hash_off)
        tell_hashes(audit, (AuditFinding){position, "hash, as a head was signed", .follows = hash_was_off},
                    audit->state.hash, signed_hash);
    if (position != audit->state.last_position)
        tell_number(audit, audit->state.last_position, "last position, as a head was signed",
                    audit->state.last_position, position);
    return !audit->root_off && !audit->hash_off && position == audit->state.last_position;
}

static void check_head_chain(Audit *audit, const Dongbo__SignedHead *head, const Dongbo__TreeHead *tree) {
    bool goes_on = tree->number == audit->head_number + 1;
    if (audit->head_number != 0 && !goes_on)
        tell_number(audit, tree->last_position, "number of a head", tree->number, audit->head_number + 1);
    if (audit->head_number != 0 && goes_on &&
        (tree->previous.len != HASH_BYTES || memcmp(tree->previous.data, audit->head_hash, HASH_BYTES) != 0))
        tell_text(audit, tree->last_position, "head", "follows from another one", "follows from the one before it");
    audit->head_number = tree->number;
    head_hash(audit->merkle, head->head, audit->head_hash);
}

// A file begins with the heads of what comes before it, which the file before it may have, too.
static bool is_had(const Audit *audit, const Dongbo__TreeHead *tree) {
    return audit->file_segments == 0 && audit->head_number != 0 && tree->number <= audit->head_number;
}

static void check_had(Audit *audit, const Dongbo__SignedHead *head, const Dongbo__TreeHead *tree) {
    uint8_t hash[HASH_BYTES];
    head_hash(audit->merkle, head->head, hash);
    if (tree->number == audit->head_number && memcmp(hash, audit->head_hash, HASH_BYTES) != 0)
        tell_text(audit, tree->last_position, "head", "another one of the same number", "the one of the file before");
}

static int link_head(Audit *audit, const LogfileRecord *record) {
    Dongbo__SignedHead *head = NULL;
    const Dongbo__TreeHead *tree = NULL;
    int r = read_head(audit, record->body, record->n, &head, &tree);
    if (r != 0)
        return r;
    bool fits = false;
    if (tree->size != audit->state.leaf_index)
        tell_number(audit, tree->last_position, "size of a head", tree->size, audit->state.leaf_index);
    else
        fits = check_tree(audit, tree->last_position, tree->root.data, tree->segment_hash.data);
    if (is_had(audit, tree)) {
        check_had(audit, head, tree);
        return 0;
    }
    check_head_chain(audit, head, tree);
    bool is_signed = false;
    r = check_head_signature(audit, head, tree, &is_signed);
    count_head(audit, tree->last_position, is_signed, fits);
    return r;
}

int audit_expect(Audit *audit, const uint8_t *data, size_t n) {
    Dongbo__SignedHead *head = NULL;
    const Dongbo__TreeHead *tree = NULL;
    bool is_signed = false;
    int r = read_head(audit, data, n, &head, &tree);
    if (r == 0)
        r = check_head_signature(audit, head, tree, &is_signed);
    if (r == 0 && audit_expected_add(&audit->expected, tree, is_signed) == 1)
        return error_fail(ERROR_CONFIG, "more than %zu heads: give some of them at a time", AUDIT_EXPECTED_MAX);
    return r;
}

// Those of the length that the log has now.
static void check_expected(Audit *audit) {
    const AuditHead *head;
    while ((head = audit_expected_next(&audit->expected, audit->state.leaf_index)) != NULL) {
        bool fits = check_tree(audit, head->last_position, head->root, head->segment_hash);
        count_head(audit, head->last_position, head->is_signed, fits);
    }
}

static int link_record(Audit *audit, const LogfileRecord *record) {
    if (audit->stage == STAGE_BEGIN || audit->stage == STAGE_END)
        return audit->stage == STAGE_BEGIN && record->type == LOGFILE_BEGIN
                   ? begin_file(audit, record)
                   : malformed("a record before its first, or behind its last");
    bool notes = audit->stage == STAGE_NOTES;
    switch (record->type) {
    case LOGFILE_AGENCY:
        return notes ? note_agency(audit, record) : malformed("the record of an agency among segments");
    case LOGFILE_EPOCH:
        return notes ? note_epoch(audit, record) : malformed("the record of an epoch among segments");
    case LOGFILE_TRIM:
        return notes ? note_trim(audit, record) : malformed("the record of a trim among segments");
    case LOGFILE_ERASURE:
        return notes ? note_erasure(audit, record) : malformed("the record of an erasure among segments");
    case LOGFILE_HEAD:
        return notes && audit->state.leaf_index == 0 ? malformed("a signed head before the first segment")
                                                     : link_head(audit, record);
    case LOGFILE_END:
        return finish_file(audit, record);
    default:
        return malformed("a record of a type that this program does not know: take a newer one");
    }
}

// ---- segments -----------------------------------------------------------------------------------------------------

static void check_place(Audit *audit, const AuditSegment *segment) {
    uint64_t first = segment->first_position;
    if (first != audit->state.last_position + 1)
        tell_number(audit, first, "position", first, audit->state.last_position + 1);
    if (segment->leaf_index != audit->state.leaf_index)
        tell_number(audit, first, "number in the tree", segment->leaf_index, audit->state.leaf_index);
    if (segment->stored_at_us < audit->stored_at_us)
        tell_text(audit, first, "time", "before the segment's before it", "at it or later");
    if (segment->population_position < audit->population_position)
        tell_text(audit, first, "population position", "before the segment's before it", "at it or later");
    if (segment->format < audit->format) // it binds less: what is shown of such a segment could be changed
        tell_number(audit, first, "format", (uint64_t)segment->format, (uint64_t)audit->format);
}

static void check_epoch(Audit *audit, const AuditSegment *segment) {
    uint64_t first = segment->first_position;
    bool begins = segment->epoch != audit->epoch;
    if (begins && audit->epoch != 0 && segment->epoch < audit->epoch)
        tell_number(audit, first, "epoch", segment->epoch, audit->epoch);
    else if (begins && audit->epoch != 0 && segment->kind != DONGBO__ENTRY_KIND__ENTRY_EPOCH)
        tell_text(audit, first, "epoch", "another one, of which no entry tells", "begun by an entry of its own");
    const AuditEpoch *start = begins && (audit->epoch != 0 || audit->state.leaf_index == 0)
                                  ? audit_notes_begun(&audit->notes, segment->epoch)
                                  : NULL;
    if (start && start->position != first)
        tell_number(audit, first, "first position of the epoch", first, start->position);
}

static void check_chain(Audit *audit, const AuditSegment *segment) {
    uint8_t link[1 + 2 * HASH_BYTES] = {0x02}, hash[HASH_BYTES];
    memcpy(link + 1, audit->state.hash, HASH_BYTES);
    memcpy(link + 1 + HASH_BYTES, segment->leaf, HASH_BYTES);
    merkle_sha256(audit->merkle, link, sizeof link, hash);
    if (memcmp(hash, segment->hash, HASH_BYTES) != 0)
        tell_hash(audit, segment->first_position, "hash", segment->hash, hash);
    frontier_add(audit->merkle, &audit->frontier, segment->leaf);
    size_t n = frontier_bytes(&audit->frontier);
    bool was_off = audit->frontier_off;
    audit->frontier_off = segment->frontier_n != n || memcmp(segment->frontier, audit->frontier.nodes, n) != 0;
    if (audit->frontier_off)
        tell(audit, &(AuditFinding){segment->first_position, "frontier", "not that of the tree over all leaves",
                                    "as the leaves have it", was_off});
}

static void note_unchecked(Audit *audit, const AuditSegment *segment) {
    size_t i = 0;
    audit->counts.unchecked_batches++;
    while (i < audit->n_unchecked && strcmp(audit->unchecked[i].key_id, segment->key_id) != 0)
        i++;
    if (i == UNCHECKED_MAX)
        return;
    AuditUnchecked *unchecked = &audit->unchecked[i];
    if (i == audit->n_unchecked) {
        const char *code = audit_notes_code(&audit->notes, segment->agency);
        audit->n_unchecked++;
        memcpy(unchecked->key_id, segment->key_id, sizeof unchecked->key_id);
        if (code)
            snprintf(unchecked->agency, sizeof unchecked->agency, "%s", code);
        else
            snprintf(unchecked->agency, sizeof unchecked->agency, "%" PRIu32, segment->agency);
    }
    unchecked->batches++;
}

static void check_signer(Audit *audit, const AuditSegment *segment) {
    if (segment->signature == AUDIT_NO_KEY)
        note_unchecked(audit, segment);
    if (segment->signature != AUDIT_SIGNED)
        return;
    AuditKey *key = &audit->keys->list[segment->key];
    const char *code = audit_notes_code(&audit->notes, segment->agency);
    key->signatures++;
    key->of_batch = key->of_batch ? key->of_batch : segment->first_position;
    audit->counts.signed_batches++;
    if (*key->who && (!code || strcmp(key->who, code) != 0))
        tell_text(audit, segment->first_position, "agency", code ? code : "one that the file does not name", key->who);
}

// What is missing must have been let go by somebody who said so, in the log; where the log goes on far enough.
static void check_kept(Audit *audit, const AuditSegment *segment) {
    if (segment->trims > audit->trim_logged)
        audit->trim_logged = segment->trims;
    AuditFinding finding;
    if (!audit_lacks(segment, &finding) || !audit->state.payloads)
        return;
    if (segment->last_position <= audit->notes.trim) {
        audit->counts.trimmed++;
        audit->missing_to = segment->last_position;
    } else {
        tell(audit, &finding);
    }
}

// ---- what was erased ----------------------------------------------------------------------------------------------

static void note_tombstone(Audit *audit, const AuditMark *mark) {
    AuditGone *gone = audit_gone_find(&audit->gone, mark->erased);
    audit->counts.tombstones++;
    if (gone && memcmp(gone->leaf, mark->leaf, HASH_BYTES) != 0)
        tell_hash(audit, mark->position, "leaf of the tombstone", mark->leaf, gone->leaf);
    if (gone)
        gone->tombstone = mark->position;
    if (audit->n_tombstones < TOMBSTONES_MAX)
        audit->tombstones[audit->n_tombstones++] = *mark;
}

static int link_marks(Audit *audit, const AuditFrame *frame) {
    int r = 0;
    audit_gone_sort(frame->marks, frame->n_marks);
    for (size_t i = 0; r >= 0 && i < frame->n_marks; i++) {
        if (frame->marks[i].is_tombstone) {
            note_tombstone(audit, &frame->marks[i]);
            continue;
        }
        r = audit_gone_add(&audit->gone, &frame->marks[i]);
        audit->counts.erased += r == 0;
    }
    return r < 0 ? r : 0;
}

// What is gone, and no entry in these files says so.
static void count_word(Audit *audit, const AuditFinding *missing, AuditWord word, uint64_t logged) {
    AuditFinding beyond = {.position = missing->position, .what = "place of the entry that says it was let go"};
    audit->counts.later += word == AUDIT_WORD_LATER;
    audit->counts.not_logged += word == AUDIT_WORD_NOWHERE;
    if (word == AUDIT_WORD_MISSING)
        tell(audit, missing);
    if (word != AUDIT_WORD_BEYOND)
        return;
    snprintf(beyond.is, sizeof beyond.is, "%" PRIu64, logged);
    snprintf(beyond.should, sizeof beyond.should, "at most %" PRIu64 ", where the log ended", audit->notes.log_end);
    tell(audit, &beyond);
}

// A tombstone comes behind what it is of: only in the end is it known which is missing.
static void check_tombstones(Audit *audit) {
    for (size_t i = 0; i < audit->gone.n; i++) {
        const AuditGone *gone = &audit->gone.list[i];
        if (gone->tombstone != 0)
            continue;
        const AuditErasure *said = audit_notes_erased(&audit->notes, gone->position);
        AuditFinding missing = audit_lacks_tombstone(gone->position);
        count_word(audit, &missing, audit_notes_tombstone(&audit->notes, said, audit->state.last_position),
                   said ? said->logged : 0);
    }
}

// The entry that says so comes behind what was let go.
static void check_trims(Audit *audit) {
    const AuditNotes *notes = &audit->notes;
    AuditWord word = audit_notes_trimmed(notes, audit->state.last_position);
    AuditFinding missing = {.position = word == AUDIT_WORD_MISSING ? notes->trim_logged : audit->missing_to,
                            .what = AUDIT_TRIM_SAID};
    if (audit->missing_to <= audit->trim_logged)
        return;
    snprintf(missing.is, sizeof missing.is, "%" PRIu64, audit->trim_logged);
    snprintf(missing.should, sizeof missing.should, "%" PRIu64, notes->trim);
    audit->counts.trim_not_logged = word == AUDIT_WORD_NOWHERE ? notes->trim : 0;
    count_word(audit, &missing, word, notes->trim_logged);
}

static void link_segment(Audit *audit, const AuditSegment *segment) {
    AuditState *state = &audit->state;
    check_place(audit, segment);
    check_epoch(audit, segment);
    check_chain(audit, segment);
    for (int i = 0; i < segment->findings.n; i++)
        tell(audit, &segment->findings.list[i]);
    check_signer(audit, segment);
    check_kept(audit, segment);
    audit->epoch = segment->epoch;
    audit->format = segment->format;
    audit->stored_at_us = segment->stored_at_us;
    audit->population_position = segment->population_position;
    state->last_position = segment->last_position;
    state->leaf_index = segment->leaf_index + 1;
    memcpy(state->hash, segment->hash, HASH_BYTES);
    Frontier frontier; // where it broke, what stands there is gone on from
    if (audit->frontier.n != state->leaf_index &&
        frontier_read(&frontier, state->leaf_index, segment->frontier, segment->frontier_n) == 0)
        audit->frontier = frontier;
    audit->counts.segments++;
    audit->file_segments++;
    audit->counts.entries += segment->last_position - segment->first_position + 1;
    audit->counts.batches += segment->signature != AUDIT_NO_BATCH;
    audit->counts.payloads += segment->has_payload;
}

static int check_stream(Audit *audit, const AuditSegment *segment) {
    const AuditRange range = {segment->stream, segment->first_sequence, segment->last_sequence};
    uint64_t should = 0;
    for (size_t i = 0; i < segment->n_receipts; i++)
        audit->receipts->list[segment->first_receipt + i].found = true;
    if (segment->stream == NULL)
        return 0;
    int r = audit_streams_take(audit->streams, &range, !audit->state.from_middle, &should);
    if (r == 1)
        tell_number(audit, segment->first_position, "first sequence in its stream", range.first, should);
    audit->counts.unfollowed += r == 2;
    return r < 0 ? r : 0;
}

void audit_receipts(Audit *audit, AuditReceipts *receipts) {
    audit->receipts = receipts;
}

// One whose batch is not there, although its place is.
static void check_receipts(Audit *audit) {
    for (size_t i = 0; audit->receipts != NULL && i < audit->receipts->n; i++) {
        const AuditReceipt *receipt = &audit->receipts->list[i];
        const Dongbo__ReceiptBody *body = receipt->body;
        bool shown = !body->duplicate && body->first_position >= audit->state.first_position &&
                     body->last_position <= audit->state.last_position;
        audit->counts.receipts += receipt->found;
        audit->counts.unmatched_receipts += !receipt->found && !shown;
        if (!receipt->found && shown)
            tell_text(audit, body->first_position, "batch of a receipt", "not in the log", receipt->path);
    }
}

int audit_link(Audit *audit, const AuditFrame *frame) {
    size_t n = 0;
    for (size_t i = 0; i < frame->n_items; i++) {
        const AuditItem *item = &frame->items[i];
        if (!item->is_segment) {
            int r = link_record(audit, &item->record);
            if (r != 0)
                return r;
            continue;
        }
        if (audit->stage != STAGE_NOTES && audit->stage != STAGE_SEGMENTS)
            return malformed("a segment before its first record, or behind its last");
        audit->stage = STAGE_SEGMENTS;
        link_segment(audit, &frame->segments[n++]);
        if (audit->expected.n > 0)
            check_expected(audit);
        int r = check_stream(audit, &frame->segments[n - 1]);
        if (r < 0)
            return r;
    }
    return link_marks(audit, frame);
}

int audit_end(Audit *audit) {
    if (audit->stage != STAGE_END)
        return malformed("the file was cut: its last record is not there");
    audit->stage = STAGE_BEGIN;
    return 0;
}

// It was given for heads, which whoever has it makes: by it, what is said of an agency is the exchange's own word.
static void check_keys(Audit *audit) {
    for (int i = 0; i < audit->keys->n; i++) {
        const AuditKey *key = &audit->keys->list[i];
        if (key->of_head && key->of_batch)
            tell_text(audit, key->of_batch, "key of a batch", "the one that signs heads", "an agency's");
    }
}

int audit_finish(Audit *audit) {
    audit->counts.unmatched_heads = audit_expected_unmatched(&audit->expected);
    audit->counts.later_heads = audit_expected_later(&audit->expected);
    audit->counts.streams = audit_streams_count(audit->streams);
    check_tombstones(audit);
    check_trims(audit);
    check_receipts(audit);
    check_keys(audit);
    return 0;
}

// ---- what came of it ----------------------------------------------------------------------------------------------

const AuditCounts *audit_counts(const Audit *audit) {
    return &audit->counts;
}

AuditState audit_state(const Audit *audit) {
    AuditState state = audit->state;
    state.log_end = audit_notes_log_end(&audit->notes);
    frontier_root(audit->merkle, &audit->frontier, state.root);
    return state;
}

const AuditUnchecked *audit_unchecked(const Audit *audit, size_t i) {
    return i < audit->n_unchecked ? &audit->unchecked[i] : NULL;
}

const AuditMark *audit_tombstone(const Audit *audit, size_t i) {
    return i < audit->n_tombstones ? &audit->tombstones[i] : NULL;
}
