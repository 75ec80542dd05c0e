// SPDX-License-Identifier: Apache-2.0
//
// Sessions that are played against each other, step by step: on a real PostgreSQL each has a thread, in the simulation
// a fiber. Who plays sees whether a step is over, or waits for somebody's lock.
#pragma once

#include "proto/base/pg.h"

#include <stdbool.h>

typedef struct Actor Actor;
typedef int ActorStep(Pg *pg, void *argument); // what it returns is the step's result

// An empty exchange and population store, with agency 1, subscription 1 and citizen 1 (number 001200000001).
void actors_begin(void);
void actors_end(void);

Actor *actor_new(const char *name); // connected
// Begins it, and comes back when it is over or waits for a lock.
void actor_begin(Actor *actor, ActorStep *step, void *argument);
bool actor_waits(Actor *actor);
int actor_end(Actor *actor); // its result, once it is over
// Both: for a step that must not wait.
int actor_do(Actor *actor, ActorStep *step, void *argument);
// The session breaks off, as when its broker dies; what it had open is gone when this is over.
void actor_break(Actor *actor);
