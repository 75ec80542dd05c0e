// SPDX-License-Identifier: Apache-2.0
//
// The batches that wait for a work, by agency, and whose turn is next: the agency's that has the fewest works under
// way, and of those with equally many whoever was served longest ago. So nobody waits for all that another one sent,
// however much that is and however long each of its batches takes. What an agency sent in one kind of stream stays in
// order. A backlog never stands before what happens today, and neither starves. Knows no session and no socket.
#pragma once

#include <czmq.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a batch is counted by, while it waits and while a work has it.
typedef struct Turn {
    uint32_t agency;
    bool bulk;       // of a bulk stream
    bool population; // of an agency that may change the population store
    size_t bytes;
} Turn;

typedef struct Arrival Arrival;
struct Arrival {
    Arrival *next;
    Turn turn;
    uint64_t session;
    uint64_t first_sequence;
    zframe_t *frame; // owned
};
void arrival_destroy(Arrival **arrival);

typedef struct Queue Queue;
int queue_new(Queue **ret); // ERROR_MEMORY
void queue_destroy(Queue **queue);
// Takes it. Where it does not, it stays the caller's: 1 when more waits than is taken, 2 when more of this agency does.
int queue_push(Queue *queue, Arrival *arrival);
// Whose turn it is; it counts as a work until queue_end(). The caller's. NULL when nobody's, or all works are given
// out.
Arrival *queue_next(Queue *queue);
void queue_end(Queue *queue, const Turn *turn);
// How many bytes one session may have under way, of so many sessions, and so many of its agency: shares of what the
// queue takes, and never less than a batch.
uint64_t queue_window(size_t n_sessions, size_t n_of_agency);
