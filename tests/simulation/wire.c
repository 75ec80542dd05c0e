// SPDX-License-Identifier: Apache-2.0
//
// Queues of messages. A connection is FIFO in both directions, as TCP is, unless the network is hostile.
#include "wire.h"

#include "proto/base/error.h"
#include "proto/frame.h"
#include "proto/socket.h"

#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <zmq.h>

#define SOCKET_MAGIC 0x50c4e7u
#define ACTOR_MAGIC 0xac7042u
#define SOCKETS_MAX 1024
#define LINKS_MAX 4096
#define STALE_US 6000000
#define PATIENCE_MS 5000 // of a connection that nobody answers

typedef enum Kind { PULL, PUSH, PAIR, ROUTER, DEALER, MONITOR } Kind;
typedef enum State { TRYING, UP, DOWN } State;

typedef struct Message {
    struct Message *next;
    size_t n;
    uint32_t route;
    char user[64];
    uint8_t data[];
} Message;

typedef struct Queue {
    Message *first, **end;
    size_t n;
} Queue;

typedef struct Link Link;

struct _zsock_t {
    uint32_t magic;
    Kind kind;
    int number;
    Process *process;
    Queue in;
    Fiber *waiter;
    char endpoint[96];
    struct _zsock_t *peer; // PAIR, and MONITOR to its DEALER and back
    Link *link;            // DEALER
    uint8_t key[32];       // DEALER: its own
    SocketNews news;       // MONITOR
    bool has_news;
};

struct _zactor_t {
    uint32_t magic;
    LIST_ENTRY(_zactor_t) all;
    zsock_t *own, *pipe; // the owner's end, and the actor's
    zactor_fn *run;
    void *argument;
    Fiber *fiber, *owner;
    bool over;
};

struct Link {
    uint32_t number;
    State state;
    zsock_t *dealer, *router; // NULL once closed
    Process *dealer_process, *router_process;
    char user[64], endpoint[96];
    int64_t last_us[2]; // delivery, to the router and to the dealer
    int64_t until_us;   // what is delivered later is lost
    size_t n_under_way;
};

typedef struct Flight Flight;

static struct Wire {
    LIST_HEAD(, Flight) flights;
    LIST_HEAD(, _zactor_t) actors;
    WireFaults faults;
    zsock_t *sockets[SOCKETS_MAX];
    int n_sockets, numbers;
    Link *links[LINKS_MAX];
    uint32_t n_links;
    struct {
        char name[WORLD_NAME_BYTES];
        int64_t until_us;
        WireCut cut;
    } alone[8];
    WireWho *who;
    WireHeard *heard;
    WireReadable *readable;
} wire;

// ---- queues --------------------------------------------------------------------------------------------------------

static Message *message_new(const void *data, size_t n) {
    Message *message = malloc(sizeof *message + n);
    assert(message != NULL);
    *message = (Message){.n = n};
    memcpy(message->data, data, n);
    return message;
}

static void queue_put(Queue *queue, Message *message) {
    if (queue->end == NULL || queue->first == NULL)
        queue->end = &queue->first;
    *queue->end = message;
    queue->end = &message->next;
    queue->n++;
}

static Message *queue_take(Queue *queue) {
    Message *first = queue->first;
    if (first != NULL) {
        queue->first = first->next;
        queue->n--;
    }
    return first;
}

static void queue_empty(Queue *queue) {
    for (Message *message; (message = queue_take(queue)) != NULL;)
        free(message);
}

static void hand(zsock_t *socket, Message *message) {
    queue_put(&socket->in, message);
    if (socket->waiter != NULL)
        world_wake(socket->waiter);
}

// ---- sockets -------------------------------------------------------------------------------------------------------

static zsock_t *socket_make(Kind kind, const char *endpoint) {
    assert(wire.n_sockets < SOCKETS_MAX);
    zsock_t *socket = calloc(1, sizeof *socket);
    assert(socket != NULL);
    socket->magic = SOCKET_MAGIC;
    socket->kind = kind;
    socket->number = ++wire.numbers;
    socket->process = world_self();
    snprintf(socket->endpoint, sizeof socket->endpoint, "%s", endpoint);
    wire.sockets[wire.n_sockets++] = socket;
    return socket;
}

