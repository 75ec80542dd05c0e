// SPDX-License-Identifier: Apache-2.0
//
// `dongbo log verify`: exported files against themselves and against keys, without a database. Says where the chain
// breaks, what was not checked and why, and what was let go on purpose.
#include "operators/commands.h"
#include "operators/key_given.h"
#include "operators/log_audit.h"
#include "operators/log_expect.h"
#include "proto/base/error.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BREAKS_SHOWN 100
#define FOLLOWING_SHOWN 3 // of those that follow from another

static const char NOTES[] =
    "FILEs are parts of one log, made by dongbo log export, in their order. Keys are public key files (FILE.pub), of\n"
    "agencies, of the exchange and of witnesses; MOH=FILE.pub holds only for batches of that agency, exchange=FILE.pub\n"
    "for heads and receipts. What no key was given for is counted, not believed. A receipt is what an agency's spool\n"
    "keeps (SELECT receipt FROM receipt, by sqlite3's writefile()), or the Receipt as it came.\n"
    "They must not overlap: dongbo log export says where the next one is to begin. FILE.pub with = in its name is given\n"
    "as ./FILE.pub.\n"
    "Exit code 0: whole, as far as the files go. 1: broken, at the positions that are named. 2: a file could not be read\n"
    "to its end; up to where all before that is good, and from where nothing was read, is told (good_position and\n"
    "unread_from in --json). Or content is gone of which no entry of the log tells yet (let_go_not_logged): export again\n"
    "once a broker has logged it. A part of a log is whole, too, and so is one of which nothing is signed by a key that\n"
    "was given. A script reads in --json how far heads prove it (proven_position, of last_position; 0: nowhere), whether\n"
    "heads that were given are of a longer log (end_missing), where the log ended when it was exported\n"
    "(log_last_position; 0: a file does not say), and whether entries that say what was trimmed or erased are not in\n"
    "these files (let_go_unproven: how many; behind their end, or in no log yet).\n";

typedef struct Verifying {
    OptionList keys_given, heads_given, witnesses_given, receipts_given;
    LogExpected expected;
    AuditReceipts receipts;
    AuditKeys keys;
    Audit *audit;
    LogAudit *log;
    bool json;
    json_t *breaks;
    uint64_t n_breaks, n_following, n_shown; // n_shown: in text
    uint64_t first_break;                    // the lowest position of one
    char *unread;                            // why a file could not be read
} Verifying;

static void verifying_free(Verifying *verifying) {
    log_audit_destroy(&verifying->log);
    audit_receipts_free(&verifying->receipts);
    audit_destroy(&verifying->audit);
    json_decref(verifying->breaks);
    free(verifying->unread);
}

// ---- what is found ------------------------------------------------------------------------------------------------

static void tell(void *to, const AuditFinding *finding) {
    Verifying *verifying = to;
    if (verifying->n_breaks++ == 0 || finding->position < verifying->first_break)
        verifying->first_break = finding->position;
    verifying->n_following += finding->follows;
    if (verifying->json) {
        if (verifying->n_breaks <= BREAKS_SHOWN)
            json_array_append_new(verifying->breaks,
                                  json_pack("{s:I, s:s, s:s, s:s, s:b}", "position", (json_int_t)finding->position,
                                            "what", finding->what, "is", finding->is, "should", finding->should,
                                            "follows", finding->follows));
        return;
    }
    if ((finding->follows && verifying->n_following > FOLLOWING_SHOWN) || verifying->n_shown == BREAKS_SHOWN)
        return;
    verifying->n_shown++;
    progress_end();
    printf("broken at position %" PRIu64 ": %s\n", finding->position, finding->what);
    printf("    is      %s\n    should  %s\n", *finding->is ? finding->is : "-",
           *finding->should ? finding->should : "-");
}

// ---- keys ---------------------------------------------------------------------------------------------------------

