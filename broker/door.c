// SPDX-License-Identifier: Apache-2.0
//
// See door.h. Whether a token holds, and what becomes of the keys, the database decides in one function under the log's
// lock; here is only checked that whoever asks has the keys.
#include "broker/door.h"

#include "broker/thread.h"
#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/pg.h"
#include "proto/base/text.h"
#include "proto/enrolment.h"
#include "proto/frame.h"
#include "proto/socket.h"
#include "proto/zap.h"
#include "wire.pb-c.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ARENA_BYTES (64 * 1024)
#define AGENT_BYTES_MAX 63
#define SECOND_MS 1000

static const PgStatement ENROL = {"door_enrol",
                                  "SELECT answer, party FROM exchange.enrol($1::bigint, $2::bytea, $3::bytea, "
                                  "$4::text)",
                                  4, NULL};
static const PgStatement DOOR = {"door_key", "SELECT door_key FROM exchange.enrolment WHERE enrolment = $1::bigint", 1,
                                 NULL};

typedef struct Door {
    const Keys *keys;
    const Clock *clock;
    zsock_t *router;
    Pg *pg;
    Arena *arena;
    Bytes out;
    int64_t second; // of which `n` requests were looked at
    int n;
} Door;

typedef struct Caller {
    const zframe_t *route;
    int64_t enrolment;
} Caller;

static void say(Door *door, const Caller *to, FrameType type, const ProtobufCMessage *message) {
    bytes_clear(&door->out);
    frame_write(&door->out, type, 0, 1, message);
    if (!door->out.failed)
        socket_send_to(door->router, to->route, door->out.data, door->out.n);
}

static void say_error(Door *door, const Caller *to, Dongbo__Error__Code code, const char *text) {
    Dongbo__Error error = DONGBO__ERROR__INIT;
    error.code = code;
    error.text = (char *)text;
    say(door, to, FRAME_ERROR, &error.base);
}

static bool is_well_formed(const Dongbo__Enrol *enrol) {
    size_t n = strlen(enrol->agent);
    return enrol->curve_public.len == KEY_BYTES && enrol->sign_public.len == KEY_BYTES &&
           enrol->signature.len == SIGNATURE_BYTES && n > 0 && n <= AGENT_BYTES_MAX && text_is_clean(enrol->agent, n);
}

// 1 when whoever asks does not show that they have the signing key.
static int check_signature(Door *door, const Caller *caller, const Dongbo__Enrol *enrol) {
    PGresult *rows = NULL;
    PgParams params = {0};
    pg_param_i64(&params, caller->enrolment);
    int r = pg_run(door->pg, &DOOR, &params, &rows);
    pg_params_free(&params);
    size_t n = 0;
    const uint8_t *key = r == 0 && PQntuples(rows) == 1 ? pg_bytes(rows, 0, 0, &n) : NULL;
    Verifier *verifier = NULL;
    uint8_t data[ENROLMENT_SIGNED_BYTES];
    if (r == 0 && n == KEY_BYTES && verifier_new(&verifier, enrol->sign_public.data) == 0) {
        enrolment_signed(key, enrol->curve_public.data, enrol->sign_public.data, data);
        r = verifier_check(verifier, ENROLMENT_DOMAIN, data, sizeof data, enrol->signature.data);
    } else if (r == 0) {
        r = 1;
    }
    verifier_destroy(&verifier);
    PQclear(rows);
    return r;
}

static int ask(Door *door, const Caller *caller, const Dongbo__Enrol *enrol, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, caller->enrolment);
    for (int i = 0; i < 2; i++) {
        if (enrol == NULL)
            pg_param_null(&params);
        else
            pg_param_bytes(&params, i == 0 ? enrol->curve_public.data : enrol->sign_public.data, KEY_BYTES);
    }
    pg_param_text(&params, enrol == NULL ? "" : enrol->agent);
    int r = pg_run(door->pg, &ENROL, &params, ret);
    pg_params_free(&params);
    return r;
}

static const struct {
    const char *answer;
    Dongbo__Error__Code code;
    const char *text;
} REFUSALS[] = {
    {"gone", DONGBO__ERROR__CODE__NOT_ALLOWED,
     "This token does not hold any more: it ran out, was withdrawn, or was tried too often. Ask for another one."},
    {"used", DONGBO__ERROR__CODE__NOT_ALLOWED,
     "This token was used already, with other keys. If that was not you, tell the exchange's operators at once."},
    {"taken", DONGBO__ERROR__CODE__NOT_ALLOWED, "One of these keys is known to the exchange: make new ones."},
    {"malformed", DONGBO__ERROR__CODE__BAD_FRAME,
     "This is no request to enrol: two keys of 32 bytes, the agent's name (63 bytes at most), and a signature by the "
     "new signing key."},
};

