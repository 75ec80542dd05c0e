// SPDX-License-Identifier: Apache-2.0
//
// Asks, judges (agents/chain.h), co-signs, appends. What it does not believe is never co-signed: it stops, and a person
// decides.
#include "agents/witness.h"

#include "agents/chain.h"
#include "agents/heads_answer.h"
#include "agents/heads_file.h"
#include "agents/heads_peer.h"
#include "agents/witness_config.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"

#include <czmq.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#define BEHIND_MS 30000 // so long it may show no way on: a broker may be behind another for a moment
#define BEHIND_WAIT_MS 1000
#define TEXT_BYTES 512
#define ARENA_BYTES (1024 * 1024)

enum { DONE = 1, REFUSED, ANOTHER_LOG, SET_BACK }; // why it ends, besides errors

typedef struct Witness {
    const char *config_path;
    bool once, accept_set_back;
    long long timeout_s;
    WitnessConfig *config;
    Keys keys, exchange[2]; // its present ones, and its next
    Signer *signer;
    Chain *chain;
    HeadsFile *file;
    HeadsPeer *peer;
    Arena *arena;      // of what an answer says
    int64_t behind_ms; // since when it shows no way on; 0: it does
    char text[TEXT_BYTES];
} Witness;

static const char NOTES[] =
    "Asks the exchange for its signed heads, and for proofs that its log went on from the last one and was not written\n"
    "anew; each that holds is co-signed and appended to the configured file, which is for everybody to read. It may do\n"
    "that for any subscription's key: one that is made with `dongbo subscription add --witness` gets no record of\n"
    "anybody.\n"
    "\n"
    "`dongbo log compare` holds the files of two witnesses, and heads from elsewhere, against each other; `dongbo log\n"
    "verify --witness` holds an exported log against them.\n"
    "\n"
    "Exit codes:\n"
    "  0  asked to stop, or caught up with --once\n"
    "  1  the exchange refuses to go on, or a head is by a key that its log did not announce\n"
    "  2  the configuration is wrong, or the file of heads is damaged\n"
    "  3  no broker could be reached within --timeout, or none that signs with a key that is known here\n"
    "  4  something on this side failed\n"
    "  5  the exchange shows another log than it did: both heads stand in FILE.evidence\n"
    "  6  its history was set back, as by a restore: likewise. Its keepers say what was lost; go on with\n"
    "     --accept-set-back\n";

static int options_read(Witness *witness, int argc, char **argv) {
    const Option options[] = {
        {"config", 0, OPTION_TEXT, "FILE", "the witness's configuration (required)", &witness->config_path},
        {"once", 0, OPTION_FLAG, NULL, "exit when caught up with what there is now", &witness->once},
        {"accept-set-back", 0, OPTION_FLAG, NULL, "go on from the head of a history that was set back",
         &witness->accept_set_back},
        {"timeout", 0, OPTION_INT, "SECONDS", "exit with 3 when no broker answers for so long", &witness->timeout_s},
        {0},
    };
    const Command command = {
        .name = "witness", .summary = "follow the log's signed heads", .options = options, .notes = NOTES};
    int operand;
    int r = options_parse(&command, argc, argv, &operand);
    if (r == 0 && !witness->config_path)
        r = error_fail(ERROR_CONFIG, "witness: --config FILE is needed");
    if (r == 0 && (witness->timeout_s < 0 || witness->timeout_s > 1000000))
        r = error_fail(ERROR_CONFIG, "witness: --timeout is a number of seconds");
    return r;
}

// ---- what is kept --------------------------------------------------------------------------------------------------

// Its own word, or it is somebody else's file.
static int check_last(Witness *witness, const Cosigned *last) {
    CLEANUP(verifier_destroy) Verifier *own = NULL;
    int r = verifier_new(&own, witness->keys.sign_public);
    if (r == 0)
        r = cosigned_check(last, own);
    if (r == 0)
        r = chain_resume(witness->chain, last);
    return r <= 0 ? r
                  : error_fail(ERROR_CONFIG, "%s: its last head is not co-signed by this witness's key, or is damaged",
                               witness->config->heads);
}

static int file_open(Witness *witness) {
    int r = heads_file_open(&witness->file, witness->config->heads);
    if (r < 0)
        return r;
    if (heads_file_was_torn(witness->file))
        log_warn("%s: its last line was not whole, as after a power cut; it was taken away", witness->config->heads);
    const Cosigned *last = heads_file_last(witness->file);
    return last == NULL ? 0 : check_last(witness, last);
}

static int append(Witness *witness, const char *note) {
    CLEANUP(bytes_free) Bytes line = {0};
    const Dongbo__TreeHead *tree = NULL;
    Cosigned head = *chain_last(witness->chain, &tree);
    int r = cosigned_sign(&head, witness->signer, witness->keys.sign_public, clock_now_us(clock_system()));
    if (r < 0)
        return r;
    cosigned_write(&head, tree, note, &line);
    if (line.failed)
        return error_fail(ERROR_MEMORY, "no memory for a signed head");
    return heads_file_append(witness->file, &line);
}

