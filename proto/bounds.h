// SPDX-License-Identifier: Apache-2.0
//
// Every limit of the protocol and of the programs, in one place. PROTOCOL.md repeats those that peers must know.
#pragma once

#define PROTOCOL_VERSION 1
#define SCHEMA_VERSION 1
#define SEGMENT_FORMAT 2 // of what is stored

#define FRAME_HEADER_BYTES 24
#define FRAME_BODY_BYTES_MAX (1024 * 1024) // anything larger ends the session
#define WIRE_REPEATED_MAX 8192             // elements of the repeated fields of one message: Records, Verdicts, ...
#define WIRE_FIELDS_MAX (128 * 1024)       // wire fields in one frame body, all levels together
#define WIRE_DEPTH_MAX 4
#define BATCH_BYTES_MAX (256 * 1024) // SealedBatch, packed
#define BATCH_BYTES_MIN 124 // of a header with stream, range and root, and a signature; nothing shorter can be one
#define BATCH_BYTES_GOAL (128 * 1024) // an agent with a backlog seals at about this size
#define BATCH_EVENTS_MAX 1024
#define RECEIPT_BYTES_GOAL (768 * 1024) // a longer receipt leaves out what was expected
#define EVENT_BYTES_MAX (16 * 1024)
#define EVENT_DEPTH_MAX 4
#define EVENT_FIELDS_MAX 128 // wire fields in one event, all levels together
#define TEXT_BYTES_MAX 1024  // any one string
#define RECORD_KEY_BYTES_MAX 512
#define SUBSCRIPTION_NAME_BYTES_MAX 63
#define BATCH_ARENA_BYTES (16 * 1024 * 1024) // all that is decoded from one batch
#define REASONS_MAX 16                       // per event
#define CLEARED_FIELDS_MAX 32
#define GUESSES_MAX 5   // different things that an agency says of one person and is told what of it differs ...
#define GUESSES_DAYS 30 // ... within so many days
#define GUESS_BYTES 16
#define KEY_GRACE_DAYS 30 // what was sealed with a signing key before it was retired is taken for so long afterwards
#define CLOCK_AHEAD_MAX_US (10LL * 60 * 1000000) // of an event's time

#define STREAM_BYTES 16
#define PROOFS_CHALLENGE_BYTES 16
#define EVENT_ID_BYTES 16
#define SALT_BYTES 16
#define HASH_BYTES 32
#define SIGNATURE_BYTES 64
#define KEY_BYTES 32

