// SPDX-License-Identifier: Apache-2.0
//
// See proof.h. An event goes out only where it is asked for: it is about a citizen.
#include "agents/proof.h"

#include "agents/answer.h"
#include "agents/proof_store.h"
#include "agents/publish_config.h"
#include "event.pb-c.h"
#include "log.pb-c.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proto/batch.h"
#include "proto/head.h"
#include "proto/keys.h"
#include "proto/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_BYTES (16 * 1024 * 1024)

typedef struct Export {
    const char *config_path, *kind, *event, *out;
    long long sequence;
    bool with_event, falses;
    uint8_t event_id[EVENT_ID_BYTES];
    PublishConfig *config;
    Keys broker[2]; // the exchange's, and its next one
    bool has_keys;
    Spool *spool;
    Arena *arena;
    int n_false;
} Export;

// ---- files ---------------------------------------------------------------------------------------------------------

static bool write_all(int fd, const uint8_t *data, size_t n) {
    while (n > 0) {
        ssize_t written = write(fd, data, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        data += written;
        n -= (size_t)written;
    }
    return true;
}

// Never over one that is there.
static int write_file(const char *path, const Bytes *bytes) {
    if (bytes->failed)
        return error_fail(ERROR_MEMORY, "no memory for a proof");
    int fd = strcmp(path, "-") == 0 ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_fail(ERROR_CONFIG, "%s: %m", path);
    bool written = write_all(fd, bytes->data, bytes->n);
    written = (fd == STDOUT_FILENO || close(fd) == 0) && written;
    return written ? 0 : error_fail(ERROR_SYSTEM, "%s: %m", path);
}

// ---- which event ---------------------------------------------------------------------------------------------------

static const Dongbo__SealedBatch *open_sealed(const Export *export, const uint8_t *sealed, size_t n) {
    arena_reset(export->arena);
    return dongbo__sealed_batch__unpack(arena_protobuf(export->arena), n, sealed);
}

static int find_in(void *self, uint64_t first_sequence, const uint8_t *sealed, size_t n) {
    Export *export = self;
    const Dongbo__SealedBatch *batch = open_sealed(export, sealed, n);
    for (size_t i = 0; batch != NULL && i < batch->n_events; i++) {
        ArenaMark mark = arena_mark(export->arena);
        const Dongbo__ChangeEvent *event =
            dongbo__change_event__unpack(arena_protobuf(export->arena), batch->events[i].len, batch->events[i].data);
        bool is = event != NULL && event->event_id.len == EVENT_ID_BYTES &&
                  memcmp(event->event_id.data, export->event_id, EVENT_ID_BYTES) == 0;
        arena_rewind(export->arena, &mark);
        if (is)
            export->sequence = (long long)(first_sequence + i);
        if (is)
            return 1;
    }
    return 0;
}

static int find_event(Export *export, const SpoolStream *stream) {
    if (hex_decode(export->event, export->event_id, EVENT_ID_BYTES) != 0)
        return error_fail(ERROR_CONFIG, "--event is an event's id, 32 hexadecimal digits");
    int r = proof_store_search(export->spool, stream, find_in, export);
    if (r == 0 && export->sequence == 0)
        r = error_fail(ERROR_CONFIG, "the spool holds no event %s: it was let go, or is another stream's",
                       export->event);
    return r;
}

// ---- the proof -----------------------------------------------------------------------------------------------------

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for a proof");
}