static int add_key(Verifying *verifying, const char *given) {
    AuditKeys *keys = &verifying->keys;
    KeyGiven read;
    if (keys->n == AUDIT_KEYS_MAX)
        return error_fail(ERROR_CONFIG, "more than %d keys", AUDIT_KEYS_MAX);
    int r = key_given_read(given, &read);
    if (r < 0)
        return r;
    AuditKey *key = &keys->list[keys->n++];
    *key = (AuditKey){.path = read.path};
    memcpy(key->key, read.key, KEY_BYTES);
    memcpy(key->who, read.who, sizeof key->who);
    keys_id(key->key, key->id);
    return 0;
}

static bool is_key_file(const char *path) {
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".pub") == 0;
}

// Of `--keys A.pub B.pub` the second one is an operand.
static int read_keys(Verifying *verifying, int argc, char **argv, int operand) {
    int r = 0;
    for (int i = 0; r == 0 && i < verifying->keys_given.n; i++)
        r = add_key(verifying, verifying->keys_given.items[i]);
    for (int i = operand; r == 0 && i < argc; i++)
        r = is_key_file(argv[i]) ? add_key(verifying, argv[i]) : 0;
    return r;
}

// ---- the answer ---------------------------------------------------------------------------------------------------

static void print_expected(const Verifying *verifying) {
    const AuditCounts *counts = audit_counts(verifying->audit);
    const LogExpected *expected = &verifying->expected;
    printf("%" PRIu64 " streams, held together batch by batch\n", counts->streams);
    if (counts->unfollowed)
        printf("%" PRIu64 " batches of further streams were not: there are too many\n", counts->unfollowed);
    if (expected->cosigned)
        printf("%" PRIu64 " heads co-signed by witnesses: %" PRIu64 " good, %" PRIu64 " not checked, %" PRIu64
               " NOT GOOD\n",
               expected->cosigned, expected->good, expected->unchecked, expected->bad);
    if (verifying->receipts.n)
        printf("%" PRIu64 " receipts of batches that are there, %" PRIu64 " of what these files do not show\n",
               counts->receipts, counts->unmatched_receipts);
}

// A changed row is off in the tree of each segment behind it: many lines would say one thing.
static void print_not_shown(const Verifying *verifying) {
    uint64_t more = verifying->n_breaks - verifying->n_shown;
    uint64_t following = verifying->n_following > FOLLOWING_SHOWN ? verifying->n_following - FOLLOWING_SHOWN : 0;
    following = following < more ? following : more;
    if (following > 0)
        printf("and %" PRIu64 " more behind it follow from it\n", following);
    if (more > following)
        printf("and %" PRIu64 " more\n", more - following);
}

// Before what could not be read, and before the first break.
static uint64_t good_position(const Verifying *verifying) {
    uint64_t last = audit_state(verifying->audit).last_position, first = verifying->first_break;
    return verifying->n_breaks == 0 || first > last ? last : first > 0 ? first - 1 : 0;
}

static void print_unread(const Verifying *verifying) {
    AuditState state = audit_state(verifying->audit);
    printf("could not be read: %s\n", verifying->unread);
    if (state.first_position == 0)
        printf("nothing was read\n");
    else
        printf("good up to position %" PRIu64 "; unread from position %" PRIu64 "\n", good_position(verifying),
               state.last_position + 1);
}

// A file could not be read, or content is gone of which no entry tells. Both may be well the next time.
static bool is_open(const Verifying *verifying) {
    return verifying->unread != NULL || audit_counts(verifying->audit)->not_logged > 0;
}

static void print_let_go(const AuditCounts *counts) {
    uint64_t erased = counts->not_logged - (counts->trim_not_logged > 0);
    if (counts->later)
        printf("%" PRIu64
               " entries that say what was let go stand behind these files: verify with them the log's rest\n",
               counts->later);
    if (counts->trim_not_logged)
        printf("the log was trimmed up to position %" PRIu64 ", and NO ENTRY SAYS SO YET: once a broker has logged it, "
               "export again\n",
               counts->trim_not_logged);
    if (erased)
        printf("%" PRIu64 " entries were erased, and NO ENTRY SAYS SO YET: export the log again\n", erased);
}

