// SPDX-License-Identifier: Apache-2.0
//
// Holds an exported log against itself and against keys: what a segment says of its own content (audit_examine(), of
// each by itself, on any thread), and that segments join into one chain and one tree (audit_link(), in order). Pure:
// needs no database, trusts nothing but the keys that it is given, and shares no code with what writes segments but
// hashing. Bounded by what one frame of an export holds.
#pragma once

#include "broker/audit_receipt.h"
#include "broker/logfile.h"
#include "proto/bounds.h"
#include "proto/keys.h"
#include "proto/merkle.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- what is found ------------------------------------------------------------------------------------------------

#define AUDIT_TEXT_BYTES 96
typedef struct AuditFinding {
    uint64_t position;
    const char *what;              // constant: "hash", "event", "signature", ...
    char is[AUDIT_TEXT_BYTES];     // as it stands there
    char should[AUDIT_TEXT_BYTES]; // as it should be
    bool follows;                  // from one before it of the same kind, and so says nothing new
} AuditFinding;

#define AUDIT_FINDINGS_MAX 4 // of one segment; what more is wrong with it adds nothing
typedef struct AuditFindings {
    AuditFinding list[AUDIT_FINDINGS_MAX];
    int n;
} AuditFindings;

// ---- keys ---------------------------------------------------------------------------------------------------------

#define AUDIT_KEYS_MAX 256
#define AUDIT_EXCHANGE "exchange"
typedef struct AuditKey {
    uint8_t key[KEY_BYTES];
    char id[KEY_ID_TEXT_BYTES];
    char who[32];        // whose it is said to be: an agency's code, AUDIT_EXCHANGE; "": anybody's
    const char *path;    // where it was read
    uint64_t signatures; // that were good
    uint64_t of_batch;   // position of the first batch among these; 0: none
    bool of_head;        // one of these is a head's
} AuditKey;
typedef struct AuditKeys {
    AuditKey list[AUDIT_KEYS_MAX];
    int n;
} AuditKeys;

// ---- one segment by itself ----------------------------------------------------------------------------------------

typedef enum AuditSignature {
    AUDIT_NO_BATCH,
    AUDIT_SIGNED,
    AUDIT_NO_KEY, // none that was given has its id
    AUDIT_NOT_SIGNED
} AuditSignature;

typedef struct AuditSegment {
    uint64_t first_position, last_position, leaf_index;
    uint32_t epoch, agency;
    int kind, format;
    int64_t stored_at_us, population_position;
    uint8_t hash[HASH_BYTES], leaf[HASH_BYTES]; // as it says, and as it comes out of its content
    const uint8_t *frontier;                    // in the frame
    size_t frontier_n;
    bool has_payload, has_batch;
    bool lost_batch; // an unreadable one that went as a whole with what was erased of it
    AuditSignature signature;
    char key_id[KEY_ID_TEXT_BYTES]; // that its batch names
    int key;                        // AUDIT_SIGNED: which of the keys
    uint64_t trims;                 // an entry says that the log was trimmed up to here; 0: none does
    const uint8_t *stream;          // of a batch, in the frame; NULL: none
    uint64_t first_sequence, last_sequence;
    size_t first_receipt,
        n_receipts; // of those that are held against the log: what they say of this batch was looked at
    AuditFindings findings;
} AuditSegment;

// What an entry says, or does not say any more.
typedef struct AuditMark {
    bool is_tombstone;
    uint64_t position;                     // of the entry
    uint8_t leaf[HASH_BYTES];              // of the event that it is about; zeros for none
    uint64_t erased;                       // a tombstone: of the entry that was erased
    char by[AUDIT_TEXT_BYTES], order[256]; // ... who carried it out, and by which order
} AuditMark;

typedef struct AuditItem { // a record, or a segment with its payload and batch
    LogfileRecord record;
    bool is_segment; // the frame's next one
} AuditItem;

typedef struct AuditFrame {
    Bytes plain; // to be filled by whoever reads the file
    AuditItem *items;
    AuditSegment *segments;
    AuditMark *marks;
    size_t n_items, n_segments, n_marks, items_size, segments_size, marks_size;
} AuditFrame;
void audit_frame_free(AuditFrame *frame); // contents only

