// SPDX-License-Identifier: Apache-2.0
//
// See status.h. Reads, and nothing else; what the exchange thinks of it is `dongbo status`.
#include "agents/status.h"

#include "agents/proof_store.h"
#include "agents/publish_config.h"
#include "agents/summary.h"
#include "agents/unanswered.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

typedef struct Status {
    const char *config_path;
    bool json;
    PublishConfig *config;
    Spool *spool;
    json_t *streams, *files, *falses; // --json
    int64_t n_files, n_false;
} Status;

static int64_t age_s(int64_t since_us) {
    int64_t now = clock_now_us(clock_system());
    return since_us == 0 || now < since_us ? 0 : (now - since_us) / 1000000;
}

static int add_stream(void *self, const ProofState *state) {
    Status *status = self;
    char id[2 * STREAM_BYTES + 1];
    const SpoolStream *stream = &state->stream;
    hex_encode(stream->stream, STREAM_BYTES, id);
    json_t *age = state->unproven > 0 ? json_integer(age_s(state->since_us)) : json_null();
    json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "kind", stream->kind, "stream", id, "sealed",
                               (json_int_t)stream->last_sequence, "received", (json_int_t)state->received, "proven",
                               (json_int_t)stream->proven_sequence, "unproven_batches", (json_int_t)state->unproven,
                               "oldest_unproven_s", age);
    return json_array_append_new(status->streams, object) == 0 ? 0 : error_fail(ERROR_MEMORY, "no memory for a status");
}

static int print_stream(void *self, const ProofState *state) {
    const SpoolStream *stream = &state->stream;
    char id[2 * STREAM_BYTES + 1];
    hex_encode(stream->stream, STREAM_BYTES, id);
    printf("%s stream %s\n  sealed up to event   %" PRIu64 "\n  receipts up to event %" PRIu64
           "\n  proven up to event   %" PRIu64 "\n",
           stream->kind, id, stream->last_sequence, state->received, stream->proven_sequence);
    if (state->unproven > 0)
        printf("  %" PRId64 " batches have a receipt and no proof yet, the oldest for %" PRId64 " s\n", state->unproven,
               age_s(state->since_us));
    return 0;
}

static const char *const STATES[] = {[ORIGIN_READING] = "reading", [ORIGIN_READ] = "read", [ORIGIN_DONE] = "done"};

static int add_file(void *self, const Unanswered *one) {
    Status *status = self;
    json_t *object = json_pack("{s:s, s:o, s:o, s:s, s:I, s:I, s:I}", "source", one->origin.source, "file",
                               summary_name_json(one->origin.name), "kept", summary_name_json(one->origin.kept_name),
                               "state", STATES[one->origin.state], "waiting", (json_int_t)one->waiting, "undecided",
                               (json_int_t)one->undecided, "to_hand_back", (json_int_t)one->owed);
    return json_array_append_new(status->files, object) == 0 ? 0 : error_fail(ERROR_MEMORY, "no memory for a status");
}

static int print_file(void *self, const Unanswered *one) {
    Status *status = self;
    const Origin *origin = &one->origin;
    bool done = origin->state == ORIGIN_DONE;
    char name[SUMMARY_NAME_BYTES];
    if (status->n_files++ == 0)
        puts("without all their answers yet:");
    printf("  %s: %s%s%s\n", origin->source, done ? "done/" : "",
           summary_name_text(done ? origin->kept_name : origin->name, name),
           origin->state == ORIGIN_READING && origin->kept_name[0] != 0 ? ", not read to its end" : "");
    if (one->waiting > 0)
        printf("    rows that wait for the exchange         %" PRId64 "\n", one->waiting);
    if (one->undecided > 0)
        printf("    deferred, or refused and not yet final  %" PRId64 "\n", one->undecided);
    if (one->owed > 0)
        printf("    to be handed back by the agent          %" PRId64 "\n", one->owed);
    return 0;
}

static int add_false(void *self, const ProofFalse *proof, int64_t at_us) {
    Status *status = self;
    char at[CLOCK_TEXT_BYTES];
    clock_format_us(at_us, at);
    status->n_false++;
    json_t *object =
        json_pack("{s:s, s:s, s:I}", "at", at, "why", proof->why, "first_sequence", (json_int_t)proof->first_sequence);
    return json_array_append_new(status->falses, object) == 0 ? 0 : error_fail(ERROR_MEMORY, "no memory for a status");
}

static int print_false(void *self, const ProofFalse *proof, int64_t at_us) {
    Status *status = self;
    char at[CLOCK_TEXT_BYTES];
    clock_format_us(at_us, at);
    if (status->n_false++ == 0)
        puts(
            "The exchange has proved something false of its log. Show it (dongbo-agent proof --false) to its operators "
            "and to whoever supervises them:");
    printf("  %s  %s\n", at, proof->why);
    return 0;
}

static int print_text(Status *status) {
    printf("spool %s: %" PRIu64 " bytes, %" PRIu64 " of them wait for the exchange\n", status->config->spool.path,
           spool_bytes(status->spool), spool_waiting_bytes(status->spool));
    int r = proof_store_states(status->spool, print_stream, status);
    if (r == 0)
        r = unanswered_list(status->spool, print_file, status);
    return r < 0 ? r : proof_store_falses(status->spool, print_false, status);
}

static int print_json(Status *status) {
    status->streams = json_array();
    status->files = json_array();
    status->falses = json_array();
    int r = proof_store_states(status->spool, add_stream, status);
    if (r == 0)
        r = unanswered_list(status->spool, add_file, status);
    if (r == 0)
        r = proof_store_falses(status->spool, add_false, status);
    json_t *object = json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "spool", status->config->spool.path, "bytes",
                               (json_int_t)spool_bytes(status->spool), "waiting_bytes",
                               (json_int_t)spool_waiting_bytes(status->spool), "streams", status->streams, "files",
                               status->files, "false_proofs", status->falses);
    if (r == 0 && (object == NULL || json_dumpf(object, stdout, JSON_COMPACT) != 0))
        r = error_fail(ERROR_SYSTEM, "the status cannot be written");
    if (r == 0)
        putchar('\n');
    json_decref(object);
    return r;
}

static int run(Status *status) {
    int r = publish_config_load(&status->config, status->config_path);
    if (r < 0)
        return r;
    SpoolOptions options = {.path = status->config->spool.path, .clock = clock_system()};
    r = spool_look(&status->spool, &options);
    if (r < 0)
        return r;
    return status->json ? print_json(status) : print_text(status);
}

int status_main(int argc, char **argv) {
    Status status = {0};
    int operand;
    const Option options[] = {
        {"config", 'c', OPTION_TEXT, "FILE", "the publishing agent's configuration (needed)", &status.config_path},
        {"json", 0, OPTION_FLAG, NULL, "as one JSON object", &status.json},
        {0}};
    const Command command = {.name = "dongbo-agent status",
                             .summary = "Shows what a publishing agent's spool holds, how far it is proved, and which "
                                        "files lack answers.",
                             .options = options,
                             .notes = "Exit code 1: the exchange has proved something false of its log.\n"};
    int r = options_parse(&command, argc, argv, &operand);
    if (r == 1)
        return 0;
    log_setup("dongbo-agent", LOG_LEVEL_INFO);
    if (r == 0 && status.config_path == NULL)
        r = error_fail(ERROR_CONFIG, "give the configuration with --config FILE");
    if (r == 0)
        r = run(&status);
    if (r < 0)
        log_error("%s", error_text());
    spool_close(&status.spool);
    publish_config_free(&status.config);
    return r == 0 && status.n_false > 0 ? 1 : error_exit_code(r);
}