static void print_text(const Verifying *verifying) {
    const AuditCounts *counts = audit_counts(verifying->audit);
    AuditState state = audit_state(verifying->audit);
    char hash[2 * HASH_BYTES + 1], root[2 * HASH_BYTES + 1];
    hex_encode(state.hash, HASH_BYTES, hash);
    hex_encode(state.root, HASH_BYTES, root);
    print_not_shown(verifying);
    printf("%" PRIu64 " entries in %" PRIu64 " segments, positions %" PRIu64 " to %" PRIu64 "%s\n", counts->entries,
           counts->segments, state.first_position, state.last_position,
           state.from_middle ? "; what is before them was not seen" : "");
    printf("hash  %s\nroot  %s  over %" PRIu64 " segments\n", hash, root, state.leaf_index);
    printf("%" PRIu64 " batches with a signature: %" PRIu64 " good, %" PRIu64 " not checked\n", counts->batches,
           counts->signed_batches, counts->unchecked_batches);
    printf("%" PRIu64 " heads signed by the exchange: %" PRIu64 " good, %" PRIu64 " not checked", counts->heads,
           counts->signed_heads, counts->heads - counts->signed_heads);
    if (state.proven_position)
        printf("; proven up to position %" PRIu64 " of %" PRIu64 "\n", state.proven_position, state.last_position);
    else
        printf("; whoever has the database could have chained all of it anew\n");
    if (counts->unmatched_heads)
        printf("%" PRIu64 " heads from elsewhere are of a log of another length\n", counts->unmatched_heads);
    if (counts->later_heads)
        printf("THE END IS MISSING: %" PRIu64 " of them are of a longer log than these files show\n",
               counts->later_heads);
    print_expected(verifying);
    const AuditUnchecked *unchecked;
    for (size_t i = 0; (unchecked = audit_unchecked(verifying->audit, i)); i++)
        printf("    no key %s was given: %" PRIu64 " batches of %s\n", unchecked->key_id, unchecked->batches,
               unchecked->agency);
    if (!state.payloads)
        printf("exported without payloads: events, records and masked numbers were not held against their hashes\n");
    if (counts->trimmed)
        printf("%" PRIu64 " segments without payload, as the log was trimmed\n", counts->trimmed);
    if (counts->erased || counts->tombstones)
        printf("%" PRIu64 " entries erased, %" PRIu64 " tombstones\n", counts->erased, counts->tombstones);
    const AuditMark *tombstone;
    for (size_t i = 0; (tombstone = audit_tombstone(verifying->audit, i)); i++)
        printf("    position %" PRIu64 ", as position %" PRIu64 " says: %s (%s)\n", tombstone->erased,
               tombstone->position, tombstone->order, tombstone->by);
    print_let_go(counts);
    if (verifying->unread)
        print_unread(verifying);
    printf(verifying->n_breaks   ? "BROKEN\n"
           : is_open(verifying)  ? "NOT VERIFIED\n"
           : counts->later_heads ? "whole as far as it goes, WITHOUT ITS END\n"
           : counts->later       ? "whole as far as it goes, WITHOUT ENTRIES that say what was let go\n"
                                 : "whole\n");
}

static json_t *unchecked_json(const Verifying *verifying) {
    json_t *list = json_array();
    const AuditUnchecked *unchecked;
    for (size_t i = 0; (unchecked = audit_unchecked(verifying->audit, i)); i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "key_id", unchecked->key_id, "agency",
                                              unchecked->agency, "batches", (json_int_t)unchecked->batches));
    return list;
}

