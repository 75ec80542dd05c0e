// SPDX-License-Identifier: Apache-2.0
//
// `dongbo log check`: proofs about the log, and of whose word records are, against public keys, without a database.
// What no key was given for is told, not believed.
#include "operators/answer.h"
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/key_given.h"
#include "operators/line.h"
#include "operators/log_proof.h"
#include "operators/received.h"
#include "operators/result.h"
#include "proto/domain.h"

#include <inttypes.h>
#include <string.h>

#define KEYS_MAX 256

static const char NOTES[] =
    "Keys are public key files (FILE.pub): the exchange's, and of agencies; exchange=FILE.pub holds only for heads and\n"
    "receipts, MOH=FILE.pub only for what that agency signed. A FILE may also be of JSON lines that dongbo-agent receive\n"
    "wrote with origin_proofs: then the proof of each record is checked, and that it says what its event says, where\n"
    "the proof tells that. A record without a proof, or whose proof does not tell the event, may say anything: such are\n"
    "counted, and wrong with --all, as are fields that a record has from other events than its own, or as the exchange\n"
    "made them (a code of the 63 provinces told by today's). Nothing proves that no line is missing.\n"
    "A key file with = in its name is given as ./FILE.pub.\n"
    "Exit code 0: proved. 1: not proved, or not by the keys that were given. 2: a file could not be read.\n";

static const char *signature_text(LogProofSignature signature) {
    static const char *const TEXTS[] = {[LOG_PROOF_NO_KEY] = "not checked: no such key was given",
                                        [LOG_PROOF_GOOD] = "good",
                                        [LOG_PROOF_BAD] = "NOT GOOD",
                                        [LOG_PROOF_NONE] = "none"};
    return TEXTS[signature];
}

static void print_tree(const char *which, const Dongbo__TreeHead *tree, LogProofSignature signature) {
    char at[CLOCK_TEXT_BYTES];
    clock_format_us(tree->signed_at_us, at);
    printf("%s %" PRIu64 " of %" PRIu64 " segments, signed %s\n    key ", which, tree->number, tree->size, at);
    columns_show(tree->key_id);
    printf(": %s\n", signature_text(signature));
}

static void print_agency(const LogProofCheck *check) {
    printf("signed by the agency with key ");
    columns_show(check->agency_key);
    if (*check->agency_who)
        printf(" of %s", check->agency_who);
    printf(": %s\n", signature_text(check->agency));
}

// Texts of a log that may be anybody's: what would tell a terminal something else than it says is not let through.
static void print_said(const char *what, const char *text) {
    if (!*text)
        return;
    printf("%s", what);
    columns_show(text);
    printf("\n");
}

static void print_entry(const Dongbo__EntryProof *entry, const LogProofCheck *check) {
    const Dongbo__LogSegment *segment = entry->segment;
    char at[CLOCK_TEXT_BYTES], stream[2 * STREAM_BYTES + 1] = "";
    clock_format_us(segment->stored_at_us, at);
    printf("position %" PRIu64 ": %s", entry->position, line_kind((int)entry->line->kind));
    if (entry->line->domain != 0)
        printf(", %s %s", domain_name((int)entry->line->domain), verdict_name((int)entry->line->verdict));
    printf(", stored %s\n", at);
    print_said("    ", entry->line->text);
    print_said("    by ", entry->line->decided_by);
    if (segment->stream.len == STREAM_BYTES) {
        hex_encode(segment->stream.data, STREAM_BYTES, stream);
        printf("event %" PRIu64 " of stream %s%s\n", entry->line->sequence, stream,
               check->has_content ? ", with its content" : "");
    }
    if (check->agency != LOG_PROOF_NONE)
        print_agency(check);
}

static void print_event(const Dongbo__OriginProof *proof, const LogProofCheck *check) {
    char at[CLOCK_TEXT_BYTES], stream[2 * STREAM_BYTES + 1];
    clock_format_us(check->batch->sealed_at_us, at);
    hex_encode(check->batch->stream.data, STREAM_BYTES, stream);
    printf("event %" PRIu64 " of stream %s, sealed %s%s\n", check->batch->first_sequence + proof->index, stream, at,
           check->has_content ? ", with its content" : "");
    if (proof->erased != 0)
        printf("erased, as the exchange says at position %" PRIu64 "\n", proof->erased);
    print_agency(check);
}

static void print_inclusion(const Dongbo__InclusionProof *inclusion, const LogProofCheck *check) {
    const Dongbo__BatchProof *proof = inclusion->proof;
    char at[CLOCK_TEXT_BYTES];
    clock_format_us(proof->stored_at_us, at);
    printf("events %" PRIu64 " to %" PRIu64 " of a stream at positions %" PRIu64 " to %" PRIu64 ", stored %s\n",
           proof->first_sequence, proof->last_sequence, proof->first_position, proof->last_position, at);
    if (check->has_content)
        printf("event %" PRIu64 ", with its content\n", inclusion->sequence);
    print_agency(check);
    printf("the exchange's receipt: %s\n", signature_text(check->receipt));
}