typedef struct AuditExaminer AuditExaminer; // one per thread
// keys: the caller's, who keeps them. ERROR_MEMORY, ERROR_CRYPTO.
int audit_examiner_new(AuditExaminer **ret, const AuditKeys *keys);
// Receipts that the log is to keep to, sorted; the caller's, who changes nothing in them meanwhile.
void audit_examiner_receipts(AuditExaminer *examiner, const AuditReceipts *receipts);
void audit_examiner_destroy(AuditExaminer **examiner);
// Finds the records of frame->plain, behind `skip` bytes, and what each segment comes to. 1 when a record is malformed,
// or of a log newer than this program: error_text() says which. ERROR_MEMORY, ERROR_CRYPTO.
int audit_examine(AuditExaminer *examiner, AuditFrame *frame, size_t skip);
// Whether its payload or batch is missing, where they were asked for. *ret: what is found unless it was let go.
bool audit_lacks(const AuditSegment *segment, AuditFinding *ret);
// What is found of an entry that was erased, unless its tombstone is.
AuditFinding audit_lacks_tombstone(uint64_t position);
// ... and of a trim, where entries do not say it.
#define AUDIT_TRIM_SAID "position up to which the log's entries say that it was trimmed"

// ---- all of them --------------------------------------------------------------------------------------------------

typedef struct AuditCounts {
    uint64_t segments, entries, batches, payloads;
    uint64_t signed_batches, unchecked_batches; // by a key that was given; by none
    uint64_t trimmed;                           // segments whose payload was let go, as was declared
    uint64_t heads, signed_heads;               // of the exchange; by a key that was given
    uint64_t unmatched_heads;                   // from elsewhere, of a length that the files do not show
    uint64_t later_heads;                       // ... of these, of a longer log: the files lack its end
    uint64_t erased, tombstones;                // entries that are, and those that say so
    uint64_t later;                             // trims and erasures whose entries stand behind the files
    uint64_t not_logged;                        // ... of which no entry tells yet
    uint64_t trim_not_logged;                   // up to where it was trimmed, where that is one of these; 0: it is none
    uint64_t streams, unfollowed;               // streams whose batches were held together; batches of further ones
    uint64_t receipts, unmatched_receipts;      // found in the log; of a part of it that the files do not show
    uint64_t broken;                            // findings
} AuditCounts;

typedef struct Audit Audit;
typedef void (*AuditTell)(void *to, const AuditFinding *finding);
int audit_new(Audit **ret, AuditKeys *keys, AuditTell tell, void *to); // ERROR_MEMORY, ERROR_CRYPTO
void audit_destroy(Audit **audit);
// A frame's items, in their order. 1 when a record is malformed or not where it may stand. ERROR_MEMORY.
int audit_link(Audit *audit, const AuditFrame *frame);
// A SignedHead that is known from elsewhere, before or between files: held against the log when that is as long. 1 when
// it is malformed; ERROR_MEMORY.
int audit_expect(Audit *audit, const uint8_t *data, size_t n);
// A file's end: 1 when it is not one, for the file was cut.
int audit_end(Audit *audit);
// Receipts that examiners were given: whether each is found is said in the end. The caller's; ->found is set in them.
void audit_receipts(Audit *audit, AuditReceipts *receipts);
// Behind the last file: what could only be held against all of them. ERROR_MEMORY.
int audit_finish(Audit *audit);

const AuditCounts *audit_counts(const Audit *audit);
typedef struct AuditState { // where it has come to
    uint64_t first_position, last_position, leaf_index;
    uint8_t hash[HASH_BYTES], root[HASH_BYTES];
    uint64_t proven_position; // up to here a head is signed by a key that was given, of what is there; 0: none
    uint64_t log_end;         // the log's last position when it was exported; 0: a file does not say
    bool payloads;            // all files were exported with them
    bool from_middle;         // what is before the first position was not seen
} AuditState;
AuditState audit_state(const Audit *audit);
// Key ids of batches that no key was given for, each with an agency that it came from and how many. The first so many
// kinds; NULL behind the last.
typedef struct AuditUnchecked {
    char key_id[KEY_ID_TEXT_BYTES];
    char agency[32]; // its code, or its number where the export does not name it
    uint64_t batches;
} AuditUnchecked;
const AuditUnchecked *audit_unchecked(const Audit *audit, size_t i);
// The first tombstones; NULL behind the last.
const AuditMark *audit_tombstone(const Audit *audit, size_t i);