static int put_event(Export *export, const Dongbo__SealedBatch *batch, size_t index, Dongbo__InclusionProof *ret) {
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    ProofPath path;
    uint8_t(*leaves)[HASH_BYTES] = arena_alloc(export->arena, (batch->n_events + 1) * sizeof *leaves);
    ret->event_path = arena_alloc(export->arena, PROOF_MAX * sizeof *ret->event_path);
    uint8_t(*hashes)[HASH_BYTES] = arena_alloc(export->arena, sizeof path.hashes);
    int r = leaves == NULL || ret->event_path == NULL || hashes == NULL ? no_memory() : merkle_new(&merkle);
    if (r < 0)
        return r;
    for (size_t i = 0; i < batch->n_events; i++)
        merkle_salted_leaf(merkle, batch->salts.data + i * SALT_BYTES, batch->events[i].data, batch->events[i].len,
                           leaves[i]);
    proof_path(merkle, (const uint8_t(*)[HASH_BYTES])leaves, batch->n_events, index, &path);
    memcpy(hashes, path.hashes, sizeof path.hashes);
    for (ret->n_event_path = 0; ret->n_event_path < path.n; ret->n_event_path++)
        ret->event_path[ret->n_event_path] = (ProtobufCBinaryData){HASH_BYTES, hashes[ret->n_event_path]};
    ret->sequence = (uint64_t) export->sequence;
    ret->salt = (ProtobufCBinaryData){SALT_BYTES, batch->salts.data + index * SALT_BYTES};
    ret->event = batch->events[index];
    return 0;
}

// One of an epoch before may be for a segment that a restored exchange forgot.
static int put_receipt(Export *export, const ProofBatch *batch, Dongbo__InclusionProof *ret) {
    if (batch->receipt == NULL || batch->receipt_n <= SIGNATURE_BYTES)
        return 0;
    size_t n = batch->receipt_n - SIGNATURE_BYTES;
    const Dongbo__ReceiptBody *body = dongbo__receipt_body__unpack(arena_protobuf(export->arena), n, batch->receipt);
    if (body == NULL || body->epoch < ret->proof->epoch)
        return body == NULL ? error_fail(ERROR_SYSTEM, "the spool holds a receipt that cannot be read") : 0;
    ret->receipt = (ProtobufCBinaryData){n, (uint8_t *)batch->receipt};
    ret->receipt_signature = (ProtobufCBinaryData){SIGNATURE_BYTES, (uint8_t *)batch->receipt + n};
    return 0;
}

// Header and signature, and nothing behind them.
static ProtobufCBinaryData origin_of(const ProofBatch *batch) {
    ProtobufCBinaryData header, signature;
    if (batch_origin(batch->sealed, batch->sealed_n, &header, &signature) != 0)
        return (ProtobufCBinaryData){0};
    return (ProtobufCBinaryData){(size_t)(signature.data + signature.len - batch->sealed), (uint8_t *)batch->sealed};
}

static int make(Export *export, const ProofKept *kept, Bytes *out) {
    const Dongbo__SealedBatch *sealed = open_sealed(export, kept->batch.sealed, kept->batch.sealed_n);
    Dongbo__InclusionProof *made =
        dongbo__inclusion_proof__unpack(arena_protobuf(export->arena), kept->proof_n, kept->proof);
    if (sealed == NULL || made == NULL || made->proof == NULL)
        return error_fail(ERROR_SYSTEM, "the spool holds a batch, or a proof, that cannot be read");
    size_t index = (size_t) export->sequence - made->proof->first_sequence;
    made->origin = origin_of(&kept->batch);
    int r = put_receipt(export, &kept->batch, made);
    if (r == 0 && export->with_event && index < sealed->n_events && sealed->salts.len == sealed->n_events * SALT_BYTES)
        r = put_event(export, sealed, index, made);
    Dongbo__Proof proof = DONGBO__PROOF__INIT;
    proof.what_case = DONGBO__PROOF__WHAT_INCLUSION;
    proof.inclusion = made;
    bytes_append_text(out, PROOF_MAGIC);
    bytes_append_message(out, &proof.base);
    return r;
}

static int export_batch(Export *export) {
    CLEANUP(bytes_free) Bytes out = {0};
    SpoolStream stream;
    ProofKept kept;
    int r = spool_stream(export->spool, export->kind, &stream);
    if (r == 0 && export->event != NULL)
        r = find_event(export, &stream);
    if (r == 0)
        r = proof_store_kept(export->spool, &stream, (uint64_t) export->sequence, &kept);
    if (r == 1)
        return error_fail(ERROR_CONFIG, "the spool does not hold event %lld of its %s stream (any more)",
                          export->sequence, export->kind);
    if (r == 0 && kept.proof == NULL)
        return error_fail(ERROR_CONFIG,
                          "event %lld is not proved yet: dongbo-agent status says how far proofs go; they come with "
                          "the exchange's next signed head, while the agent runs",
                          export->sequence);
    if (r == 0)
        r = make(export, &kept, &out);
    return r < 0 ? r : write_file(export->out, &out);
}