// Of a process, or of all (NULL).
static zsock_t *socket_find(Process *process, Kind kind, const char *endpoint) {
    for (int i = 0; i < wire.n_sockets; i++) {
        zsock_t *socket = wire.sockets[i];
        if (socket->kind == kind && (process == NULL || socket->process == process) &&
            strcmp(socket->endpoint, endpoint) == 0)
            return socket;
    }
    return NULL;
}

static bool reaches(const Process *from, const Process *to) {
    for (size_t i = 0; i < sizeof wire.alone / sizeof *wire.alone; i++) {
        if (wire.alone[i].until_us <= world_us())
            continue;
        const char *name = wire.alone[i].name;
        if ((wire.alone[i].cut != WIRE_CUT_IN && strcmp(name, from->name) == 0) ||
            (wire.alone[i].cut != WIRE_CUT_OUT && strcmp(name, to->name) == 0))
            return false;
    }
    return true;
}

static bool is_reachable(const Link *link, bool to_router) {
    return to_router ? reaches(link->dealer_process, link->router_process)
                     : reaches(link->router_process, link->dealer_process);
}

void wire_isolate(const char *name, WireCut cut, int64_t until_us) {
    size_t n = sizeof wire.alone / sizeof *wire.alone, at = 0;
    for (size_t i = 0; i < n; i++) {
        if (wire.alone[i].until_us < wire.alone[at].until_us)
            at = i;
    }
    snprintf(wire.alone[at].name, sizeof wire.alone[at].name, "%s", name);
    wire.alone[at].until_us = until_us;
    wire.alone[at].cut = cut;
}

// ---- connections ---------------------------------------------------------------------------------------------------

static void tell(zsock_t *dealer, SocketNews news) {
    zsock_t *monitor = dealer->peer;
    if (monitor == NULL || monitor->news >= SOCKET_REFUSED)
        return;
    monitor->news = news;
    monitor->has_news = true;
    if (monitor->waiter != NULL)
        world_wake(monitor->waiter);
}

static void begin_connecting(zsock_t *dealer);

static void connect_again(void *argument, int64_t number) {
    for (int i = 0; i < wire.n_sockets; i++) {
        zsock_t *socket = wire.sockets[i];
        if (socket->number == number && socket->link == NULL)
            begin_connecting(socket);
    }
}

// What the dealer's side notices: libzmq tries again by itself.
static void dealer_lost(Link *link) {
    zsock_t *dealer = link->dealer;
    if (dealer == NULL || dealer->link != link)
        return;
    tell(dealer, link->state == UP ? SOCKET_LOST : SOCKET_REFUSED);
    dealer->link = NULL;
    world_at(world_us() + RECONNECT_MS * 1000, connect_again, NULL, dealer->number);
}

static void notice_down(void *argument, int64_t number) {
    Link *link = wire.links[number];
    dealer_lost(link);
    link->state = DOWN;
    link->router = NULL;
}

// Both ends will know, sooner or later. What is under way is lost after a moment; or it comes, late.
static void link_break(Link *link) {
    if (link->state == DOWN || link->until_us != WORLD_NEVER)
        return;
    int64_t now = world_us();
    bool late = world_chance(wire.faults.late);
    link->until_us = now + (int64_t)world_dice(late ? 4000000 : 20000);
    world_at(now + (int64_t)world_dice(50000), notice_down, NULL, link->number);
}

