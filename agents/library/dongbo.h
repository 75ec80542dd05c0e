/* SPDX-License-Identifier: Apache-2.0
 *
 * libdongbo: publish changes to a dongbo exchange, and receive a subscription's records, from a program of your own.
 *
 * Results. 0 is success. A positive result is a condition that the function documents. A negative one is an error;
 * dongbo_error() says in one sentence what it was and what to do. Nothing is printed, no signal handler is installed.
 *
 * Ownership. What a function gives through a `const` pointer is the handle's and holds until the next call with it.
 * What you give is read during the call only and may go afterwards. _open() makes a handle, _close() frees it, takes
 * NULL and sets the pointer to NULL.
 *
 * Threads. A handle is used by one thread at a time; different handles are independent. dongbo_error() is each
 * thread's own. A handle does not survive fork(): open it in the child.
 *
 * Units. Times are microseconds since 1970 UTC (`_us`), waits are milliseconds (`_ms`). Texts are UTF-8 and end with
 * 0; one that is not said is NULL or "". Dates are FHIR dates: YYYY, YYYY-MM or YYYY-MM-DD.
 *
 * Structures that you fill begin with their own size (DONGBO_INIT), those that the library fills only ever grow at
 * their end: a program runs with any later library of the same soname without being compiled again.
 */
#ifndef DONGBO_H
#define DONGBO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the header; dongbo_version() is the library's. */
#define DONGBO_VERSION "0.1.0"
const char *dongbo_version(void);

enum {
    DONGBO_OK = 0,
    DONGBO_LATER = 1,   /* not within the time, or nothing there yet: call again */
    DONGBO_FULL = 2,    /* make room first */
    DONGBO_REFUSED = 3, /* the exchange does not go on with this program: a person must act */
    DONGBO_GONE = 4,    /* what comes next is no longer kept: take a snapshot */
    DONGBO_ERROR_MEMORY = -1,
    DONGBO_ERROR_SYSTEM = -2, /* a file, the disk */
    DONGBO_ERROR_INPUT = -3,  /* what you gave, or a file that you named, is wrong */
    DONGBO_ERROR_CRYPTO = -6,
    DONGBO_ERROR_PEER = -7 /* the exchange broke the protocol, or refuses */
};

/* This thread's last error, or why DONGBO_LATER was returned; "" when there is nothing to say. */
const char *dongbo_error(void);

/* DongboEvent event = DONGBO_INIT(DongboEvent); */
#define DONGBO_INIT(type)                                                                                              \
    { .size = sizeof(type) }

/* A field of a domain's body by its name in event.proto. Numbers stand as text. */
typedef struct DongboField {
    const char *name, *value;
} DongboField;

/* ---- publishing ------------------------------------------------------------------------------------------------ */

typedef struct DongboPublisher DongboPublisher;

typedef struct DongboPublisherOptions {
    size_t size;
    const char *agency;     /* its code at the exchange: "MOH" */
    const char *agent;      /* this program's name within the agency */
    const char *keys;       /* the agency's key file ("dongbo keys new"), mode 0600 */
    const char *broker_key; /* the exchange's NAME.pub */
    const char *const *endpoints;
    size_t n_endpoints;       /* "tcp://exchange:7701"; 1 to 16, tried in turn */
    const char *spool;        /* a file of this program's alone; it is what is promised: keep it */
    uint64_t spool_bytes_max; /* 0: 1 GiB */
    int bulk;                 /* not 0: a backlog, behind which nobody's live changes wait */
} DongboPublisherOptions;

enum { DONGBO_UPSERT = 1, DONGBO_RETRACT = 2, DONGBO_CORRECT = 3 };

/* One ChangeEvent (event.proto says more of each field). */
typedef struct DongboEvent {
    size_t size;
    int operation;          /* 0: DONGBO_UPSERT */
    const char *domain;     /* "health"; needed */
    const char *source_key; /* the row's own key at the agency; needed: a verdict names it */
    int64_t event_time_us;  /* when it became true; needed */
    const char *citizen_number, *full_name, *birth_date, *sex, *mother_name, *father_name;
    const char *residence_province, *province_code_set;
    const DongboField *fields;
    size_t n_fields;
    const char *const *cleared; /* names of fields that hold no longer */
    size_t n_cleared;
} DongboEvent;

typedef struct DongboReason {
    int code;
    const char *name;              /* "BIRTH_DATE_DIFFERS" */
    const char *field;             /* "" when the event as a whole is meant */
    const char *expected;          /* a stored value, where the agency may know it; else "" */
    const char *text_vi, *text_en; /* what to do about it */
} DongboReason;