// ---- what was false ------------------------------------------------------------------------------------------------

// 1 when it is by none of the exchange's keys that are known here.
static int check_signature(const Export *export, const Dongbo__Proofs *said) {
    int r = 1;
    for (int i = 0; r == 1 && i < 2 && said->body.len > 0 && said->signature.len == SIGNATURE_BYTES; i++) {
        CLEANUP(verifier_destroy) Verifier *verifier = NULL;
        r = verifier_new(&verifier, export->broker[i].sign_public);
        if (r == 0)
            r = verifier_check(verifier, PROOFS_DOMAIN, said->body.data, said->body.len, said->signature.data);
    }
    return r;
}

static void show_head(const Export *export, const Dongbo__SignedHead *signed_head) {
    const Dongbo__TreeHead *head = NULL;
    char at[CLOCK_TEXT_BYTES], root[2 * HASH_BYTES + 1];
    if (signed_head == NULL || head_read(signed_head->head.data, signed_head->head.len, export->arena, &head) != 0)
        return;
    clock_format_us(head->signed_at_us, at);
    hex_encode(head->root.data, HASH_BYTES, root);
    printf("    of signed head %" PRIu64 ", epoch %" PRIu32 ", over %" PRIu64 " segments with root %s, signed %s\n",
           head->number, head->epoch, head->size, root, at);
}

static void show_batch(const Dongbo__BatchProof *batch) {
    char at[CLOCK_TEXT_BYTES];
    clock_format_us(batch->stored_at_us, at);
    printf("    that it has the events %" PRIu64 " to %" PRIu64 " at positions %" PRIu64 " to %" PRIu64 ", stored %s\n",
           batch->first_sequence, batch->last_sequence, batch->first_position, batch->last_position, at);
}

// Whether the exchange answers for it, and what it says. What is not signed itself is two heads that are.
static int show_said(const Export *export, const ProofFalse *proof) {
    arena_reset(export->arena);
    ProtobufCAllocator *memory = arena_protobuf(export->arena);
    const Dongbo__Proofs *said = dongbo__proofs__unpack(memory, proof->said.len, proof->said.data);
    const Dongbo__ProofsBody *body = NULL;
    if (said == NULL)
        return error_fail(ERROR_SYSTEM, "the spool holds proofs that cannot be read");
    int r = export->has_keys ? check_signature(export, said) : 1;
    if (r < 0)
        return r;
    printf("    signed by the exchange: %s\n", r == 0              ? "good"
                                               : !export->has_keys ? "cannot be checked, for its key cannot be read"
                                               : said->body.len == 0
                                                   ? "no, but for its head, which contradicts the one that is held"
                                                   : "not by a key of it that is known here");
    if (said->body.len > 0)
        body = dongbo__proofs_body__unpack(memory, said->body.len, said->body.data);
    show_head(export, body != NULL ? body->head : said->head);
    for (size_t i = 0; i < (body != NULL ? body->n_batches : said->n_batches); i++)
        show_batch(body != NULL ? body->batches[i] : said->batches[i]);
    return 0;
}

// As it was said, a file each.
static int export_false(void *self, const ProofFalse *proof, int64_t at_us) {
    Export *export = self;
    CLEANUP(bytes_free) Bytes out = {0};
    char path[4096], at[CLOCK_TEXT_BYTES];
    clock_format_us(at_us, at);
    bytes_append(&out, proof->said.data, proof->said.len);
    snprintf(path, sizeof path, "%s.%d", export->out, ++export->n_false);
    int r = write_file(path, &out);
    if (r < 0)
        return r;
    printf("%s: %s (%s)\n", path, proof->why, at);
    return show_said(export, proof);
}