static void link_answer(void *argument, int64_t number) {
    Link *link = wire.links[number];
    zsock_t *dealer = link->dealer;
    if (dealer == NULL || dealer->link != link || link->state != TRYING)
        return;
    zsock_t *router = socket_find(NULL, ROUTER, dealer->endpoint);
    if (router != NULL)
        link->router_process = router->process;
    if (router == NULL || router->process->dead) {
        link->state = TRYING;
        dealer_lost(link);
        link->state = DOWN;
        return;
    }
    if (!is_reachable(link, true) || !is_reachable(link, false)) {
        world_at(world_us() + 1000000, link_answer, NULL, number);
        return;
    }
    snprintf(link->user, sizeof link->user, "%s", wire.who(dealer->key));
    if (link->user[0] == '\0') {
        tell(dealer, SOCKET_DENIED);
        return;
    }
    link->router = router;
    link->state = UP;
    tell(dealer, SOCKET_REACHED);
    tell(dealer, SOCKET_SECURED);
    if (dealer->waiter != NULL)
        world_wake(dealer->waiter);
    world_trace("connected", link->number, dealer->number);
}

static void begin_connecting(zsock_t *dealer) {
    assert(wire.n_links < LINKS_MAX);
    Link *link = calloc(1, sizeof *link);
    assert(link != NULL);
    *link = (Link){.number = wire.n_links,
                   .dealer = dealer,
                   .dealer_process = dealer->process,
                   .router_process = dealer->process,
                   .until_us = WORLD_NEVER};
    snprintf(link->endpoint, sizeof link->endpoint, "%s", dealer->endpoint);
    wire.links[wire.n_links++] = link;
    dealer->link = link;
    world_at(world_us() + 200 + (int64_t)world_dice(3000), link_answer, NULL, link->number);
}

struct Flight {
    LIST_ENTRY(Flight) all;
    Link *link;
    bool to_router, stale; // stale: to whoever listens there now, whatever became of the connection
    Message *message;
};

static void deliver(void *argument, int64_t number) {
    Flight *flight = argument;
    Link *link = flight->link;
    zsock_t *to = flight->to_router ? link->router : link->dealer;
    if (flight->stale)
        to = socket_find(NULL, ROUTER, link->endpoint);
    link->n_under_way--;
    bool passes = flight->stale || is_reachable(link, flight->to_router), there = to != NULL && !to->process->dead;
    bool lost = !passes || !there || (!flight->stale && world_us() > link->until_us);
    // The router's side may hear what came over a connection that is broken by now; the dealer's has another.
    if (!flight->to_router)
        lost = lost || link->state != UP || to->link != link;
    if (lost) {
        if (!passes) { // nor does anything behind it
            link_break(link);
            link->until_us = world_us() - 1;
        }
        free(flight->message);
    } else {
        world_trace(flight->to_router ? "frame to broker" : "frame from broker", link->number,
                    (int64_t)flight->message->n);
        world_trace_bytes(flight->message->data, flight->message->n);
        hand(to, flight->message);
    }
    LIST_REMOVE(flight, all);
    free(flight);
}

static void launch(Link *link, bool to_router, bool stale, const void *data, size_t n) {
    Flight *flight = malloc(sizeof *flight);
    assert(flight != NULL);
    *flight = (Flight){.link = link, .to_router = to_router, .stale = stale, .message = message_new(data, n)};
    LIST_INSERT_HEAD(&wire.flights, flight, all);
    flight->message->route = link->number;
    snprintf(flight->message->user, sizeof flight->message->user, "%s", link->user);
    int64_t at = world_us() + 50 + (int64_t)world_dice(stale ? STALE_US : (uint64_t)wire.faults.delay_us_max + 1);
    bool reordered = stale || world_chance(wire.faults.reordered);
    if (!reordered && at <= link->last_us[to_router])
        at = link->last_us[to_router] + 1;
    if (!reordered)
        link->last_us[to_router] = at;
    link->n_under_way++;
    world_at(at, deliver, flight, 0);
}

static int link_send(Link *link, bool to_router, const void *data, size_t n) {
    if (link->n_under_way >= SOCKET_HWM)
        return 1;
    if (wire.heard != NULL)
        wire.heard(world_self(), !to_router, data, n);
    if (world_chance(wire.faults.cut))
        link_break(link);
    Frame frame;
    launch(link, to_router, false, data, n);
    if (world_chance(wire.faults.twice))
        launch(link, to_router, false, data, n);
    if (to_router && frame_read(data, n, &frame) == 0 && frame.type == FRAME_FOLLOW && world_chance(wire.faults.stale))
        launch(link, true, true, data, n);
    return 0;
}

