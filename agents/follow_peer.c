// SPDX-License-Identifier: Apache-2.0
//
// Requests change nothing when they come twice, so that whatever was not answered is simply sent again: in its order,
// for the exchange takes none behind a later one. Where it has taken one of somebody else's, what is not answered yet
// is said again in a new turn.
#include "agents/follow_peer.h"

#include "proto/base/error.h"

#include <stdlib.h>

// Under way: half of what a broker takes, so that those of a connection that was lost are in nobody's way.
#define ASKS 4
#define TURNS_MAX 100 // behind each other without an answer to anything else

typedef struct Slot {
    FollowAsk ask;
    uint64_t request; // 0: free
    bool sent;        // over the present connection
} Slot;

struct FollowPeer {
    FollowPeerOptions options;
    Asker asker;
    uint64_t requests;
    Slot slots[ASKS];
    enum { TURN_NONE, TURN_ASKED, TURN_HELD } state;
    uint64_t turn; // that is held; 0: of a broker that knows of none
    uint64_t turn_request;
    int turns;
};

int follow_peer_new(FollowPeer **ret, const FollowPeerOptions *options) {
    FollowPeer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return error_fail(ERROR_MEMORY, "no memory for requests");
    peer->options = *options;
    int r = asker_begin(&peer->asker, &options->asker);
    if (r < 0)
        follow_peer_destroy(&peer);
    *ret = peer;
    return r;
}

void follow_peer_destroy(FollowPeer **pointer) {
    FollowPeer *peer = *pointer;
    if (!peer)
        return;
    asker_end(&peer->asker);
    free(peer);
    *pointer = NULL;
}

const char *follow_peer_text(const FollowPeer *peer) {
    return peer->asker.text;
}

static bool any_open(const FollowPeer *peer) {
    for (int i = 0; i < ASKS; i++)
        if (peer->slots[i].request)
            return true;
    return false;
}

// ---- requests ------------------------------------------------------------------------------------------------------

static int say(FollowPeer *peer, Dongbo__Follow *follow, bool *ret_sent) {
    follow->challenge = peer->asker.challenge;
    bytes_clear(&peer->asker.out);
    frame_write(&peer->asker.out, FRAME_FOLLOW, 0, follow->request, &follow->base);
    if (peer->asker.out.failed)
        return error_fail(ERROR_MEMORY, "no memory for a request");
    *ret_sent = asker_send(&peer->asker);
    return 0;
}

static int send_slot(FollowPeer *peer, Slot *slot) {
    Dongbo__Follow follow = DONGBO__FOLLOW__INIT;
    char *numbers[FOLLOW_NUMBERS_MAX];
    for (size_t i = 0; i < slot->ask.n; i++)
        numbers[i] = (char *)slot->ask.numbers[i];
    follow.request = slot->request;
    follow.turn = slot->ask.kind == FOLLOW_LIST ? 0 : peer->turn;
    if (slot->ask.kind == FOLLOW_ADD) {
        follow.add = numbers;
        follow.n_add = slot->ask.n;
    } else if (slot->ask.kind == FOLLOW_REMOVE) {
        follow.remove = numbers;
        follow.n_remove = slot->ask.n;
    } else {
        follow.list = true;
        follow.after = slot->ask.n > 0 ? numbers[0] : follow.after;
    }
    return say(peer, &follow, &slot->sent);
}

static int begin_turn(FollowPeer *peer, bool *ret_sent) {
    Dongbo__Follow follow = DONGBO__FOLLOW__INIT;
    follow.request = peer->turn_request = ++peer->requests;
    follow.begin = true;
    int r = say(peer, &follow, ret_sent);
    if (r == 0 && *ret_sent)
        peer->state = TURN_ASKED;
    return r;
}

