// SPDX-License-Identifier: Apache-2.0
//
// A question changes nothing, so whatever was not answered is simply asked again.
#include "agents/heads_peer.h"

#include "proto/base/error.h"

#include <stdio.h>
#include <stdlib.h>

struct HeadsPeer {
    Asker asker;
    uint64_t request;
    bool sent; // over the present connection
    bool learnt;
    bool answered; // what was asked last, with something of use
    Dongbo__AskHeads ask;
    const Dongbo__Heads *answer; // NULL: not yet
};

int heads_peer_new(HeadsPeer **ret, const AskerOptions *options) {
    HeadsPeer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return error_fail(ERROR_MEMORY, "no memory for questions");
    int r = asker_begin(&peer->asker, options);
    if (r < 0)
        heads_peer_destroy(&peer);
    *ret = peer;
    return r;
}

void heads_peer_destroy(HeadsPeer **pointer) {
    HeadsPeer *peer = *pointer;
    if (peer == NULL)
        return;
    asker_end(&peer->asker);
    free(peer);
    *pointer = NULL;
}

const char *heads_peer_text(const HeadsPeer *peer) {
    return peer->asker.text;
}

int heads_peer_lose(HeadsPeer *peer, const char *why) {
    peer->answered = false;
    return asker_lose(&peer->asker, why);
}

bool heads_peer_learnt(const HeadsPeer *peer) {
    return peer->learnt;
}

static int send_ask(HeadsPeer *peer) {
    peer->ask.challenge = peer->asker.challenge;
    bytes_clear(&peer->asker.out);
    frame_write(&peer->asker.out, FRAME_ASK_HEADS, 0, peer->request, &peer->ask.base);
    if (peer->asker.out.failed)
        return error_fail(ERROR_MEMORY, "no memory for a question");
    peer->sent = asker_send(&peer->asker);
    return 0;
}

static int take_frames(HeadsPeer *peer) {
    const void *message;
    int r;
    while ((r = asker_take(&peer->asker, FRAME_HEADS, &dongbo__heads__descriptor, &message)) == 0 && message != NULL) {
        const Dongbo__Heads *heads = message;
        if (heads->request != peer->request)
            continue; // of what was asked before
        peer->answer = heads;
        break;
    }
    if (r == 1 && peer->asker.refused == DONGBO__ERROR__CODE__BAD_FRAME)
        snprintf(peer->asker.text, sizeof peer->asker.text,
                 "this exchange does not answer for signed heads: upgrade it first");
    return r;
}

static int step(HeadsPeer *peer) {
    int r = asker_connect(&peer->asker);
    if (r < 0)
        return r;
    peer->sent = peer->sent && r == 0;
    r = peer->sent ? 0 : send_ask(peer);
    if (r == 0)
        r = asker_wait(&peer->asker, peer->sent);
    return r != 0 ? r : take_frames(peer);
}

const uint8_t *heads_peer_challenge(const HeadsPeer *peer) {
    return peer->asker.doubt.asked.challenge;
}

int heads_peer_ask(HeadsPeer *peer, uint64_t after, uint64_t size, const Dongbo__Heads **ret) {
    if (peer->answered)
        asker_served(&peer->asker);
    peer->answered = false;
    dongbo__ask_heads__init(&peer->ask);
    peer->ask.request = ++peer->request;
    peer->ask.after = after;
    peer->ask.size = size;
    peer->answer = NULL;
    peer->sent = false;
    asker_asked(&peer->asker);
    int r = doubt_ask(&peer->asker.doubt, peer->asker.options.clock, &peer->ask.answer_challenge);
    while (r == 0 && peer->answer == NULL)
        r = step(peer);
    if (r != 0)
        return r;
    peer->answered = true;
    peer->learnt = asker_hear(&peer->asker, peer->answer->next_keys) == 1;
    *ret = peer->answer;
    return 0;
}