static void answer(Door *door, const Caller *caller, const Dongbo__Enrol *enrol, const PGresult *rows) {
    const char *word = pg_text(rows, 0, 0), *party = pg_text(rows, 0, 1);
    for (size_t i = 0; i < sizeof REFUSALS / sizeof *REFUSALS; i++) {
        if (strcmp(word, REFUSALS[i].answer) != 0)
            continue;
        log_warn("enrolment %lld (%s) was refused: %s", (long long)caller->enrolment, party, word);
        say_error(door, caller, REFUSALS[i].code, REFUSALS[i].text);
        return;
    }
    char id[KEY_ID_TEXT_BYTES];
    keys_id(enrol->sign_public.data, id);
    Dongbo__Enrolled enrolled = DONGBO__ENROLLED__INIT;
    enrolled.party = (char *)party;
    enrolled.key_id = id;
    enrolled.signing_key = (ProtobufCBinaryData){KEY_BYTES, (uint8_t *)door->keys->sign_public};
    log_info("%s enrolled with key %s", party, id);
    say(door, caller, FRAME_ENROLLED, &enrolled.base);
}

static int decide(Door *door, const Caller *caller, const Dongbo__Enrol *enrol) {
    PGresult *rows = NULL;
    int r = pg_connected(door->pg) ? 0 : pg_connect(door->pg);
    int unproven = r == 0 && enrol != NULL ? check_signature(door, caller, enrol) : r;
    if (unproven < 0)
        return unproven;
    const Dongbo__Enrol *proven = unproven == 0 ? enrol : NULL; // the try counts all the same
    r = ask(door, caller, proven, &rows);
    if (r == 0)
        answer(door, caller, enrol, rows);
    PQclear(rows);
    return r;
}

static bool is_too_often(Door *door) {
    int64_t second = clock_monotonic_ms(door->clock) / SECOND_MS;
    if (second != door->second)
        door->n = 0;
    door->second = second;
    return ++door->n > ENROL_REQUESTS_MAX;
}

static void hear(Door *door, const Caller *caller, const zframe_t *bytes) {
    Frame frame;
    ProtobufCMessage *message = NULL;
    arena_reset(door->arena);
    if (is_too_often(door)) {
        say_error(door, caller, DONGBO__ERROR__CODE__INTERNAL, "Too many ask at once: try again in some seconds.");
        return;
    }
    if (frame_read(zframe_data((zframe_t *)bytes), zframe_size((zframe_t *)bytes), &frame) == 0 &&
        frame.type == FRAME_ENROL)
        (void)frame_decode(&frame, &dongbo__enrol__descriptor, arena_protobuf(door->arena), &message);
    const Dongbo__Enrol *enrol = (const Dongbo__Enrol *)message;
    if (enrol != NULL && !is_well_formed(enrol))
        enrol = NULL;
    int r = decide(door, caller, enrol);
    if (r == 0)
        return;
    log_warn("enrolment: %s", error_text());
    pg_disconnect(door->pg);
    say_error(door, caller, DONGBO__ERROR__CODE__INTERNAL,
              "The exchange's database does not answer: nothing was changed, try again.");
}

static void receive(Door *door) {
    zframe_t *route = NULL, *bytes = NULL;
    char user[64];
    int r = socket_receive(door->router, &route, &bytes, user);
    long long enrolment = 0;
    if (r != 1 && route != NULL && sscanf(user, ZAP_ENROLMENT ":%lld:", &enrolment) == 1 && bytes != NULL)
        hear(door, &(Caller){route, enrolment}, bytes);
    zframe_destroy(&route);
    zframe_destroy(&bytes);
}

static void run(zsock_t *pipe, void *argument) {
    Door *door = argument;
    zmq_pollitem_t items[] = {{zsock_resolve(pipe), 0, ZMQ_POLLIN, 0}, {zsock_resolve(door->router), 0, ZMQ_POLLIN, 0}};
    while ((zmq_poll(items, 2, -1) >= 0 || errno == EINTR) && items[0].revents == 0) {
        if (items[1].revents != 0)
            receive(door);
    }
}

static void destroy(void *pointer) {
    Door *door = pointer;
    zsock_destroy(&door->router);
    pg_destroy(&door->pg);
    arena_destroy(&door->arena);
    bytes_free(&door->out);
    free(door);
}

int door_new(zactor_t **ret, const DoorOptions *options, int *ret_port) {
    static const ThreadKind kind = {"the enrolment door", run, destroy};
    Door *door = calloc(1, sizeof *door);
    if (door == NULL)
        return error_fail(ERROR_MEMORY, "no memory for the enrolment door");
    door->keys = options->keys;
    door->clock = options->clock;
    int r = pg_new(&door->pg, options->exchange, "dongbo door");
    if (r == 0)
        r = arena_new(&door->arena, ARENA_BYTES);
    if (r == 0)
        r = socket_bind_door(&door->router, options->endpoint, options->keys, ret_port);
    if (r < 0) {
        destroy(door);
        return r;
    }
    return thread_start(ret, &kind, door);
}
