// SPDX-License-Identifier: Apache-2.0
//
// The feed's thread counts and hands over, the other one decodes, asks the databases and packs the answer. What fails
// for want of a database is answered so, and the subscriber asks again.
#include "broker/follower.h"

#include "broker/follower_store.h"
#include "broker/mail.h"
#include "broker/thread.h"
#include "broker/witness.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/bounds.h"
#include "proto/denial.h"
#include "proto/next_keys.h"
#include "proto/socket.h"
#include "wire.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ASKED_MAX 1024 // that wait, of all subscriptions
#define ARENA_BYTES (1024 * 1024)
#define NUMBER_DIGITS_MAX 12
#define CANNOT "The exchange cannot look just now. Ask again in a moment, another endpoint first."

// One Follow or AskHeads, and its answer.
typedef struct Asked {
    FrameType type;
    int32_t subscription;
    PolicyVersion version;
    zframe_t *route;
    Bytes body;  // as it came
    Bytes frame; // to be sent
} Asked;

typedef struct HeadsSigned {
    Bytes body;
    uint8_t signature[SIGNATURE_BYTES];
} HeadsSigned;

typedef struct Actor {
    FollowerStore *store;
    Witness *witness;
    NextKeys *next_keys; // NULL: none are announced
    Signer *signer;
    Arena *arena;
    zsock_t *pipe, *inbox, *answers;
    Retry retry;
} Actor;

struct Follower {
    zactor_t *actor;
    zsock_t *inbox, *asks;
    int32_t waiting[ASKED_MAX]; // whose
    size_t n_waiting;
};

static void asked_destroy(Asked **asked) {
    if (*asked == NULL)
        return;
    zframe_destroy(&(*asked)->route);
    bytes_free(&(*asked)->body);
    bytes_free(&(*asked)->frame);
    free(*asked);
    *asked = NULL;
}

static void drain(zsock_t *inbox) {
    MailKind kind;
    void *pointer;
    while (inbox != NULL && mail_receive(inbox, &kind, &pointer) == 0) {
        Asked *asked = pointer;
        asked_destroy(&asked);
    }
}

// ---- one request ---------------------------------------------------------------------------------------------------

static void answer_error(Asked *asked, Dongbo__Error__Code code, const char *text) {
    Dongbo__Error error = DONGBO__ERROR__INIT;
    error.code = code;
    error.text = (char *)text;
    frame_write(&asked->frame, FRAME_ERROR, 0, 1, &error.base);
}

static void answer(Asked *asked, const Dongbo__Followed *followed) {
    frame_write(&asked->frame, FRAME_FOLLOWED, 0, 1, &followed->base);
}

// Digits, so that it is nobody's by accident.
static bool is_number(const char *text) {
    size_t n = strspn(text, "0123456789");
    return n > 0 && n <= NUMBER_DIGITS_MAX && text[n] == '\0';
}

static void take_numbers(FollowerNumbers *numbers, char **texts, size_t n, bool removed) {
    for (size_t i = 0; i < n; i++)
        numbers->list[numbers->n++] =
            (FollowerNumber){.number = is_number(texts[i]) ? texts[i] : "", .removed = removed};
}

static void judge(const PolicyVersion *version, const FollowerNumbers *numbers) {
    for (size_t i = 0; i < numbers->n; i++) {
        FollowerNumber *number = &numbers->list[i];
        number->covered =
            !number->removed && number->person != 0 && policy_sees_home(version, number->province, number->province63);
    }
}

// `limit` is what follower_store_keep() says.
static void answer_limit(Asked *asked, int limit) {
    char text[200];
    if (limit == 3) {
        answer_error(asked, DONGBO__ERROR__CODE__FOLLOW_OLD,
                     "A later change of this list was taken already, and nothing of this one: begin a turn, and say "
                     "again what still holds. A program that begins none is too old for a list that others change "
                     "with one.");
        return;
    }
    if (limit == 1)
        snprintf(text, sizeof text, "A list has at most %d persons. Nothing of this was taken: remove some first.",
                 FOLLOWED_MAX);
    else
        snprintf(text, sizeof text,
                 "A list changes by at most %d persons a day, and this one has. Nothing of this was taken: go on "
                 "tomorrow, or ask the exchange's operators.",
                 FOLLOW_CHANGES_PER_DAY_MAX);
    answer_error(asked, DONGBO__ERROR__CODE__FOLLOW_LIMIT, text);
}

