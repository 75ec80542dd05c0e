// SPDX-License-Identifier: Apache-2.0
//
// Threads against the server beside the test (tests/unit/with-postgres).
#include "store-actor.h"

#include "proto/base/error.h"

#include <assert.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACTORS_MAX 4
#define PATIENCE 4000 // looks at whether a step is over or waits

struct Actor {
    Pg *pg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    ActorStep *step;
    void *argument;
    bool busy, over;
    int result, backend;
};

static Actor actors[ACTORS_MAX];
static int n_actors;
static Pg *control;

static void need(int r) {
    if (r == 0)
        return;
    fprintf(stderr, "%d: %s\n", r, error_text());
    abort();
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void migrate(const char *schema) {
    char path[512];
    const char *source = getenv("DONGBO_SOURCE");
    snprintf(path, sizeof path, "%s/schemas/%s", source ? source : ".", schema);
    struct dirent **files;
    int n = scandir(path, &files, NULL, by_name);
    assert(n > 0);
    for (int i = 0; i < n; i++) {
        if (strstr(files[i]->d_name, ".sql")) {
            static char sql[512 * 1024];
            snprintf(path, sizeof path, "%s/schemas/%s/%s", source ? source : ".", schema, files[i]->d_name);
            FILE *file = fopen(path, "r");
            assert(file != NULL);
            sql[fread(sql, 1, sizeof sql - 1, file)] = 0;
            fclose(file);
            need(pg_command(control, sql));
        }
        free(files[i]);
    }
    free(files);
}

static void *run(void *argument) {
    Actor *actor = argument;
    pthread_mutex_lock(&actor->lock);
    while (!actor->over) {
        if (!actor->busy) {
            pthread_cond_wait(&actor->wake, &actor->lock);
            continue;
        }
        pthread_mutex_unlock(&actor->lock);
        int result = actor->step(actor->pg, actor->argument);
        pthread_mutex_lock(&actor->lock);
        actor->result = result;
        actor->busy = false;
        pthread_cond_broadcast(&actor->wake);
    }
    pthread_mutex_unlock(&actor->lock);
    return NULL;
}

void actors_begin(void) {
    need(pg_new(&control, "", "control"));
    need(pg_connect(control));
    need(pg_command(control, "DROP SCHEMA IF EXISTS exchange CASCADE; DROP SCHEMA IF EXISTS population CASCADE"));
    migrate("exchange");
    migrate("population");
    need(
        pg_command(control, "INSERT INTO exchange.agency (agency, code, name, domains) VALUES (1, 'MOH', 'x', '{2}')"));
    need(pg_command(control, "INSERT INTO exchange.subscription (subscription, name, subscriber, secret)"
                             " VALUES (1, 'a', 'a', sha256('a'))"));
    need(pg_command(control, "INSERT INTO population.citizen (citizen_number, full_name, birth_date, sex)"
                             " VALUES ('001200000001', 'x', '2000-01-01', 'male')"));
    n_actors = 0;
}

Actor *actor_new(const char *name) {
    assert(n_actors < ACTORS_MAX);
    Actor *actor = &actors[n_actors++];
    *actor = (Actor){0};
    pthread_mutex_init(&actor->lock, NULL);
    pthread_cond_init(&actor->wake, NULL);
    need(pg_new(&actor->pg, "", name));
    need(pg_connect(actor->pg));
    actor->backend = PQbackendPID(pg_raw(actor->pg));
    pthread_create(&actor->thread, NULL, run, actor);
    return actor;
}

static bool is_busy(Actor *actor) {
    pthread_mutex_lock(&actor->lock);
    bool busy = actor->busy;
    pthread_mutex_unlock(&actor->lock);
    return busy;
}

bool actor_waits(Actor *actor) {
    static const Oid types[] = {23};
    static const PgStatement statement = {
        "waits", "SELECT EXISTS (SELECT FROM pg_locks l WHERE l.pid = $1 AND NOT l.granted)", 1, types};
    PgParams params = {0};
    PGresult *rows = NULL;
    if (!is_busy(actor))
        return false;
    pg_param_i32(&params, actor->backend);
    need(pg_run(control, &statement, &params, &rows));
    pg_params_free(&params);
    bool waits = pg_bool(rows, 0, 0);
    PQclear(rows);
    return waits;
}

void actor_begin(Actor *actor, ActorStep *step, void *argument) {
    pthread_mutex_lock(&actor->lock);
    assert(!actor->busy);
    actor->step = step;
    actor->argument = argument;
    actor->busy = true;
    pthread_cond_broadcast(&actor->wake);
    pthread_mutex_unlock(&actor->lock);
    for (int i = 0; i < PATIENCE && is_busy(actor) && !actor_waits(actor); i++)
        continue; // each look is a round trip
}

int actor_end(Actor *actor) {
    pthread_mutex_lock(&actor->lock);
    while (actor->busy)
        pthread_cond_wait(&actor->wake, &actor->lock);
    int result = actor->result;
    pthread_mutex_unlock(&actor->lock);
    return result;
}

int actor_do(Actor *actor, ActorStep *step, void *argument) {
    actor_begin(actor, step, argument);
    return actor_end(actor);
}

// The server sees that the client is gone a moment later.
void actor_break(Actor *actor) {
    static const Oid types[] = {23};
    static const PgStatement statement = {"gone", "SELECT NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = $1)",
                                          1, types};
    pg_disconnect(actor->pg);
    for (bool gone = false; !gone;) {
        PgParams params = {0};
        PGresult *rows = NULL;
        pg_param_i32(&params, actor->backend);
        need(pg_run(control, &statement, &params, &rows));
        pg_params_free(&params);
        gone = pg_bool(rows, 0, 0);
        PQclear(rows);
    }
    need(pg_connect(actor->pg));
    actor->backend = PQbackendPID(pg_raw(actor->pg));
}

void actors_end(void) {
    for (int i = 0; i < n_actors; i++) {
        Actor *actor = &actors[i];
        pthread_mutex_lock(&actor->lock);
        actor->over = true;
        pthread_cond_broadcast(&actor->wake);
        pthread_mutex_unlock(&actor->lock);
        pthread_join(actor->thread, NULL);
        pthread_mutex_destroy(&actor->lock);
        pthread_cond_destroy(&actor->wake);
        pg_destroy(&actor->pg);
    }
    pg_destroy(&control);
}
