// SPDX-License-Identifier: Apache-2.0
//
// See enrol.h. The keys are on disk before anything is sent, and a file that is there is handed in again: whatever is
// lost on the way, running it once more is right.
#include "agents/enrol.h"

#include "proto/base/arena.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proto/enrolment.h"
#include "proto/frame.h"
#include "proto/socket.h"
#include "wire.pb-c.h"

#include <czmq.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_S 30
#define ASK_AGAIN_MS 5000
#define ARENA_BYTES (64 * 1024)
#define TOKEN_TEXT_BYTES 256

typedef struct Enrol {
    const char *token_path, *broker_path, *endpoint, *keys_path, *agent;
    long long timeout_s;
    Keys token, broker, keys;
    Arena *arena;
    Bytes out;
    zsock_t *socket, *monitor;
    SocketNews news;
    char host[64];
} Enrol;

static int options_read(Enrol *enrol, int argc, char **argv) {
    static const char notes[] =
        "Makes FILE and FILE.pub where FILE is not there. FILE stays here; the exchange gets the public halves, and lets\n"
        "them in at once. When it was broken off, run it again with the same FILE.\n\n"
        "Exit codes:\n"
        "  0  enrolled\n"
        "  1  the exchange refuses; the message says why\n"
        "  2  the command line, the token or a key file is wrong\n"
        "  3  no answer within --timeout\n"
        "  4  something on this side failed\n";
    const Option options[] = {
        {"token", 0, OPTION_TEXT, "FILE|-", "the one-time token, from a file of mode 0600 or standard input",
         &enrol->token_path},
        {"broker", 0, OPTION_TEXT, "FILE.pub", "the exchange's public keys", &enrol->broker_path},
        {"endpoint", 0, OPTION_TEXT, "ADDRESS", "of its enrolment door, as tcp://exchange:7703", &enrol->endpoint},
        {"keys", 0, OPTION_TEXT, "FILE", "where the keys are to be kept", &enrol->keys_path},
        {"agent", 0, OPTION_TEXT, "NAME", "what the log calls this agent; default: this machine's name", &enrol->agent},
        {"timeout", 0, OPTION_INT, "SECONDS", "without any answer; default 30", &enrol->timeout_s},
        {0}};
    const Command command = {.name = "dongbo-agent enrol",
                             .summary = "Makes this party's keys, and hands their public halves to the exchange.",
                             .options = options,
                             .notes = notes};
    int operand;
    int r = options_parse(&command, argc, argv, &operand);
    if (r != 0)
        return r;
    if (!enrol->token_path || !enrol->broker_path || !enrol->endpoint || !enrol->keys_path)
        return error_fail(ERROR_CONFIG, "enrol needs --token, --broker, --endpoint and --keys; see --help");
    return enrol->timeout_s > 0 && enrol->timeout_s <= 1000000
               ? 0
               : error_fail(ERROR_CONFIG, "--timeout: %lld is no time", enrol->timeout_s);
}

// As a key file's: whoever has a token can have their own keys let in.
static int check_access(const char *path, FILE *file) {
    struct stat status;
    if (fstat(fileno(file), &status) != 0)
        return error_fail(ERROR_SYSTEM, "--token: %s: %s", path, strerror(errno));
    int r = keys_check_access(&(KeyAccess){.path = path, .holds = "a token", .others_may = "use"}, &status);
    return r < 0 ? error_context(r, "--token") : 0;
}

// Never from the command line, which others on this machine can read.
static int read_token(Enrol *enrol) {
    char text[TOKEN_TEXT_BYTES] = "";
    bool is_stdin = strcmp(enrol->token_path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(enrol->token_path, "r");
    if (!file)
        return error_fail(ERROR_CONFIG, "--token: %s: %s (the token itself does not go on a command line)",
                          enrol->token_path, strerror(errno));
    if (is_stdin && isatty(STDIN_FILENO))
        fputs("Token: ", stderr);
    int r = is_stdin ? 0 : check_access(enrol->token_path, file);
    bool any = r == 0 && fgets(text, sizeof text, file) != NULL;
    if (!is_stdin)
        fclose(file);
    if (r == 0)
        r = any ? enrolment_token_keys(text, &enrol->token) : 1;
    explicit_bzero(text, sizeof text);
    return r == 1 ? error_fail(ERROR_CONFIG, "this is no token, or one letter of it is wrong") : r;
}

static int find_keys(Enrol *enrol) {
    if (access(enrol->keys_path, F_OK) == 0) {
        int r = keys_load(enrol->keys_path, &enrol->keys);
        if (r == 0 && !enrol->keys.has_secret)
            r = error_fail(ERROR_CONFIG, "%s is a public half; name the key file itself", enrol->keys_path);
        return r;
    }
    int r = keys_generate(&enrol->keys);
    return r == 0 ? keys_save(&enrol->keys, enrol->keys_path, NULL) : r;
}

// The whole request, in enrol->out.
static int pack(Enrol *enrol) {
    uint8_t data[ENROLMENT_SIGNED_BYTES], signature[SIGNATURE_BYTES];
    Signer *signer = NULL;
    Keys *keys = &enrol->keys;
    enrolment_signed(enrol->token.curve_public, keys->curve_public, keys->sign_public, data);
    int r = signer_new(&signer, keys->sign_secret);
    if (r == 0)
        r = signer_sign(signer, ENROLMENT_DOMAIN, data, sizeof data, signature);
    signer_destroy(&signer);
    if (r < 0)
        return r;
    Dongbo__Enrol message = DONGBO__ENROL__INIT;
    message.curve_public = (ProtobufCBinaryData){KEY_BYTES, keys->curve_public};
    message.sign_public = (ProtobufCBinaryData){KEY_BYTES, keys->sign_public};
    message.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, signature};
    message.agent = (char *)enrol->agent;
    frame_write(&enrol->out, FRAME_ENROL, 0, 1, &message.base);
    return enrol->out.failed ? error_fail(ERROR_MEMORY, "no memory for a request") : 0;
}