static int export_falses(Export *export) {
    if (strcmp(export->out, "-") == 0)
        return error_fail(ERROR_CONFIG, "--false writes files: give the beginning of their names with --out");
    // What was proved falsely is written out whatever became of the keys.
    export->has_keys = keys_load_exchange(export->config->broker.key, export->broker) == 0;
    if (!export->has_keys)
        log_warn("no signature can be checked: %s", error_text());
    int r = proof_store_falses(export->spool, export_false, export);
    if (r == 0 && export->n_false == 0)
        puts("Nothing false was proved.");
    return r;
}

static int run(Export *export) {
    int r = publish_config_load(&export->config, export->config_path);
    if (r < 0)
        return r;
    SpoolOptions options = {.path = export->config->spool.path, .clock = clock_system()};
    r = spool_look(&export->spool, &options);
    if (r == 0)
        r = arena_new(&export->arena, ARENA_BYTES);
    if (r < 0)
        return r;
    return export->falses ? export_falses(export) : export_batch(export);
}

static int check_options(const Export *export) {
    if (export->config_path == NULL)
        return error_fail(ERROR_CONFIG, "give the configuration with --config FILE");
    if ((export->sequence > 0) + (export->event != NULL) + export->falses != 1)
        return error_fail(ERROR_CONFIG, "say --sequence N, --event ID or --false");
    if (strcmp(export->kind, "live") != 0 && strcmp(export->kind, "bulk") != 0)
        return error_fail(ERROR_CONFIG, "--stream is live or bulk");
    return 0;
}

static const char NOTES[] =
    "The file proves to whoever has the exchange's public key that the batch which holds this event is in the log of a\n"
    "head that the exchange signed, with the receipt that it signed for it and this agency's signature; with the event,\n"
    "also what the agency said. Check it with: dongbo log check --keys EXCHANGE.pub --keys AGENCY.pub FILE\n\n"
    "--false writes FILE.1, FILE.2, ... and says of each what was false, whether the exchange's signature of it is good,\n"
    "and what it says. No command judges such a file alone: what it is false of are the batch, the receipt and the head\n"
    "that the spool holds, which is to be kept. Each is the message Proofs of wire.proto as it came; PROTOCOL.md says how\n"
    "it is checked (8, Proofs), and what was signed (3, dongbo proofs 1). In the folder of wire.proto it is shown by\n"
    "    protoc --decode=dongbo.Proofs wire.proto < FILE.1\n";

int proof_main(int argc, char **argv) {
    Export export = {.kind = "live", .out = "-"};
    int operand;
    const Option options[] = {
        {"config", 'c', OPTION_TEXT, "FILE", "the publishing agent's configuration (needed)", &export.config_path},
        {"sequence", 0, OPTION_INT, "N", "of this event of the stream", &export.sequence},
        {"event", 0, OPTION_TEXT, "ID", "of the event with this id", &export.event},
        {"stream", 0, OPTION_TEXT, "KIND", "live (when not said) or bulk", &export.kind},
        {"with-event", 0, OPTION_FLAG, NULL, "with what the event says, which is about a citizen", &export.with_event},
        {"false", 0, OPTION_FLAG, NULL, "what the exchange proved that was false, instead", &export.falses},
        {"out", 'o', OPTION_TEXT, "FILE", "where to (standard output)", &export.out},
        {0}};
    const Command command = {.name = "dongbo-agent proof",
                             .summary = "Writes the proof that a batch is in the exchange's log to a file.",
                             .options = options,
                             .notes = NOTES};
    int r = options_parse(&command, argc, argv, &operand);
    if (r == 1)
        return 0;
    log_setup("dongbo-agent", LOG_LEVEL_INFO);
    if (r == 0)
        r = check_options(&export);
    if (r == 0)
        r = run(&export);
    if (r < 0)
        log_error("%s", error_text());
    spool_close(&export.spool);
    publish_config_free(&export.config);
    arena_destroy(&export.arena);
    return error_exit_code(r);
}