static int change(Actor *actor, Asked *asked, const Dongbo__Follow *follow) {
    size_t n = follow->n_add + follow->n_remove;
    FollowerNumbers numbers = {.list = arena_alloc(actor->arena, n * sizeof(FollowerNumber) + 1),
                               .turn = (int64_t)follow->turn,
                               .request = (int64_t)follow->request};
    Dongbo__Followed followed = DONGBO__FOLLOWED__INIT;
    followed.not_covered = arena_alloc(actor->arena, n * sizeof(char *) + 1);
    if (numbers.list == NULL || followed.not_covered == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a Follow");
    take_numbers(&numbers, follow->add, follow->n_add, false);
    take_numbers(&numbers, follow->remove, follow->n_remove, true);
    FollowerCount count;
    int result = follower_store_find(actor->store, &numbers);
    if (result == 0) {
        judge(&asked->version, &numbers);
        result = follower_store_keep(actor->store, asked->subscription, &numbers, &count);
    }
    int64_t turn = 0;
    if (result == 0 && follow->begin)
        result = follower_store_turn(actor->store, asked->subscription, &turn);
    if (result < 0)
        return result;
    if (result > 0) {
        answer_limit(asked, result);
        return 0;
    }
    for (size_t i = 0; i < follow->n_add; i++)
        if (!numbers.list[i].covered)
            followed.not_covered[followed.n_not_covered++] = follow->add[i];
    followed.request = follow->request;
    followed.turn = (uint64_t)turn;
    followed.followed = count.followed;
    followed.waiting = count.waiting;
    followed.next_keys = next_keys_say(actor->next_keys, &follow->challenge);
    answer(asked, &followed);
    return 0;
}

static int list(Actor *actor, Asked *asked, const Dongbo__Follow *follow) {
    FollowerPage page;
    Dongbo__Followed followed = DONGBO__FOLLOWED__INIT;
    int result = follower_store_list(actor->store, actor->arena, asked->subscription, follow->after, &page);
    if (result < 0)
        return result;
    followed.request = follow->request;
    followed.numbers = page.numbers;
    followed.n_numbers = page.n;
    followed.more = page.more;
    followed.followed = page.count.followed;
    followed.waiting = page.count.waiting;
    followed.next_keys = next_keys_say(actor->next_keys, &follow->challenge);
    answer(asked, &followed);
    return 0;
}

static int look_at(Actor *actor, Asked *asked) {
    Frame frame = {.type = FRAME_FOLLOW, .body = asked->body.data, .body_bytes = asked->body.n};
    ProtobufCMessage *message;
    arena_reset(actor->arena);
    if (frame_decode(&frame, &dongbo__follow__descriptor, arena_protobuf(actor->arena), &message) != 0) {
        answer_error(asked, DONGBO__ERROR__CODE__BAD_FRAME, "Follow does not decode. Compare PROTOCOL.md.");
        return 0;
    }
    const Dongbo__Follow *follow = (const Dongbo__Follow *)message;
    bool changes = follow->n_add + follow->n_remove > 0;
    if (changes + follow->list + follow->begin > 1 || (!follow->list && *follow->after)) {
        answer_error(asked, DONGBO__ERROR__CODE__BAD_FRAME,
                     "A Follow changes the list, asks for it, or begins a turn, and no two of these.");
        return 0;
    }
    if (changes && (follow->turn > INT64_MAX || (follow->turn > 0 && follow->request > INT64_MAX))) {
        answer_error(asked, DONGBO__ERROR__CODE__BAD_FRAME,
                     "A Follow's turn, and its request in a turn, are at most 2^63 - 1.");
        return 0;
    }
    if (follow->n_add + follow->n_remove > FOLLOW_NUMBERS_MAX) {
        answer_error(asked, DONGBO__ERROR__CODE__FOLLOW_LIMIT, "A Follow has more numbers than one may: send several.");
        return 0;
    }
    int result = follower_store_connect(actor->store);
    if (result < 0)
        return result;
    return follow->list ? list(actor, asked, follow) : change(actor, asked, follow);
}

// Of those who asked for it: what they asked and are answered, in `body`, and nothing of it beside that.
static int sign_heads(Actor *actor, const Dongbo__AskHeads *ask, HeadsSigned *ret, Dongbo__Heads *heads) {
    Dongbo__HeadsBody body = DONGBO__HEADS_BODY__INIT;
    body.challenge = ask->answer_challenge;
    body.after = ask->after;
    body.size = ask->size;
    body.n_heads = heads->n_heads;
    body.heads = heads->heads;
    body.n_path = heads->n_path;
    body.path = heads->path;
    body.newest = heads->newest;
    body.announcement = heads->announcement;
    bytes_append_message(&ret->body, &body.base);
    if (ret->body.failed)
        return error_fail(ERROR_MEMORY, "no memory for signed heads");
    int result = signer_sign(actor->signer, "dongbo heads 1", ret->body.data, ret->body.n, ret->signature);
    dongbo__heads__init(heads);
    heads->request = ask->request;
    heads->body = (ProtobufCBinaryData){ret->body.n, ret->body.data};
    heads->signature = (ProtobufCBinaryData){SIGNATURE_BYTES, ret->signature};
    return result;
}

static int tell_heads(Actor *actor, Asked *asked) {
    Frame frame = {.type = FRAME_ASK_HEADS, .body = asked->body.data, .body_bytes = asked->body.n};
    ProtobufCMessage *message = NULL;
    Dongbo__Heads heads;
    arena_reset(actor->arena);
    if (frame_decode(&frame, &dongbo__ask_heads__descriptor, arena_protobuf(actor->arena), &message) != 0) {
        answer_error(asked, DONGBO__ERROR__CODE__BAD_FRAME, "AskHeads does not decode. Compare PROTOCOL.md.");
        return 0;
    }
    const Dongbo__AskHeads *ask = (const Dongbo__AskHeads *)message;
    HeadsSigned said = {0};
    int result = witness_answer(actor->witness, ask, actor->arena, &heads);
    if (result == 0 && ask->answer_challenge.len == DENIAL_CHALLENGE_BYTES)
        result = sign_heads(actor, ask, &said, &heads);
    heads.next_keys = next_keys_say(actor->next_keys, &ask->challenge);
    if (result == 0)
        frame_write(&asked->frame, FRAME_HEADS, 0, 1, &heads.base);
    bytes_free(&said.body);
    return result;
}

static void serve(Actor *actor, Asked *asked) {
    int result = asked->type == FRAME_ASK_HEADS ? tell_heads(actor, asked) : look_at(actor, asked);
    if (result < 0) {
        retry_failed(&actor->retry);
        follower_store_drop(actor->store);
        witness_drop(actor->witness);
        answer_error(asked, DONGBO__ERROR__CODE__INTERNAL, CANNOT);
    } else {
        retry_succeeded(&actor->retry);
    }
    mail_send(actor->answers, MAIL_FOLLOW, asked);
}

// ---- its thread ----------------------------------------------------------------------------------------------------

static void run(zsock_t *pipe, void *state) {
    Actor *actor = state;
    zmq_pollitem_t items[] = {{zsock_resolve(pipe), 0, ZMQ_POLLIN, 0}, {zsock_resolve(actor->inbox), 0, ZMQ_POLLIN, 0}};
    MailKind kind;
    void *asked;
    while (zmq_poll(items, 2, -1) >= 0 && items[0].revents == 0)
        if (mail_receive(actor->inbox, &kind, &asked) == 0)
            serve(actor, asked);
}

static void destroy(void *state) {
    Actor *actor = state;
    drain(actor->inbox);
    follower_store_destroy(&actor->store);
    witness_destroy(&actor->witness);
    next_keys_destroy(&actor->next_keys);
    signer_destroy(&actor->signer);
    arena_destroy(&actor->arena);
    zsock_destroy(&actor->inbox);
    zsock_destroy(&actor->answers);
    free(actor);
}

// ---- the feed's side -----------------------------------------------------------------------------------------------

static int actor_new(Follower *follower, const FollowerOptions *options) {
    static const ThreadKind kind = {"what is asked outside of sessions", run, destroy};
    char asks[64], answers[64];
    Actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL)
        return error_fail(ERROR_MEMORY, "no memory for followed persons");
    actor->retry = (Retry){.waiting = "lists of followed persons and signed heads cannot be looked at",
                           .over = "lists of followed persons and signed heads can be looked at again"};
    snprintf(asks, sizeof asks, "inproc://follow-%p", (void *)follower);
    snprintf(answers, sizeof answers, "inproc://followed-%p", (void *)follower);
    int result = follower_store_new(&actor->store, options->exchange, options->population);
    if (result == 0)
        result = witness_new(&actor->witness, options->exchange);
    if (result == 0)
        result = next_keys_new(&actor->next_keys, options->keys, options->next_keys);
    if (result == 0)
        result = signer_new(&actor->signer, options->keys->sign_secret);
    if (result == 0)
        result = arena_new(&actor->arena, ARENA_BYTES);
    if (result == 0)
        result = mail_bind(&actor->inbox, asks);
    if (result == 0)
        result = mail_bind(&follower->inbox, answers);
    if (result == 0)
        result = mail_connect(&follower->asks, asks);
    if (result == 0)
        result = mail_connect(&actor->answers, answers);
    if (result < 0) {
        destroy(actor);
        return result;
    }
    return thread_start(&follower->actor, &kind, actor);
}