static json_t *erased_json(const Verifying *verifying) {
    json_t *list = json_array();
    const AuditMark *tombstone;
    for (size_t i = 0; (tombstone = audit_tombstone(verifying->audit, i)); i++)
        json_array_append_new(list, json_pack("{s:I, s:I, s:s, s:s}", "position", (json_int_t)tombstone->erased,
                                              "tombstone", (json_int_t)tombstone->position, "order", tombstone->order,
                                              "by", tombstone->by));
    return list;
}

static void print_json(const Verifying *verifying) {
    const AuditCounts *counts = audit_counts(verifying->audit);
    AuditState state = audit_state(verifying->audit);
    char hash[2 * HASH_BYTES + 1], root[2 * HASH_BYTES + 1];
    hex_encode(state.hash, HASH_BYTES, hash);
    hex_encode(state.root, HASH_BYTES, root);
    bool whole = verifying->n_breaks == 0 && !is_open(verifying);
    json_t *object = json_pack("{s:b, s:I, s:I, s:I, s:I, s:b, s:s, s:s, s:I, s:b}", "whole", whole, "entries",
                               (json_int_t)counts->entries, "segments", (json_int_t)counts->segments, "first_position",
                               (json_int_t)state.first_position, "last_position", (json_int_t)state.last_position,
                               "from_middle", state.from_middle, "hash", hash, "root", root, "tree_size",
                               (json_int_t)state.leaf_index, "payloads", state.payloads);
    json_object_set_new(object, "batches", json_integer((json_int_t)counts->batches));
    json_object_set_new(object, "signatures_good", json_integer((json_int_t)counts->signed_batches));
    json_object_set_new(object, "signatures_not_checked", unchecked_json(verifying));
    json_object_set_new(object, "heads", json_integer((json_int_t)counts->heads));
    json_object_set_new(object, "heads_good", json_integer((json_int_t)counts->signed_heads));
    json_object_set_new(object, "heads_of_another_length", json_integer((json_int_t)counts->unmatched_heads));
    json_object_set_new(object, "heads_of_a_longer_log", json_integer((json_int_t)counts->later_heads));
    json_object_set_new(object, "heads_cosigned", json_integer((json_int_t)verifying->expected.cosigned));
    json_object_set_new(object, "cosigned_good", json_integer((json_int_t)verifying->expected.good));
    json_object_set_new(object, "cosigned_bad", json_integer((json_int_t)verifying->expected.bad));
    json_object_set_new(object, "streams", json_integer((json_int_t)counts->streams));
    json_object_set_new(object, "receipts", json_integer((json_int_t)counts->receipts));
    json_object_set_new(object, "receipts_not_shown", json_integer((json_int_t)counts->unmatched_receipts));
    json_object_set_new(object, "end_missing", json_boolean(counts->later_heads > 0));
    json_object_set_new(object, "proven_position", json_integer((json_int_t)state.proven_position));
    json_object_set_new(object, "segments_trimmed", json_integer((json_int_t)counts->trimmed));
    json_object_set_new(object, "entries_erased", json_integer((json_int_t)counts->erased));
    json_object_set_new(object, "let_go_unproven", json_integer((json_int_t)(counts->later + counts->not_logged)));
    json_object_set_new(object, "let_go_not_logged", json_integer((json_int_t)counts->not_logged));
    json_object_set_new(object, "log_last_position", json_integer((json_int_t)state.log_end));
    json_object_set_new(object, "erased", erased_json(verifying));
    json_object_set_new(object, "breaks_found", json_integer((json_int_t)verifying->n_breaks));
    json_object_set_new(object, "breaks_following", json_integer((json_int_t)verifying->n_following));
    json_object_set(object, "breaks", verifying->breaks);
    json_object_set_new(object, "unread", verifying->unread ? json_string(verifying->unread) : json_null());
    json_object_set_new(object, "unread_from",
                        verifying->unread && state.first_position ? json_integer((json_int_t)state.last_position + 1)
                                                                  : json_null());
    json_object_set_new(object, "good_position", json_integer((json_int_t)good_position(verifying)));
    json_dumpf(object, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(object);
}

// ---- the command --------------------------------------------------------------------------------------------------

// What cannot be read leaves what comes behind it without a place to begin from.
static int verify_files(Verifying *verifying, int argc, char **argv, int operand) {
    int n = 0, r = 0;
    for (int i = operand; r == 0 && i < argc; i++) {
        if (is_key_file(argv[i]))
            continue;
        r = log_audit_file(verifying->log, argv[i]);
        n++;
    }
    if (n == 0)
        return error_fail(ERROR_CONFIG, "log verify needs an export to look at");
    if (r > 0) {
        verifying->unread = strdup(error_text());
        r = verifying->unread ? 0 : error_fail(ERROR_MEMORY, "no memory for an error");
    }
    return r < 0 ? r : audit_finish(verifying->audit);
}

static int read_expected(Verifying *verifying) {
    const AuditKeys *keys = &verifying->keys;
    LogExpected *expected = &verifying->expected;
    int r = log_expect_heads(verifying->audit, keys, &verifying->heads_given, false, expected);
    if (r == 0)
        r = log_expect_heads(verifying->audit, keys, &verifying->witnesses_given, true, expected);
    return r < 0 ? r : log_expect_receipts(&verifying->receipts, keys, &verifying->receipts_given);
}

// Whoever changed one wants the log to look another; what it is signed for is held against it all the same.
static void tell_cosignatures(Verifying *verifying) {
    AuditFinding finding = {.what = "co-signatures of a witness", .should = "the key's"};
    snprintf(finding.is, sizeof finding.is, "%" PRIu64 " not the key's", verifying->expected.bad);
    if (verifying->expected.bad > 0)
        tell(verifying, &finding);
}

int log_verify_run(Desk *desk, int argc, char **argv) {
    CLEANUP(verifying_free) Verifying verifying = {0};
    long long threads = 0;
    int operand = 0;
    const Option options[] = {
        {"keys", 0, OPTION_LIST, "[WHO=]FILE.pub", "a public key that signatures may be by; again for others",
         &verifying.keys_given},
        {"head", 0, OPTION_LIST, "FILE", "heads known from elsewhere, as dongbo log head --json printed them",
         &verifying.heads_given},
        {"witness", 0, OPTION_LIST, "FILE", "heads that a witness co-signed (dongbo-agent witness); again for others",
         &verifying.witnesses_given},
        {"receipt", 0, OPTION_LIST, "FILE",
         "a receipt that an agency kept: its batch must be there, with its verdicts; again for others",
         &verifying.receipts_given},
        {"threads", 0, OPTION_INT, "N", "default: one for each processor", &threads},
        {"json", 0, OPTION_FLAG, NULL, "one JSON object", &verifying.json},
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (threads < 0 || threads > 64)
        return error_fail(ERROR_CONFIG, "--threads: 1 to 64");
    verifying.breaks = json_array();
    r = read_keys(&verifying, argc, argv, operand);
    if (r == 0)
        r = audit_new(&verifying.audit, &verifying.keys, tell, &verifying);
    if (r == 0)
        r = read_expected(&verifying);
    if (r == 0)
        tell_cosignatures(&verifying);
    if (r == 0)
        r = log_audit_new(&verifying.log, &(LogAuditOptions){.audit = verifying.audit,
                                                             .keys = &verifying.keys,
                                                             .receipts = &verifying.receipts,
                                                             .threads = (int)threads});
    if (r == 0)
        r = verify_files(&verifying, argc, argv, operand);
    if (r < 0)
        return r;
    if (verifying.json)
        print_json(&verifying);
    else
        print_text(&verifying);
    return verifying.n_breaks ? 1 : is_open(&verifying) ? 2 : 0;
}