// ---- proto/socket.h ------------------------------------------------------------------------------------------------

int socket_bind(zsock_t **ret, const char *endpoint, const Keys *keys, int *ret_port) {
    if (socket_find(NULL, ROUTER, endpoint) != NULL)
        return error_fail(ERROR_CONFIG, "cannot listen at %s: it is taken", endpoint);
    *ret = socket_make(ROUTER, endpoint);
    if (ret_port != NULL)
        *ret_port = 1;
    return 0;
}

int socket_connect_watched(zsock_t **ret, zsock_t **ret_monitor, const SocketPeer *peer) {
    zsock_t *dealer = socket_make(DEALER, peer->endpoint), *monitor = socket_make(MONITOR, peer->endpoint);
    memcpy(dealer->key, peer->keys->curve_public, sizeof dealer->key);
    dealer->peer = monitor;
    monitor->peer = dealer;
    begin_connecting(dealer);
    *ret = dealer;
    *ret_monitor = monitor;
    return 0;
}

int socket_connect(zsock_t **ret, const char *endpoint, const Keys *keys, const uint8_t server_key[KEY_BYTES]) {
    zsock_t *monitor = NULL;
    int r = socket_connect_watched(ret, &monitor, &(SocketPeer){endpoint, keys, server_key});
    zsock_destroy(&monitor);
    return r;
}

void socket_close_watched(zsock_t **socket, zsock_t **monitor) {
    zsock_destroy(monitor);
    zsock_destroy(socket);
}

SocketNews socket_news(zsock_t *monitor, SocketNews before) {
    monitor->has_news = false;
    return before >= SOCKET_REFUSED ? before : monitor->news;
}

const char *socket_news_text(SocketNews news) {
    static const char *const TEXTS[] = {"does not answer",
                                        "says nothing",
                                        "does not answer the Hello",
                                        "cannot be reached",
                                        "does not let this key in",
                                        "broke the handshake off",
                                        "is gone"};
    return TEXTS[news];
}

int socket_send(zsock_t *socket, const void *data, size_t n) {
    if (world_is_dead() || socket->link == NULL || socket->link->state != UP)
        return 1;
    return link_send(socket->link, true, data, n);
}

int socket_send_to(zsock_t *socket, const zframe_t *route, const void *data, size_t n) {
    uint32_t number;
    zframe_t *identity = (zframe_t *)route;
    assert(zframe_size(identity) == sizeof number);
    memcpy(&number, zframe_data(identity), sizeof number);
    if (world_is_dead())
        return 1;
    Link *link = wire.links[number];
    if (link->state != UP || link->router != socket)
        return 2;
    return link_send(link, false, data, n);
}

int socket_receive(zsock_t *socket, zframe_t **ret_route, zframe_t **ret_frame, char user[64]) {
    *ret_frame = NULL;
    user[0] = '\0';
    if (ret_route != NULL)
        *ret_route = NULL;
    Message *message = world_is_dead() ? NULL : queue_take(&socket->in);
    if (message == NULL)
        return 1;
    if (wire.heard != NULL)
        wire.heard(socket->process, false, message->data, message->n);
    if (socket->kind == ROUTER) {
        *ret_route = zframe_new(&message->route, sizeof message->route);
        snprintf(user, 64, "%s", message->user);
    }
    *ret_frame = zframe_new(message->data, message->n);
    free(message);
    return 0;
}

// ---- CZMQ and libzmq, as far as they are called --------------------------------------------------------------------

static zsock_t *handle_of(void *self) {
    uint32_t magic = *(uint32_t *)self;
    if (magic == ACTOR_MAGIC)
        return ((zactor_t *)self)->own;
    assert(magic == SOCKET_MAGIC);
    return self;
}

void *zsock_resolve(void *self) {
    return handle_of(self);
}