// The first of those that are to be sent; NULL: none.
static Slot *next_to_send(FollowPeer *peer) {
    Slot *next = NULL;
    for (int i = 0; i < ASKS; i++) {
        Slot *slot = &peer->slots[i];
        if (slot->request && !slot->sent && (!next || slot->request < next->request))
            next = slot;
    }
    return next;
}

// As far as the socket takes them, and they have a turn. *ret_all: nothing waits for the socket.
static int send_open(FollowPeer *peer, bool *ret_all) {
    Slot *slot;
    int r = 0;
    *ret_all = true;
    while (r == 0 && *ret_all && (slot = next_to_send(peer))) {
        if (slot->ask.kind == FOLLOW_LIST || peer->state == TURN_HELD) {
            r = send_slot(peer, slot);
            *ret_all = slot->sent;
        } else if (peer->state == TURN_ASKED) {
            break;
        } else {
            r = begin_turn(peer, ret_all);
        }
    }
    return r;
}

void follow_peer_send(FollowPeer *peer, FollowAsk *ask) {
    Slot *slot = (Slot *)ask; // its first member
    if (!any_open(peer))
        asker_asked(&peer->asker);
    slot->request = ++peer->requests;
    slot->sent = false;
}

static void send_again(FollowPeer *peer) {
    for (int i = 0; i < ASKS; i++)
        peer->slots[i].sent = false;
}

// Of those under way before, too: they are said again.
static void lose_turn(FollowPeer *peer) {
    if (peer->state != TURN_HELD)
        return;
    peer->state = TURN_NONE;
    peer->turns++;
    send_again(peer);
}

static int take_answer(FollowPeer *peer, const Dongbo__Followed *answer) {
    if (peer->state == TURN_ASKED && answer->request == peer->turn_request) {
        asker_served(&peer->asker);
        (void)asker_hear(&peer->asker, answer->next_keys);
        peer->turn = answer->turn;
        peer->state = TURN_HELD;
        return 0;
    }
    for (int i = 0; i < ASKS; i++) {
        Slot *slot = &peer->slots[i];
        if (!slot->request || slot->request != answer->request)
            continue;
        asker_served(&peer->asker);
        (void)asker_hear(&peer->asker, answer->next_keys);
        slot->request = 0;
        peer->turns = 0;
        return peer->options.answered(peer->options.self, &slot->ask, answer);
    }
    return 0; // of what was asked before, and answered elsewhere
}

static int take_frames(FollowPeer *peer) {
    const void *message;
    bool more;
    int r;
    do {
        r = asker_take(&peer->asker, FRAME_FOLLOWED, &dongbo__followed__descriptor, &message);
        bool old = r == 1 && peer->asker.refused == DONGBO__ERROR__CODE__FOLLOW_OLD && peer->turns < TURNS_MAX;
        if (old)
            lose_turn(peer);
        if (r == 0 && message)
            r = take_answer(peer, message);
        more = old || (r == 0 && message);
        r = old ? 0 : r;
    } while (more);
    return r;
}

static int step(FollowPeer *peer) {
    bool all_sent = true;
    int r = asker_connect(&peer->asker);
    if (r == 1) {
        send_again(peer);
        peer->state = peer->state == TURN_ASKED ? TURN_NONE : peer->state;
    }
    if (r >= 0)
        r = send_open(peer, &all_sent);
    if (r == 0)
        r = asker_wait(&peer->asker, all_sent);
    return r != 0 ? r : take_frames(peer);
}

int follow_peer_room(FollowPeer *peer, FollowAsk **ret) {
    for (;;) {
        for (int i = 0; i < ASKS; i++) {
            if (peer->slots[i].request)
                continue;
            peer->slots[i].ask.n = 0;
            *ret = &peer->slots[i].ask;
            return 0;
        }
        int r = step(peer);
        if (r != 0)
            return r;
    }
}

int follow_peer_finish(FollowPeer *peer) {
    int r = 0;
    while (r == 0 && any_open(peer))
        r = step(peer);
    return r;
}
