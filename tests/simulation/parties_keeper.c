// SPDX-License-Identifier: Apache-2.0
//
// Who keeps a committee's list of followed persons: as `dongbo-agent follow` does, beside the receiver and outside of
// its session. Now and then somebody is added or removed. What was not answered is in doubt, and said again; so is all
// of the list when the exchange's database was set back. What was answered holds, whatever comes late.
#include "parties_state.h"

#include "agents/follow_peer.h"

#define PATIENCE_MS 4000

// What is under way, and how often the exchange had forgotten something by then.
typedef struct Word {
    Party *party;
    int n_forgotten;
} Word;

static int person_of(const char *number) {
    int person = 0;
    while (strcmp(truth_number(person), number) != 0)
        person++;
    return person;
}

static int answered(void *self, const FollowAsk *ask, const Dongbo__Followed *answer) {
    const Word *word = self;
    Party *party = word->party;
    for (size_t i = 0; word->n_forgotten == party->n_forgotten && i < ask->n; i++) {
        bool covered = true;
        for (size_t k = 0; k < answer->n_not_covered; k++)
            covered = covered && strcmp(answer->not_covered[k], ask->numbers[i]) != 0;
        ListState *said = &party->said_list[person_of(ask->numbers[i])];
        if (ask->kind == FOLLOW_REMOVE)
            *said = LIST_OFF;
        else
            *said = covered ? LIST_ON : LIST_UNKNOWN;
    }
    return 0;
}

static void fill_with(Party *party, ListState wants, FollowAsk *ask) {
    ask->kind = wants == LIST_ON ? FOLLOW_ADD : FOLLOW_REMOVE;
    for (int person = 0; person < TRUTH_PERSONS; person++) {
        if (party->list[person] != wants || party->said_list[person] == wants)
            continue;
        party->said_list[person] = LIST_UNKNOWN;
        snprintf(ask->numbers[ask->n++], FOLLOW_NUMBER_BYTES, "%s", truth_number(person));
    }
}

// Of one kind at a time: who is not covered is asked for again and again.
static void fill(Party *party, FollowAsk *ask) {
    fill_with(party, LIST_OFF, ask);
    if (ask->n == 0)
        fill_with(party, LIST_ON, ask);
}

static void ask(Party *party) {
    char *endpoints[BROKERS_MAX];
    Keys exchange[2] = {parties.broker_keys};
    Word word = {party, party->n_forgotten};
    for (int i = 0; i < parties.plan.n_brokers; i++)
        endpoints[i] = parties.endpoints[1][(i + party->number) % parties.plan.n_brokers];
    FollowPeerOptions options = {.asker = {.endpoints = endpoints,
                                           .n_endpoints = (unsigned)parties.plan.n_brokers,
                                           .keys = &parties.committee_keys[party->number],
                                           .exchange = exchange,
                                           .clock = clock_system(),
                                           .timeout_ms = PATIENCE_MS},
                                 .answered = answered,
                                 .self = &word};
    FollowPeer *peer = NULL;
    FollowAsk *request = NULL;
    int r = follow_peer_new(&peer, &options);
    if (r == 0)
        r = follow_peer_room(peer, &request);
    if (r == 0) {
        fill(party, request);
        if (request->n > 0)
            follow_peer_send(peer, request);
        r = follow_peer_finish(peer);
    }
    if (r == 1 && !world_is_dead())
        world_fail("%s may not keep its list: %s", party->name, follow_peer_text(peer));
    follow_peer_destroy(&peer);
}

static void change_mind(Party *party) {
    for (uint64_t n = world_dice(3) + 1; n > 0; n--)
        party->list[world_dice(TRUTH_PERSONS)] = world_dice(3) == 0 ? LIST_OFF : LIST_ON;
}

void parties_forget_lists(void) {
    for (size_t i = 0; i < parties_count(); i++) {
        Party *party = party_at(i);
        party->n_forgotten++;
        memset(party->said_list, 0, sizeof party->said_list);
    }
}

void parties_keeper(zsock_t *pipe, void *argument) {
    Party *party = argument;
    zmq_pollitem_t item = {zsock_resolve(pipe), 0, ZMQ_POLLIN, 0};
    while (zmq_poll(&item, 1, 200 + (long)world_dice(parties.calm ? 800 : 4000)) >= 0 && item.revents == 0) {
        if (!parties.calm)
            change_mind(party);
        ask(party);
    }
}