zsock_t *zsock_new_checked(int type, const char *file, size_t line) {
    assert(type == ZMQ_PULL || type == ZMQ_PUSH);
    return socket_make(type == ZMQ_PULL ? PULL : PUSH, "");
}

static int put_endpoint(zsock_t *socket, const char *format, va_list args) {
    vsnprintf(socket->endpoint, sizeof socket->endpoint, format, args);
    return 0;
}

int zsock_bind(zsock_t *socket, const char *format, ...) {
    va_list args;
    va_start(args, format);
    put_endpoint(socket, format, args);
    va_end(args);
    return 0;
}

int zsock_connect(zsock_t *socket, const char *format, ...) {
    va_list args;
    va_start(args, format);
    put_endpoint(socket, format, args);
    va_end(args);
    return 0;
}

void zsock_destroy_checked(zsock_t **pointer, const char *file, size_t line) {
    zsock_t *socket = *pointer;
    if (socket == NULL)
        return;
    *pointer = NULL;
    for (uint32_t i = 0; i < wire.n_links; i++) {
        Link *link = wire.links[i];
        if (link->dealer != socket && link->router != socket)
            continue;
        link_break(link);
        if (link->dealer == socket)
            link->dealer = NULL;
        if (link->router == socket)
            link->router = NULL;
    }
    if (socket->peer != NULL)
        socket->peer->peer = NULL;
    queue_empty(&socket->in);
    for (int i = 0; i < wire.n_sockets; i++) {
        if (wire.sockets[i] == socket)
            wire.sockets[i] = wire.sockets[--wire.n_sockets];
    }
    free(socket);
}

void zsock_set_linger(void *self, int linger) {}
void zsock_set_sndhwm(void *self, int hwm) {}
void zsock_set_rcvhwm(void *self, int hwm) {}

int zsock_signal(void *self, byte status) {
    return 0;
}

int zmq_send(void *handle, const void *data, size_t n, int flags) {
    zsock_t *socket = handle;
    zsock_t *to = socket->kind == PAIR ? socket->peer : socket_find(socket->process, PULL, socket->endpoint);
    // What is sent before somebody binds the name would wait in libzmq; nobody here sends that early.
    if (to != NULL)
        hand(to, message_new(data, n));
    return (int)n;
}

int zmq_recv(void *handle, void *data, size_t n, int flags) {
    zsock_t *socket = handle;
    while (socket->in.first == NULL) {
        errno = world_is_dead() ? ETERM : EAGAIN;
        if (world_is_dead() || (flags & ZMQ_DONTWAIT) != 0)
            return -1;
        socket->waiter = world_present();
        world_wait_until(WORLD_NEVER);
    }
    socket->waiter = NULL;
    Message *message = queue_take(&socket->in);
    int size = (int)message->n;
    memcpy(data, message->data, message->n < n ? message->n : n);
    free(message);
    return size;
}

int zstr_send(void *self, const char *text) {
    return zmq_send(handle_of(self), text, strlen(text), 0) < 0 ? -1 : 0;
}

char *zstr_recv(void *self) {
    char text[1024];
    int n = zmq_recv(handle_of(self), text, sizeof text - 1, 0);
    if (n < 0)
        return NULL;
    text[n] = '\0';
    return strdup(text);
}

void zstr_free(char **text) {
    free(*text);
    *text = NULL;
}

static bool look(zmq_pollitem_t *items, int n) {
    bool any = false;
    for (int i = 0; i < n; i++) {
        zsock_t *socket = items[i].socket;
        items[i].revents = 0;
        if (socket == NULL) {
            if (wire.readable(items[i].fd, world_present()))
                items[i].revents = ZMQ_POLLIN;
        } else {
            socket->waiter = world_present();
            bool readable = socket->kind == MONITOR ? socket->has_news : socket->in.first != NULL;
            bool writable = socket->kind == DEALER && socket->link != NULL && socket->link->state == UP;
            items[i].revents = (short)(items[i].events & ((readable ? ZMQ_POLLIN : 0) | (writable ? ZMQ_POLLOUT : 0)));
        }
        any = any || items[i].revents != 0;
    }
    return any;
}