int follower_new(Follower **ret, const FollowerOptions *options) {
    Follower *follower = calloc(1, sizeof *follower);
    if (follower == NULL)
        return error_fail(ERROR_MEMORY, "no memory for followed persons");
    int result = actor_new(follower, options);
    if (result < 0)
        follower_destroy(&follower);
    *ret = follower;
    return result;
}

void follower_destroy(Follower **pointer) {
    Follower *follower = *pointer;
    if (follower == NULL)
        return;
    zactor_destroy(&follower->actor);
    drain(follower->inbox);
    zsock_destroy(&follower->inbox);
    zsock_destroy(&follower->asks);
    free(follower);
    *pointer = NULL;
}

static size_t count_waiting(const Follower *follower, int32_t subscription) {
    size_t n = 0;
    for (size_t i = 0; i < follower->n_waiting; i++)
        n += follower->waiting[i] == subscription;
    return n;
}

int follower_ask(Follower *follower, const zframe_t *route, const Policy *policy, const Frame *frame) {
    if (frame->body_bytes > FOLLOW_BYTES_MAX || count_waiting(follower, policy->subscription) >= FOLLOW_REQUESTS_MAX)
        return 1;
    Asked *asked = follower->n_waiting == ASKED_MAX ? NULL : calloc(1, sizeof *asked);
    if (asked == NULL)
        return 2;
    asked->type = frame->type;
    asked->subscription = policy->subscription;
    asked->version = *policy_current(policy);
    asked->route = zframe_dup((zframe_t *)route);
    bytes_append(&asked->body, frame->body, frame->body_bytes);
    if (asked->route == NULL || asked->body.failed) {
        asked_destroy(&asked);
        return 2;
    }
    follower->waiting[follower->n_waiting++] = asked->subscription;
    mail_send(follower->asks, MAIL_FOLLOW, asked);
    return 0;
}

void *follower_socket(Follower *follower) {
    return zsock_resolve(follower->inbox);
}

static void forget(Follower *follower, int32_t subscription) {
    for (size_t i = 0; i < follower->n_waiting; i++) {
        if (follower->waiting[i] != subscription)
            continue;
        follower->waiting[i] = follower->waiting[--follower->n_waiting];
        return;
    }
}

void follower_answer(Follower *follower, FollowerSay say, void *self) {
    MailKind kind;
    void *pointer;
    while (mail_receive(follower->inbox, &kind, &pointer) == 0) {
        Asked *asked = pointer;
        forget(follower, asked->subscription);
        say(self, asked->route, asked->subscription, &asked->frame);
        asked_destroy(&asked);
    }
}