static int prepare(Enrol *enrol) {
    int r = keys_load_public(enrol->broker_path, &enrol->broker, NULL);
    if (r == 0)
        r = read_token(enrol);
    if (r == 0)
        r = find_keys(enrol);
    if (r == 0)
        r = arena_new(&enrol->arena, ARENA_BYTES);
    if (r < 0)
        return r;
    if (!enrol->agent) {
        gethostname(enrol->host, sizeof enrol->host - 1);
        enrol->agent = enrol->host[0] ? enrol->host : "agent";
    }
    r = pack(enrol);
    SocketPeer to = {enrol->endpoint, &enrol->token, enrol->broker.curve_public};
    return r == 0 ? socket_connect_watched(&enrol->socket, &enrol->monitor, &to) : r;
}

// ---- asking --------------------------------------------------------------------------------------------------------

static int enrolled(const Enrol *enrol, const Dongbo__Enrolled *said) {
    char fingerprint[KEY_FINGERPRINT_BYTES];
    keys_fingerprint(&enrol->keys, fingerprint);
    printf("enrolled as %s, with key %s\nfingerprint  %s\n%s: keep it, nobody else needs it\n", said->party,
           said->key_id, fingerprint, enrol->keys_path);
    return 0;
}

// 1 refused, and said; 2 nothing that ends it.
static int take(Enrol *enrol, zframe_t *bytes) {
    Frame frame;
    ProtobufCMessage *message = NULL;
    arena_reset(enrol->arena);
    if (bytes == NULL || frame_read(zframe_data(bytes), zframe_size(bytes), &frame) != 0 ||
        (frame.type != FRAME_ENROLLED && frame.type != FRAME_ERROR))
        return error_fail(ERROR_PEER, "%s sends what is not an answer to this", enrol->endpoint);
    bool refused = frame.type == FRAME_ERROR;
    if (frame_decode(&frame, refused ? &dongbo__error__descriptor : &dongbo__enrolled__descriptor,
                     arena_protobuf(enrol->arena), &message) != 0)
        return error_fail(ERROR_PEER, "%s sends what cannot be decoded", enrol->endpoint);
    if (!refused)
        return enrolled(enrol, (const Dongbo__Enrolled *)message);
    const Dongbo__Error *error = (const Dongbo__Error *)message;
    if (error->code == DONGBO__ERROR__CODE__INTERNAL) {
        log_warn("%s", error->text);
        return 2;
    }
    log_error("%s", error->text);
    return 1;
}

static int receive(Enrol *enrol) {
    zframe_t *bytes = NULL;
    char user[64];
    if (socket_receive(enrol->socket, NULL, &bytes, user) == 1)
        return 2;
    int r = take(enrol, bytes);
    zframe_destroy(&bytes);
    return r;
}

// Until answered; asks again now and then, for a broker may have gone away with the question.
static int ask(Enrol *enrol) {
    const Clock *clock = clock_system();
    const int64_t end = clock_monotonic_ms(clock) + enrol->timeout_s * 1000;
    int64_t next = 0;
    for (int64_t now; (now = clock_monotonic_ms(clock)) < end;) {
        if (zsys_interrupted)
            return error_fail(ERROR_STOPPED, "asked to stop");
        if (now >= next && socket_send(enrol->socket, enrol->out.data, enrol->out.n) == 0)
            next = now + ASK_AGAIN_MS;
        zmq_pollitem_t items[] = {
            {zsock_resolve(enrol->socket), 0, (short)(ZMQ_POLLIN | (now >= next ? ZMQ_POLLOUT : 0)), 0},
            {zsock_resolve(enrol->monitor), 0, ZMQ_POLLIN, 0}};
        int64_t left = (next > now && next < end ? next : end) - now;
        if (zmq_poll(items, 2, (long)left) < 0 && errno != EINTR)
            return error_fail(ERROR_SYSTEM, "cannot wait for the exchange: %s", zmq_strerror(errno));
        enrol->news = socket_news(enrol->monitor, enrol->news);
        if (enrol->news == SOCKET_DENIED) {
            log_error("%s does not know this token: it ran out, was used or withdrawn, or this is another door",
                      enrol->endpoint);
            return 1;
        }
        int r = items[0].revents & ZMQ_POLLIN ? receive(enrol) : 2;
        if (r != 2)
            return r;
    }
    return error_fail(ERROR_PEER, "no answer within %lld seconds: %s %s", enrol->timeout_s, enrol->endpoint,
                      enrol->news == SOCKET_SECURED ? "does not answer" : socket_news_text(enrol->news));
}

int enrol_main(int argc, char **argv) {
    Enrol enrol = {.timeout_s = TIMEOUT_S};
    log_setup("dongbo-agent", LOG_LEVEL_INFO);
    int r = options_read(&enrol, argc, argv);
    if (r == 1)
        return 0;
    if (r == 0)
        r = prepare(&enrol);
    if (r == 0)
        r = ask(&enrol);
    if (r < 0)
        log_error("%s", error_text());
    socket_close_watched(&enrol.socket, &enrol.monitor);
    arena_destroy(&enrol.arena);
    bytes_free(&enrol.out);
    keys_wipe(&enrol.token);
    keys_wipe(&enrol.keys);
    return r < 0 ? error_exit_code(r) : r;
}