/* What the exchange decided on an event, other than to take it without remark. */
typedef struct DongboVerdict {
    const char *source_key;
    const char *verdict; /* "ACCEPTED" (with remarks), "MISMATCH", "REJECTED", ...: a later word replaces an earlier */
    uint64_t position;   /* of this decision, in the exchange's log; given out anew where that was set back */
    const DongboReason *reasons;
    size_t n_reasons;
} DongboVerdict;

/* First verdicts heard since the handle was opened. */
typedef struct DongboCounts {
    uint64_t accepted, unchanged, superseded, mismatch, deferred, rejected;
} DongboCounts;

/* Reads keys, opens or makes the spool; connects at dongbo_publisher_run(). */
int dongbo_publisher_open(DongboPublisher **ret, const DongboPublisherOptions *options);
/* What was put and not flushed is forgotten; what was flushed is delivered by the next handle on the same spool. */
void dongbo_publisher_close(DongboPublisher **publisher);

/* Takes an event; it is durable after dongbo_publisher_flush(). DONGBO_FULL: the spool has no room, run first.
 * DONGBO_ERROR_INPUT names what is wrong with the event, and nothing of it is kept; after any other error all that was
 * not flushed is forgotten. The same event put twice has its effect once. */
int dongbo_publisher_put(DongboPublisher *publisher, const DongboEvent *event);
/* The same of a ChangeEvent in protobuf's encoding. Its event_id is set here. */
int dongbo_publisher_put_bytes(DongboPublisher *publisher, const void *event, size_t n);
/* Seals and stores all that was put; on disk when it returns 0. Only then may your source forget its rows. */
int dongbo_publisher_flush(DongboPublisher *publisher);

/* Delivers what was flushed, and hears verdicts. 0 as soon as every flushed event has its verdict and the exchange has
 * told all it had to; DONGBO_LATER after timeout_ms (0: what can be done at once). Call it now and then also when there
 * is nothing to deliver: later verdicts come that way. Flushes first. */
int dongbo_publisher_run(DongboPublisher *publisher, int timeout_ms);

/* The oldest verdict not yet taken. DONGBO_LATER when there is none. The same one again until it is taken. After an
 * error all that was not flushed is forgotten. */
int dongbo_publisher_verdict(DongboPublisher *publisher, const DongboVerdict **ret);
/* That verdict is dealt with: it is not told again, also after a restart. */
int dongbo_publisher_take(DongboPublisher *publisher);
void dongbo_publisher_counts(const DongboPublisher *publisher, DongboCounts *ret);
/* How many events were flushed since the spool was made, and of these how many, the first ones, are proved to be in the
 * log that the exchange shows everybody. A verdict is the exchange's word; the proof comes behind it, once the exchange
 * has signed its log's next head (a second later, as a rule), while this or dongbo_publisher_run() is called. 0 as soon
 * as all are proven; DONGBO_LATER after timeout_ms (0: what can be done at once), both numbers being what they are
 * then. What the spool no longer keeps counts as proven. Both begin anew where the exchange has events that the spool
 * has not, for that was set back. A proof that does not hold is DONGBO_ERROR_PEER: keep the spool, it is evidence.
 * Flushes first. */
int dongbo_publisher_proven(DongboPublisher *publisher, uint64_t *ret_flushed, uint64_t *ret_proven, int timeout_ms);

/* ---- receiving ------------------------------------------------------------------------------------------------- */

typedef struct DongboSubscriber DongboSubscriber;

enum { DONGBO_FROM_START = 0, DONGBO_FROM_HEAD = 1, DONGBO_FROM_ACKNOWLEDGED = 2, DONGBO_FROM_SNAPSHOT = 3 };

typedef struct DongboSubscriberOptions {
    size_t size;
    const char *subscription;
    const char *keys;       /* the subscriber's key file, mode 0600 */
    const char *broker_key; /* the exchange's NAME.pub */
    const char *const *endpoints;
    size_t n_endpoints; /* "tcp://exchange:7702"; 1 to 16, tried in turn */
    const char *state;  /* a small file of this program's alone: the place in the feed; STATE.head beside it */
    int from;           /* where to begin while there is no state */
    /* "MOH=FILE.pub": agencies' public keys, as you have them from the agencies. With any, records come with proofs of
     * whose word they are, where the subscription's rights allow it, and what is proved falsely is not taken. */
    const char *const *agency_keys;
    size_t n_agency_keys; /* 256 at most */
} DongboSubscriberOptions;

enum {
    DONGBO_RECORD_UPSERT = 1,
    DONGBO_RECORD_DELETE = 2,
    DONGBO_RECORD_ENTERED = 3,
    DONGBO_RECORD_LEFT = 4,
    DONGBO_SNAPSHOT_END = 5 /* no record: `snapshot` is complete */
};

