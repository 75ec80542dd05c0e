// SPDX-License-Identifier: Apache-2.0
//
// A list of the agencies that have something waiting or under way; few have at any time, so it is searched as it is.
#include "broker/queue.h"

#include "proto/base/error.h"
#include "proto/bounds.h"

#include <stdlib.h>

typedef struct Line {
    Arrival *first, **last; // in order of arrival; `last` is NULL while there is none
} Line;

typedef struct Party {
    uint32_t agency;
    Line live, bulk;
    size_t n_works;
    size_t n_batches, bytes; // of all that waits or is under way
    uint64_t served;         // which turn was its last one
} Party;

struct Queue {
    Party parties[SESSIONS_MAX];
    size_t n_parties;
    size_t n_works, n_bulk, n_population; // works that are out
    size_t live_in_row;                   // turns of live streams while bulk ones waited
    size_t n_batches, bytes;
    uint64_t turns;
};

void arrival_destroy(Arrival **pointer) {
    if (*pointer == NULL)
        return;
    zframe_destroy(&(*pointer)->frame);
    free(*pointer);
    *pointer = NULL;
}

int queue_new(Queue **ret) {
    *ret = calloc(1, sizeof **ret);
    return *ret == NULL ? error_fail(ERROR_MEMORY, "no memory for the queue") : 0;
}

static Arrival *line_take(Line *line) {
    Arrival *arrival = line->first;
    line->first = arrival->next;
    if (line->first == NULL)
        line->last = NULL;
    return arrival;
}

static void line_clear(Line *line) {
    while (line->first != NULL) {
        Arrival *arrival = line_take(line);
        arrival_destroy(&arrival);
    }
}

void queue_destroy(Queue **pointer) {
    Queue *queue = *pointer;
    if (queue == NULL)
        return;
    for (size_t i = 0; i < queue->n_parties; i++) {
        line_clear(&queue->parties[i].live);
        line_clear(&queue->parties[i].bulk);
    }
    free(queue);
    *pointer = NULL;
}

static Party *find(Queue *queue, uint32_t agency) {
    for (size_t i = 0; i < queue->n_parties; i++) {
        if (queue->parties[i].agency == agency)
            return &queue->parties[i];
    }
    return NULL;
}

static Party *find_or_add(Queue *queue, uint32_t agency) {
    Party *party = find(queue, agency);
    if (party != NULL || queue->n_parties == SESSIONS_MAX)
        return party;
    party = &queue->parties[queue->n_parties++];
    *party = (Party){.agency = agency};
    return party;
}

// By number, too: what holds a batch costs memory of its own, and that of short ones is most of what they cost.
int queue_push(Queue *queue, Arrival *arrival) {
    const Turn *turn = &arrival->turn;
    if (queue->bytes + turn->bytes > PUBLISH_QUEUE_BYTES || queue->n_batches == PUBLISH_QUEUE_BATCHES)
        return 1;
    Party *party = find_or_add(queue, turn->agency);
    if (party == NULL)
        return 1;
    if (party->bytes + turn->bytes > PUBLISH_AGENCY_BYTES || party->n_batches == PUBLISH_AGENCY_BATCHES)
        return 2; // so it has something in the queue, and stays
    Line *line = turn->bulk ? &party->bulk : &party->live;
    arrival->next = NULL;
    *(line->last == NULL ? &line->first : line->last) = arrival;
    line->last = &arrival->next;
    party->n_batches++;
    party->bytes += turn->bytes;
    queue->n_batches++;
    queue->bytes += turn->bytes;
    return 0;
}

// What changes the population store has to wait while that is away, and must leave works for the others.
static bool may_start(const Queue *queue, const Party *party, const Arrival *arrival) {
    return arrival != NULL && party->n_works < WORKS_AGENCY_MAX &&
           (!arrival->turn.population || queue->n_population < WORKS_POPULATION_MAX);
}

static bool goes_before(const Party *a, const Party *b) {
    return a->n_works != b->n_works ? a->n_works < b->n_works : a->served < b->served;
}

static Party *next_of(Queue *queue, bool bulk) {
    Party *best = NULL;
    for (size_t i = 0; i < queue->n_parties; i++) {
        Party *party = &queue->parties[i];
        const Line *line = bulk ? &party->bulk : &party->live;
        if (may_start(queue, party, line->first) && (best == NULL || goes_before(party, best)))
            best = party;
    }
    return best;
}

Arrival *queue_next(Queue *queue) {
    if (queue->n_works == WORKS_MAX)
        return NULL;
    Party *live = next_of(queue, false);
    // Some works stay free of bulk, for what is live does not wait for a backlog's batches to be stored.
    Party *bulk = queue->n_bulk < WORKS_BULK_MAX ? next_of(queue, true) : NULL;
    bool bulks_turn = live == NULL || (bulk != NULL && queue->live_in_row >= WORKS_LIVE_ROW);
    Party *party = bulks_turn ? bulk : live;
    if (party == NULL)
        return NULL;
    queue->live_in_row = bulks_turn ? 0 : queue->live_in_row + (bulk != NULL);
    Arrival *arrival = line_take(bulks_turn ? &party->bulk : &party->live);
    party->served = ++queue->turns;
    party->n_works++;
    queue->n_works++;
    queue->n_bulk += arrival->turn.bulk;
    queue->n_population += arrival->turn.population;
    return arrival;
}

void queue_end(Queue *queue, const Turn *turn) {
    Party *party = find(queue, turn->agency);
    party->n_works--;
    party->n_batches--;
    party->bytes -= turn->bytes;
    queue->n_batches--;
    queue->bytes -= turn->bytes;
    queue->n_works--;
    queue->n_bulk -= turn->bulk;
    queue->n_population -= turn->population;
    if (party->n_works > 0 || party->live.first != NULL || party->bulk.first != NULL)
        return;
    *party = queue->parties[--queue->n_parties];
}

uint64_t queue_window(size_t n_sessions, size_t n_of_agency) {
    uint64_t window = PUBLISH_CREDIT_BYTES;
    uint64_t of_all = PUBLISH_QUEUE_BYTES / (n_sessions + 1), of_agency = PUBLISH_AGENCY_BYTES / (n_of_agency + 1);
    if (of_all < window)
        window = of_all;
    if (of_agency < window)
        window = of_agency;
    return window < BATCH_BYTES_MAX ? BATCH_BYTES_MAX : window;
}