static int put_evidence(Bytes *lines, const Cosigned *head, const char *note) {
    CLEANUP(arena_destroy) Arena *arena = NULL;
    const Dongbo__TreeHead *tree = NULL;
    int r = arena_new(&arena, 32 * 1024);
    if (r == 0 && head_read(head->head, head->head_n, arena, &tree) == 0)
        cosigned_write(head, tree, note, lines);
    return r;
}

// Stops with both heads kept. `result` is why.
static int stop_with(Witness *witness, const ChainJudgement *judgement, const char *what, int result) {
    CLEANUP(bytes_free) Bytes lines = {0};
    const char *path = NULL;
    int r = put_evidence(&lines, &judgement->older, what);
    if (r == 0)
        r = put_evidence(&lines, &judgement->newer, what);
    if (r == 0 && lines.failed)
        r = error_fail(ERROR_MEMORY, "no memory for evidence");
    if (r == 0)
        r = heads_file_keep_evidence(witness->file, &lines, &path);
    if (r < 0)
        log_error("the evidence could not be kept: %s", error_text());
    snprintf(witness->text, sizeof witness->text, "%s%s%s. Both heads are in %s: keep it, and show it to others who %s",
             what, judgement->why ? ": " : "", judgement->why ? judgement->why : "", path ? path : "no file",
             "receive from this exchange (dongbo log compare)");
    return result;
}

// ---- what is shown -------------------------------------------------------------------------------------------------

static int stop_no_key(Witness *witness, const ChainJudgement *judgement) {
    snprintf(
        witness->text, sizeof witness->text,
        "%s: %s, which is neither %s nor that file's .next. Have its keepers say why, and hand over the new public "
        "key file",
        judgement->why, judgement->key_id, witness->config->broker.key);
    return REFUSED;
}

static int go_behind(Witness *witness, const ChainJudgement *judgement) {
    int64_t now = clock_monotonic_ms(clock_system());
    if (witness->behind_ms == 0)
        witness->behind_ms = now;
    if (now - witness->behind_ms < BEHIND_MS)
        return 0;
    return stop_with(witness, judgement, "the exchange does not go on from a head that it had signed", ANOTHER_LOG);
}

static int go_on(Witness *witness, const ChainJudgement *judgement) {
    switch (judgement->verdict) {
    case CHAIN_NOTHING:
        return 0;
    case CHAIN_BEGINS:
        return append(witness, "begins");
    case CHAIN_GOES_ON:
        return append(witness, NULL);
    case CHAIN_BEHIND:
        return go_behind(witness, judgement);
    case CHAIN_SET_BACK:
        return stop_with(witness, judgement, "the exchange's history was set back", SET_BACK);
    case CHAIN_BROKEN:
    case CHAIN_UNPROVEN:
        return stop_with(witness, judgement, "the exchange shows another log than it did", ANOTHER_LOG);
    case CHAIN_NO_KEY:
        return stop_no_key(witness, judgement);
    case CHAIN_NO_ANSWER:
        return heads_peer_lose(witness->peer, judgement->why);
    }
    return 0;
}

static int pass(Witness *witness, ChainJudgement *judgement, const char *what) {
    judgement->verdict = CHAIN_NO_ANSWER;
    judgement->why = what;
    return go_on(witness, judgement);
}

// Two heads that contradict each other, or between which the exchange was set back, are signed, whoever shows them.
// That there is no proof, no way on, or another key, is nobody's word where the answer is not signed.
static int go_on_by(Witness *witness, ChainJudgement *judgement, bool is_signed) {
    bool needs_word = judgement->verdict == CHAIN_BEHIND || judgement->verdict == CHAIN_UNPROVEN ||
                      judgement->verdict == CHAIN_NO_KEY;
    if (is_signed || !needs_word)
        return go_on(witness, judgement);
    snprintf(witness->text, sizeof witness->text, DENIAL_UNSIGNED "%s%s%s", judgement->why,
             judgement->key_id[0] ? ": " : "", judgement->key_id);
    return pass(witness, judgement, witness->text);
}

