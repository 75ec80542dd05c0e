// SPDX-License-Identifier: Apache-2.0
//
// Fibers of one process against the simulation's database.
#include "store-actor.h"

#include "base_rows.h"

#include <assert.h>
#include <string.h>

#define ACTORS_MAX 4
#define STEP_US 1000000 // longer than any statement takes that does not wait

struct Actor {
    Pg *pg;
    Fiber *fiber;
    ActorStep *step;
    void *argument;
    bool busy, over, breaks;
    int result;
};

static Actor actors[ACTORS_MAX];
static int n_actors;
static bool ending;

static void run(void *argument) {
    Actor *actor = argument;
    actor->fiber = world_present();
    pg_new(&actor->pg, "", "actor");
    pg_connect(actor->pg);
    while (!ending) {
        if (actor->breaks) {
            pg_disconnect(actor->pg);
            pg_connect(actor->pg);
            actor->breaks = false;
        }
        if (actor->busy) {
            actor->result = actor->step(actor->pg, actor->argument);
            actor->busy = false;
        }
        if (!ending)
            world_wait_until(WORLD_NEVER);
    }
    pg_destroy(&actor->pg);
}

static void play(void) {
    world_run(world_us() + STEP_US, NULL);
}

void actors_begin(void) {
    static const BaseSubscription SUBSCRIPTIONS[] = {{.subscription = 1, .name = "a"}};
    world_begin(1);
    base_begin(&(BaseFaults){.latency_us_max = 100});
    base_subscriptions = SUBSCRIPTIONS;
    base_n_subscriptions = 1;
    base_add_citizen(&(BaseCitizen){.person = 1,
                                    .number = "001200000001",
                                    .name = "x",
                                    .birth_date = "2000-01-01",
                                    .sex = "male",
                                    .mother = "",
                                    .province = "",
                                    .province63 = "",
                                    .died_on = ""});
    n_actors = 0;
    ending = false;
}

Actor *actor_new(const char *name) {
    assert(n_actors < ACTORS_MAX);
    Actor *actor = &actors[n_actors++];
    memset(actor, 0, sizeof *actor);
    world_process(name, run, actor);
    play();
    return actor;
}

void actor_begin(Actor *actor, ActorStep *step, void *argument) {
    assert(!actor->busy);
    actor->step = step;
    actor->argument = argument;
    actor->busy = true;
    world_wake(actor->fiber);
    play();
}

bool actor_waits(Actor *actor) {
    return actor->busy;
}

int actor_end(Actor *actor) {
    for (int i = 0; i < 20 && actor->busy; i++)
        play();
    assert(!actor->busy && "a step never ends");
    return actor->result;
}

int actor_do(Actor *actor, ActorStep *step, void *argument) {
    actor_begin(actor, step, argument);
    return actor_end(actor);
}

void actor_break(Actor *actor) {
    actor->breaks = true;
    world_wake(actor->fiber);
    play();
}

void actors_end(void) {
    ending = true;
    for (int i = 0; i < n_actors; i++)
        world_wake(actors[i].fiber);
    play();
    world_end();
    base_end();
}
