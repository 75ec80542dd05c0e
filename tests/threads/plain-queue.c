// SPDX-License-Identifier: Apache-2.0
//
// See the header. A Side is what the broker takes for a socket: it reads from one box and writes into another.
#include "tests/threads/plain-queue.h"

#include "broker/mail.h"
#include "broker/thread.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BOXES_MAX 32
#define BOX_MAX 256
#define ENDPOINT_BYTES 64

typedef struct Letter {
    int kind; // MailKind; 0: `pointer` is a string, malloc'd
    void *pointer;
} Letter;

typedef struct Box {
    char endpoint[ENDPOINT_BYTES]; // "" of a pipe
    Letter letters[BOX_MAX];
    unsigned first, n;
} Box;

typedef struct Side {
    Box *in, *out;
} Side;

typedef struct Thread {
    Side owner; // the zactor_t
    Side inside;
    Box boxes[2];
    pthread_t id;
    const ThreadKind *kind;
    void *state;
} Thread;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static Box *boxes[BOXES_MAX];
static int n_boxes;

static void news_make(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&news, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void put(Box *box, int kind, void *pointer) {
    pthread_mutex_lock(&lock);
    assert(box->n < BOX_MAX);
    box->letters[(box->first + box->n++) % BOX_MAX] = (Letter){kind, pointer};
    pthread_cond_broadcast(&news);
    pthread_mutex_unlock(&lock);
}

static bool take_locked(Box *box, Letter *ret) {
    if (box->n == 0)
        return false;
    *ret = box->letters[box->first];
    box->first = (box->first + 1) % BOX_MAX;
    box->n--;
    return true;
}

static bool take(Box *box, Letter *ret) {
    pthread_mutex_lock(&lock);
    bool taken = take_locked(box, ret);
    pthread_mutex_unlock(&lock);
    return taken;
}

// ---- mail ----

static Box *box_of(const char *endpoint) {
    pthread_once(&once, news_make);
    pthread_mutex_lock(&lock);
    Box *box = NULL;
    for (int i = 0; i < n_boxes; i++)
        if (strcmp(boxes[i]->endpoint, endpoint) == 0)
            box = boxes[i];
    if (box == NULL) {
        assert(n_boxes < BOXES_MAX && strlen(endpoint) < ENDPOINT_BYTES);
        box = boxes[n_boxes++] = calloc(1, sizeof *box);
        assert(box != NULL);
        memcpy(box->endpoint, endpoint, strlen(endpoint) + 1);
    }
    pthread_mutex_unlock(&lock);
    return box;
}

static zsock_t *side_new(Box *in, Box *out) {
    Side *side = malloc(sizeof *side);
    assert(side != NULL);
    *side = (Side){in, out};
    return (zsock_t *)side;
}

int __wrap_mail_bind(zsock_t **ret, const char *endpoint);
int __wrap_mail_bind(zsock_t **ret, const char *endpoint) {
    *ret = side_new(box_of(endpoint), NULL);
    return 0;
}

int __wrap_mail_connect(zsock_t **ret, const char *endpoint);
int __wrap_mail_connect(zsock_t **ret, const char *endpoint) {
    *ret = side_new(NULL, box_of(endpoint));
    return 0;
}

void __wrap_mail_send(zsock_t *to, MailKind kind, void *pointer);
void __wrap_mail_send(zsock_t *to, MailKind kind, void *pointer) {
    put(((Side *)to)->out, (int)kind, pointer);
}

int __wrap_mail_receive(zsock_t *from, MailKind *ret_kind, void **ret_pointer);
int __wrap_mail_receive(zsock_t *from, MailKind *ret_kind, void **ret_pointer) {
    Letter letter;
    if (!take(((Side *)from)->in, &letter))
        return 1;
    *ret_kind = (MailKind)letter.kind;
    *ret_pointer = letter.pointer;
    return 0;
}

void __wrap_zsock_destroy_checked(zsock_t **socket, const char *file, size_t line);
void __wrap_zsock_destroy_checked(zsock_t **socket, const char *file, size_t line) {
    free(*socket);
    *socket = NULL;
}

void plain_queue_end(void) {
    for (int i = 0; i < n_boxes; i++)
        free(boxes[i]);
    n_boxes = 0;
}

// ---- waiting ----

void *__wrap_zsock_resolve(void *socket);
void *__wrap_zsock_resolve(void *socket) {
    return socket;
}

static int readable_locked(zmq_pollitem_t *items, int n) {
    int found = 0;
    for (int i = 0; i < n; i++) {
        const Side *side = items[i].socket;
        items[i].revents = side->in->n > 0 ? ZMQ_POLLIN : 0;
        found += items[i].revents != 0;
    }
    return found;
}

int __wrap_zmq_poll(zmq_pollitem_t *items, int n, long timeout_ms);
int __wrap_zmq_poll(zmq_pollitem_t *items, int n, long timeout_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&lock);
    int found, r = 0;
    while ((found = readable_locked(items, n)) == 0 && r == 0 && timeout_ms != 0)
        r = timeout_ms < 0 ? pthread_cond_wait(&news, &lock) : pthread_cond_timedwait(&news, &lock, &until);
    pthread_mutex_unlock(&lock);
    return found;
}

// ---- threads and their pipes ----

static void *thread_run(void *pointer) {
    Thread *thread = pointer;
    thread->kind->run((zsock_t *)&thread->inside, thread->state);
    thread->kind->destroy(thread->state);
    return NULL;
}

int __wrap_thread_start(zactor_t **ret, const ThreadKind *kind, void *state);
int __wrap_thread_start(zactor_t **ret, const ThreadKind *kind, void *state) {
    pthread_once(&once, news_make);
    Thread *thread = calloc(1, sizeof *thread);
    assert(thread != NULL);
    thread->owner = (Side){&thread->boxes[0], &thread->boxes[1]};
    thread->inside = (Side){&thread->boxes[1], &thread->boxes[0]};
    thread->kind = kind;
    thread->state = state;
    int r = pthread_create(&thread->id, NULL, thread_run, thread);
    assert(r == 0);
    (void)r;
    *ret = (zactor_t *)thread;
    return 0;
}

int __wrap_zstr_send(void *to, const char *text);
int __wrap_zstr_send(void *to, const char *text) {
    put(((Side *)to)->out, 0, strdup(text));
    return 0;
}

char *__wrap_zstr_recv(void *from);
char *__wrap_zstr_recv(void *from) {
    Letter letter = {0};
    pthread_mutex_lock(&lock);
    while (!take_locked(((Side *)from)->in, &letter))
        pthread_cond_wait(&news, &lock);
    pthread_mutex_unlock(&lock);
    return letter.pointer;
}

static void drop_letters(Box *box) {
    Letter letter;
    while (take(box, &letter))
        free(letter.pointer);
}

void __wrap_zactor_destroy(zactor_t **actor);
void __wrap_zactor_destroy(zactor_t **actor) {
    Thread *thread = (Thread *)*actor;
    if (thread == NULL)
        return;
    put(thread->owner.out, 0, strdup("$TERM"));
    pthread_join(thread->id, NULL);
    drop_letters(&thread->boxes[0]);
    drop_letters(&thread->boxes[1]);
    free(thread);
    *actor = NULL;
}