#define HEADS_SPAN 64   // signed heads in one Heads, up to the next number that it divides
#define HEADS_BURST 256 // AskHeads of one subscription at once, ...
#define HEADS_PER_SECOND 8
#define FOLLOW_NUMBERS_MAX 1000 // citizen numbers in one Follow, or in its answer
#define FOLLOW_BYTES_MAX (32 * 1024)
#define FOLLOW_REQUESTS_MAX 8 // Follows and AskHeads of one subscription that are not answered yet
#define FOLLOWED_MAX 2000000  // persons on one list, with those who are waited for
#define FOLLOW_CHANGES_PER_DAY_MAX (2 * FOLLOWED_MAX) // of one list: each is an entry of the log
#define FOLLOW_RECORDS_MAX 4096                       // records of one person who is followed
#define FOLLOW_RECORDS_BYTES_MAX (8 * 1024 * 1024)    // ... and how long all of them are, as the exchange keeps them
#define PUBLISH_CREDIT_BYTES (4 * 1024 * 1024)        // per session, in flight
#define UNREAD_BYTES (16 * 1024 * 1024)               // sent over one connection and not known to have been read
#define UNREAD_AGENCY_BYTES (64 * 1024 * 1024)        // ... over all of an agency's, or a subscription's
#define UNREAD_PING_BYTES (64 * 1024)                 // so much unread is asked about
#define UNREAD_TOLD_BYTES 4096                        // ... over one connection, whatever the party's others hold
#define SUBSCRIBE_CREDIT_BYTES (4 * 1024 * 1024)
#define SNAPSHOT_BUCKETS 4096    // records of a subscription, by the first 12 bits of their ids
#define SNAPSHOT_DIGEST_BYTES 16 // what the records of a bucket add up to
#define SNAPSHOT_CURSOR_BYTES_MAX 1024
#define SNAPSHOT_CHUNK_BYTES (256 * 1024)              // of records, but for the last one
#define PUBLISH_QUEUE_BYTES (64 * 1024 * 1024)         // batches of all sessions that wait for a work
#define PUBLISH_AGENCY_BYTES (PUBLISH_QUEUE_BYTES / 2) // of them, of one agency
#define PUBLISH_QUEUE_BATCHES 65536                    // as many at most, however short: each costs more than its bytes
#define PUBLISH_AGENCY_BATCHES (PUBLISH_QUEUE_BATCHES / 2) // of them, of one agency
#define WORKS_MAX 24                                       // batches being prepared, decided or stored
#define WORKS_AGENCY_MAX 12                                // of them, of one agency
#define WORKS_POPULATION_MAX 12                            // of them, of agencies that may change the population store
#define WORKS_BULK_MAX 8                    // of them for bulk streams, so that live ones never wait for all of them
#define WORKS_LIVE_ROW 8                    // after so many for live streams one for a bulk stream that waits
#define WORK_ARENA_BYTES (32 * 1024 * 1024) // one of them: decoded batch, persons, versions, decisions
#define WRITER_GROUP_MAX 8                  // batches in one transaction
#define REDECIDE_ITEMS_MAX 500              // events decided again at once
#define VERDICT_CHUNK_BYTES (256 * 1024)    // of verdicts that a resuming agent missed, per message
#define PROOF_BATCHES_MAX 64                // batches in one Proofs
#define PROVINGS_AGENCY_MAX 4               // Proofs of one agency that are being made
#define SESSIONS_PER_AGENCY_MAX 256
#define STREAMS_PER_DAY_MAX 1024 // that an agency opens

#define HELLOS_AGENCY_BURST 1024 // of one agency at once, ...
#define HELLOS_AGENCY_PER_SECOND 32
#define HELLOS_SUBSCRIPTION_BURST 256
#define HELLOS_SUBSCRIPTION_PER_SECOND 8
#define CONNECTIONS_BURST 1024 // of one party, ...
#define CONNECTIONS_PER_SECOND 32

#define SHARES_MAX 64     // consumers of one subscription
#define SESSIONS_MAX 4096 // on each port
#define PING_INTERVAL_MS 5000
#define PEER_SILENT_MS 20000  // no frame for so long: the session is over
#define ENROL_REQUESTS_MAX 20 // that the enrolment door looks at in a second
#define HANDSHAKE_IVL_MS 5000
#define GREETING_MS 3000         // a session is opened within this time of its Hello, or not at all
#define HELLO_MS 5000            // so long an agent waits for its Welcome before it says Hello elsewhere
#define GREETINGS_MAX 4096       // Hellos and questions for verdicts that wait for the database
#define FEED_SURE_MS 5000        // so long a broker sends what it has read without asking whether it was erased
#define SOCKET_HWM 1000          // messages to one peer
#define SOCKET_RECEIVE_HWM 64    // messages from one peer; more wait in its own TCP buffers
#define DESCRIPTORS_MAX 16384    // of a broker, where the machine gives it as many
#define DESCRIPTORS_RESERVED 128 // not for peers: a broker's sessions with its database, files
#define SOCKET_BACKLOG 1024      // connections not yet accepted
#define RECONNECT_MS 200         // an agent's
#define RECONNECT_MAX_MS 5000    // an agent's
#define ZAP_PROVE_MS 10000       // for each of the two trial connections of zap_prove()
