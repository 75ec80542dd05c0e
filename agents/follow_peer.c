// SPDX-License-Identifier: Apache-2.0
//
// Requests change nothing when they come twice, so that whatever was not answered is simply sent again.
#include "agents/follow_peer.h"

#include "proto/base/error.h"

#include <stdlib.h>

// Under way: half of what a broker takes, so that those of a connection that was lost are in nobody's way.
#define ASKS 4

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

static void pack(FollowPeer *peer, const Slot *slot) {
    Dongbo__Follow follow = DONGBO__FOLLOW__INIT;
    char *numbers[FOLLOW_NUMBERS_MAX];
    for (size_t i = 0; i < slot->ask.n; i++)
        numbers[i] = (char *)slot->ask.numbers[i];
    follow.request = slot->request;
    follow.challenge = peer->asker.challenge;
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
    bytes_clear(&peer->asker.out);
    frame_write(&peer->asker.out, FRAME_FOLLOW, 0, slot->request, &follow.base);
}

// As far as the socket takes them. Returns whether all are sent.
static int send_open(FollowPeer *peer, bool *ret_all) {
    *ret_all = true;
    for (int i = 0; i < ASKS; i++) {
        Slot *slot = &peer->slots[i];
        if (!slot->request || slot->sent)
            continue;
        pack(peer, slot);
        if (peer->asker.out.failed)
            return error_fail(ERROR_MEMORY, "no memory for a request");
        slot->sent = asker_send(&peer->asker);
        *ret_all = *ret_all && slot->sent;
    }
    return 0;
}

void follow_peer_send(FollowPeer *peer, FollowAsk *ask) {
    Slot *slot = (Slot *)ask; // its first member
    if (!any_open(peer))
        asker_asked(&peer->asker);
    slot->request = ++peer->requests;
    slot->sent = false;
}

static int take_answer(FollowPeer *peer, const Dongbo__Followed *answer) {
    for (int i = 0; i < ASKS; i++) {
        Slot *slot = &peer->slots[i];
        if (!slot->request || slot->request != answer->request)
            continue;
        asker_served(&peer->asker);
        (void)asker_hear(&peer->asker, answer->next_keys);
        slot->request = 0;
        return peer->options.answered(peer->options.self, &slot->ask, answer);
    }
    return 0; // of what was asked before, and answered elsewhere
}

static int take_frames(FollowPeer *peer) {
    const void *message;
    int r;
    do {
        r = asker_take(&peer->asker, FRAME_FOLLOWED, &dongbo__followed__descriptor, &message);
        if (r == 0 && message)
            r = take_answer(peer, message);
    } while (r == 0 && message);
    return r;
}

static int step(FollowPeer *peer) {
    bool all_sent = true;
    int r = asker_connect(&peer->asker);
    for (int i = 0; r == 1 && i < ASKS; i++)
        peer->slots[i].sent = false;
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