static void forget_waiters(const zmq_pollitem_t *items, int n) {
    for (int i = 0; i < n; i++) {
        zsock_t *socket = items[i].socket;
        if (socket != NULL)
            socket->waiter = NULL;
    }
}

// A thread of a process that is killed ends when whoever started it says so, as it does in a process that stops:
// threads lend each other memory, and know who goes first.
static void wait_for_owner(void) {
    zactor_t *actor = NULL;
    LIST_FOREACH(actor, &wire.actors, all) {
        if (actor->fiber == world_present())
            break;
    }
    while (actor != NULL && actor->owner == NULL)
        world_wait_until(WORLD_NEVER);
}

int zmq_poll(zmq_pollitem_t *items, int n, long timeout_ms) {
    int64_t until = timeout_ms < 0 ? WORLD_NEVER : world_us() + timeout_ms * 1000;
    // Each look is a chance for others to go first, and for this process to die.
    if (!world_wait((int64_t)world_dice(30)))
        goto dead;
    while (!look(items, n)) {
        if (world_us() >= until)
            break;
        if (!world_wait_until(until) || world_is_dead())
            goto dead;
    }
    forget_waiters(items, n);
    int ready = 0;
    for (int i = 0; i < n; i++)
        ready += items[i].revents != 0;
    return ready;
dead:
    forget_waiters(items, n);
    wait_for_owner();
    errno = ETERM;
    return -1;
}

static void run_actor(void *argument) {
    zactor_t *actor = argument;
    actor->run(actor->pipe, actor->argument);
    actor->over = true;
    if (actor->owner != NULL)
        world_wake(actor->owner);
}

zactor_t *zactor_new(zactor_fn *run, void *argument) {
    zactor_t *actor = calloc(1, sizeof *actor);
    assert(actor != NULL);
    *actor = (zactor_t){.magic = ACTOR_MAGIC, .run = run, .argument = argument};
    actor->own = socket_make(PAIR, "");
    actor->pipe = socket_make(PAIR, "");
    actor->own->peer = actor->pipe;
    actor->pipe->peer = actor->own;
    actor->fiber = world_fiber(run_actor, actor);
    LIST_INSERT_HEAD(&wire.actors, actor, all);
    return actor;
}

void zactor_destroy(zactor_t **pointer) {
    zactor_t *actor = *pointer;
    if (actor == NULL)
        return;
    *pointer = NULL;
    hand(actor->pipe, message_new("$TERM", 5));
    actor->owner = world_present();
    while (!actor->over)
        world_wait_until(WORLD_NEVER);
    LIST_REMOVE(actor, all);
    zsock_destroy(&actor->pipe);
    zsock_destroy(&actor->own);
    free(actor);
}

void zsys_handler_set(zsys_handler_fn *handler) {}

// ---- the simulation's side -----------------------------------------------------------------------------------------

void wire_begin(const WireFaults *faults) {
    wire.faults = *faults;
    wire.numbers = 0;
    memset(wire.alone, 0, sizeof wire.alone);
}

void wire_end(void) {
    for (Flight *flight; (flight = LIST_FIRST(&wire.flights)) != NULL;) {
        LIST_REMOVE(flight, all);
        free(flight->message);
        free(flight);
    }
    for (uint32_t i = 0; i < wire.n_links; i++)
        free(wire.links[i]);
    wire.n_links = 0;
}

void wire_calm(void) {
    wire.faults.cut = wire.faults.late = wire.faults.twice = wire.faults.reordered = 0;
    memset(wire.alone, 0, sizeof wire.alone);
    // What a hostile network did to a session is that session's: the protocol owes none that it goes on.
    for (uint32_t i = 0; i < wire.n_links; i++)
        link_break(wire.links[i]);
}

void wire_who(WireWho *who) {
    wire.who = who;
}

void wire_listen(WireHeard *heard) {
    wire.heard = heard;
}

void wire_descriptors(WireReadable *readable) {
    wire.readable = readable;
}