static int judge(Witness *witness, HeadsQuestion question, const Dongbo__Heads *said, ChainJudgement *judgement) {
    Dongbo__Heads heads, *answer = &heads;
    question.challenge = heads_peer_challenge(witness->peer);
    arena_reset(witness->arena);
    int opened = heads_answer_open(&question, witness->chain, said, witness->arena, answer);
    if (opened == 2)
        return pass(witness, judgement, "sends heads that cannot be read");
    int r = chain_take(witness->chain, answer, judgement);
    if (r < 0 || judgement->verdict != CHAIN_SET_BACK || !witness->accept_set_back)
        return r < 0 ? r : go_on_by(witness, judgement, opened == 0);
    witness->accept_set_back = false;
    r = stop_with(witness, judgement, "the exchange's history was set back", 0);
    log_warn("%s. It is gone on from there, as was said", witness->text);
    if (r == 0)
        r = chain_begin(witness->chain, answer, judgement);
    if (r < 0 || judgement->verdict != CHAIN_BEGINS)
        return r < 0 ? r : go_on_by(witness, judgement, opened == 0);
    return append(witness, "set back");
}

static void wait_some(const Witness *witness, ChainVerdict verdict) {
    int64_t wait_ms = witness_config_interval_ms(witness->config);
    if (verdict == CHAIN_NO_ANSWER) // heads_peer_lose() has waited
        return;
    if (verdict == CHAIN_BEHIND && wait_ms > BEHIND_WAIT_MS)
        wait_ms = BEHIND_WAIT_MS;
    zmq_poll(NULL, 0, (long)wait_ms); // which a signal ends
}

static int run(Witness *witness) {
    while (!zsys_interrupted) {
        const Dongbo__Heads *answer = NULL;
        ChainJudgement judgement = {0};
        uint64_t number = 0, size = 0;
        chain_place(witness->chain, &number, &size);
        int r = heads_peer_ask(witness->peer, number, size, &answer);
        if (r == ERROR_STOPPED)
            return 0;
        if (r == 1)
            snprintf(witness->text, sizeof witness->text, "%s", heads_peer_text(witness->peer));
        if (r == 0 && heads_peer_learnt(witness->peer))
            r = chain_know(witness->chain, witness->exchange[1].sign_public);
        r = r == 0  ? judge(witness, (HeadsQuestion){.after = number, .size = size}, answer, &judgement)
            : r > 0 ? REFUSED
                    : r;
        if (r != 0)
            return r;
        if (judgement.verdict != CHAIN_BEHIND)
            witness->behind_ms = 0;
        if (judgement.more)
            continue;
        if (witness->once && judgement.verdict <= CHAIN_GOES_ON)
            return DONE;
        wait_some(witness, judgement.verdict);
    }
    return 0;
}

// ---- the command ---------------------------------------------------------------------------------------------------

static int prepare(Witness *witness) {
    int r = witness_config_load(&witness->config, witness->config_path);
    if (r == 0)
        r = keys_load(witness->config->keys, &witness->keys);
    if (r == 0 && !witness->keys.has_secret)
        r = error_fail(ERROR_CONFIG, "%s: this is a public half; name the key file itself", witness->config->keys);
    if (r == 0)
        r = keys_load_exchange(witness->config->broker.key, witness->exchange);
    if (r == 0)
        r = signer_new(&witness->signer, witness->keys.sign_secret);
    const uint8_t *const known[2] = {witness->exchange[0].sign_public, witness->exchange[1].sign_public};
    if (r == 0)
        r = chain_new(&witness->chain, known);
    if (r == 0)
        r = arena_new(&witness->arena, ARENA_BYTES);
    if (r == 0)
        r = file_open(witness);
    if (r < 0)
        return r;
    AskerOptions options = {.endpoints = witness->config->broker.endpoints,
                            .n_endpoints = witness->config->broker.endpoints_count,
                            .keys = &witness->keys,
                            .exchange = witness->exchange,
                            .exchange_path = witness->config->broker.key,
                            .clock = clock_system(),
                            .timeout_ms = witness->timeout_s * 1000};
    return heads_peer_new(&witness->peer, &options);
}

static int finish(Witness *witness, int r) {
    static const int CODES[] = {[DONE] = 0, [REFUSED] = 1, [ANOTHER_LOG] = 5, [SET_BACK] = 6};
    if (r > DONE)
        log_error("%s", witness->text);
    else if (r < 0)
        log_error("%s", error_text());
    heads_peer_destroy(&witness->peer);
    heads_file_close(&witness->file);
    chain_destroy(&witness->chain);
    arena_destroy(&witness->arena);
    signer_destroy(&witness->signer);
    witness_config_free(&witness->config);
    keys_wipe(&witness->keys);
    return r > 0 ? CODES[r] : error_exit_code(r);
}

int witness_main(int argc, char **argv) {
    Witness witness = {0};
    log_setup("dongbo-agent", LOG_LEVEL_INFO);
    zsys_init(); // signals stop it from here on, with no socket made yet
    signal(SIGPIPE, SIG_IGN);
    int r = options_read(&witness, argc, argv);
    if (r == 1)
        return 0;
    if (r == 0)
        r = prepare(&witness);
    if (r == 0)
        r = run(&witness);
    return finish(&witness, r);
}