static void print_text(const char *path, const Dongbo__Proof *proof, const LogProofCheck *check) {
    printf("%s\n", path);
    if (check->wrong == NULL && proof->what_case == DONGBO__PROOF__WHAT_ENTRY)
        print_entry(proof->entry, check);
    if (check->wrong == NULL && check->batch != NULL)
        print_event(proof->event->proof, check);
    if (check->wrong == NULL && proof->what_case == DONGBO__PROOF__WHAT_INCLUSION)
        print_inclusion(proof->inclusion, check);
    if (check->older_tree != NULL)
        print_tree("signed head", check->older_tree, check->older);
    if (check->tree != NULL)
        print_tree(check->older_tree != NULL ? "is the beginning of" : "in signed head", check->tree, check->head);
    printf("%s%s\n", check->wrong == NULL ? "" : "WRONG: ",
           check->wrong != NULL       ? check->wrong
           : log_proof_is_good(check) ? "proved"
                                      : "NOT PROVED: a key is missing");
}

static int print_json(const char *path, const Dongbo__Proof *proof, const LogProofCheck *check) {
    json_t *object =
        json_pack("{s:s, s:b, s:s?, s:s, s:s, s:s, s:s}", "file", path, "proved", log_proof_is_good(check), "wrong",
                  check->wrong, "head", signature_text(check->head), "older", signature_text(check->older), "agency",
                  signature_text(check->agency), "receipt", signature_text(check->receipt));
    if (check->tree != NULL) {
        json_object_set_new(object, "number", json_integer((json_int_t)check->tree->number));
        json_object_set_new(object, "size", json_integer((json_int_t)check->tree->size));
    }
    if (proof->what_case == DONGBO__PROOF__WHAT_ENTRY)
        json_object_set_new(object, "position", json_integer((json_int_t)proof->entry->position));
    json_object_set_new(object, "agency_code", *check->agency_who ? json_string(check->agency_who) : json_null());
    json_object_set_new(object, "with_event", json_boolean(check->has_content));
    return answer_print(object, 0);
}

typedef struct Checks {
    OptionList given;
    uint8_t keys[KEYS_MAX][KEY_BYTES];
    char who[KEYS_MAX][LOG_PROOF_WHO_BYTES];
    size_t n_keys;
    bool json, all;
    Arena *arena;
} Checks;

static int add_key(Checks *checks, const char *given) {
    KeyGiven key;
    if (checks->n_keys == KEYS_MAX)
        return error_fail(ERROR_CONFIG, "more than %d keys", KEYS_MAX);
    int r = key_given_read(given, &key);
    if (r < 0)
        return r;
    memcpy(checks->who[checks->n_keys], key.who, sizeof key.who);
    memcpy(checks->keys[checks->n_keys++], key.key, KEY_BYTES);
    return 0;
}

static int read_keys(Checks *checks) {
    int r = 0;
    for (int i = 0; r == 0 && i < checks->given.n; i++)
        r = add_key(checks, checks->given.items[i]);
    return r;
}

// 1 when it proves nothing by these keys.
static int check_file(Checks *checks, const char *path) {
    const Dongbo__Proof *proof = NULL;
    LogProofCheck check;
    LogProofKeys keys = {(const uint8_t(*)[KEY_BYTES])checks->keys, checks->n_keys,
                         (const char(*)[LOG_PROOF_WHO_BYTES])checks->who};
    int r = received_check(path, &(ReceivedCheck){&keys, checks->arena, checks->json, checks->all});
    if (r != RECEIVED_NOT)
        return r;
    arena_reset(checks->arena);
    r = log_proof_read(path, checks->arena, &proof);
    if (r > 0)
        return ERROR_CONFIG;
    if (r == 0)
        r = log_proof_check(proof, &keys, checks->arena, &check);
    if (r < 0)
        return r;
    if (checks->json)
        r = print_json(path, proof, &check);
    else
        print_text(path, proof, &check);
    return r < 0 ? r : !log_proof_is_good(&check);
}

int log_check_run(Desk *desk, int argc, char **argv) {
    CLEANUP(arena_destroy) Arena *arena = NULL;
    Checks checks = {0};
    int operand = 0;
    bool unproved = false;
    const Option options[] = {
        {"keys", 0, OPTION_LIST, "[WHO=]FILE.pub", "a public key that signatures may be by; again for others",
         &checks.given},
        {"all", 0, OPTION_FLAG, NULL, "of received records: what no event proves is wrong, too", &checks.all},
        {"json", 0, OPTION_FLAG, NULL, "one JSON object a file", &checks.json},
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = arena_new(&arena, BATCH_ARENA_BYTES);
    checks.arena = arena;
    if (r == 0)
        r = read_keys(&checks);
    for (int i = operand; r >= 0 && i < argc; i++) {
        r = check_file(&checks, argv[i]);
        unproved = unproved || r > 0;
    }
    return r < 0 ? r : unproved;
}