/* A record as the subscription may see it. After _DELETE and _LEFT your copy of it goes. One of a snapshot replaces
 * your copy of it, whatever that is; keep `snapshot` beside it, and at _SNAPSHOT_END let go of every record that you
 * hold with another value, or none. */
typedef struct DongboRecord {
    uint64_t position, previous; /* in the exchange's log; of the record before it on this subscription */
    int change;
    const char *domain;
    const uint8_t *record_id; /* stable for this record within this subscription */
    size_t record_id_bytes;
    const uint8_t *person_id; /* likewise of its person; NULL when not granted */
    size_t person_id_bytes;
    const char *citizen_number; /* "" when not granted */
    const char *agency;         /* who told it */
    int64_t event_time_us;
    const DongboField *fields;
    size_t n_fields;
    const char *const *changed; /* names of the fields that this change is about */
    size_t n_changed;
    const char *json; /* the same as a SubscriberRecord (record.proto), in protobuf's JSON mapping */
    const void *protobuf;
    size_t protobuf_bytes; /* ... and in its own encoding */
    int64_t snapshot;      /* its snapshot: when it began (microseconds since 1970), at its position; 0: of the feed */
    /* What proves by its agency's own signature whose word it is, as a file that `dongbo log check` takes; keep it as
     * it is. NULL: not asked for, or no event made this record. */
    const void *origin;
    size_t origin_bytes;
    int origin_has_event; /* not 0: it tells what the event says */
    /* Of the exchange's log: a greater one begins when its database was restored or failed over. That may have
     * forgotten what it had told, and gives the same positions out anew: compare those of one epoch only. */
    uint32_t epoch;
} DongboRecord;

/* Reads keys and state; connects at dongbo_subscriber_next(). */
int dongbo_subscriber_open(DongboSubscriber **ret, const DongboSubscriberOptions *options);
/* Says goodbye. What was not acknowledged comes again. */
void dongbo_subscriber_close(DongboSubscriber **subscriber);

/* The next record, in order. DONGBO_LATER: none came within timeout_ms (dongbo_error() says so when no broker could be
 * reached; it goes on trying). DONGBO_FULL: a megabyte has been given out, or a part of a snapshot; acknowledge first.
 * DONGBO_REFUSED: the exchange does not serve this subscription; dongbo_error() says why. DONGBO_GONE: see
 * dongbo_subscriber_take_snapshot().
 * A record may come again after a lost connection or a restart, never out of order: keep its epoch and position, and
 * take what has a greater epoch than what you hold, or the same epoch and a greater position. Do you hold a position of
 * a lesser epoch that is not less than that of a record of a greater one, then the exchange may have forgotten
 * something that you hold: take a snapshot. Call it, or acknowledge, every few seconds, or the session is lost and
 * begun anew. */
int dongbo_subscriber_next(DongboSubscriber *subscriber, const DongboRecord **ret, int timeout_ms);

/* All records up to this position are stored at your side. 0: so is the place, they do not come again. DONGBO_LATER:
 * noted; what came in one piece with them must be acknowledged, too, before it is stored. It costs a write to the disk:
 * acknowledge many at once when many come. It is a position of the epoch of the record that was given out last: of
 * what came before that and was not acknowledged, all that is in the log still comes again, and acknowledging it, once
 * a greater epoch has begun, is DONGBO_LATER and has no effect. DONGBO_ERROR_INPUT: not a position that was given out.
 */
int dongbo_subscriber_acknowledge(DongboSubscriber *subscriber, uint64_t position);
/* The same of all that was given out, and the only way while a snapshot comes: its records have no order. */
int dongbo_subscriber_acknowledge_all(DongboSubscriber *subscriber);

/* All that the subscription may see now comes next, then what happens meanwhile: after DONGBO_GONE, and whenever your
 * copy is to be made anew. Costs nothing of what you hold until it is complete; an interrupted one goes on behind what
 * was acknowledged of it, also after a restart. What was given out before and not acknowledged need not be. */
int dongbo_subscriber_take_snapshot(DongboSubscriber *subscriber);

/* 1 when what is granted to this subscription has changed since its records came, or does while they come: those before
 * have only what was granted then, and what holds now of them is in a snapshot. 0 otherwise, and before a broker was
 * reached. It stays 1, also after a restart, until a snapshot is complete, or you say that you have dealt with it; that
 * is on disk when it returns 0. */
int dongbo_subscriber_rights_changed(const DongboSubscriber *subscriber);
int dongbo_subscriber_accept_rights(DongboSubscriber *subscriber);

#ifdef __cplusplus
}
#endif
#endif
