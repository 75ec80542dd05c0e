// SPDX-License-Identifier: Apache-2.0
//
// What is written is gathered and handed over at the commit, while acknowledgements are read beside it: neither side
// waits for the other with a full pipe. Nothing of what the program says is repeated in a message, for it may name a
// citizen.
#include "agents/sink_command.h"

#include "agents/child.h"
#include "agents/place_file.h"
#include "agents/snapshot_place.h"
#include "proto/base/error.h"

#include <czmq.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 60000
#define STOP_MS 5000 // for it to finish with what it has, when we are asked to stop
#define HOW_MS 200   // between its closing of a pipe and its end
#define WAIT_MS 500
#define PAUSE_MIN_MS 200
#define PAUSE_MAX_MS 60000
#define LINE_BYTES_MAX 32

typedef struct Command {
    Sink sink;
    const RecordOrigin *origin; // of the next record
    SinkCommandOptions options;
    PlaceFile *file;
    SinkPlace place; // durable
    bool has_place;
    Child *child;
    Bytes out;
    size_t given;          // of it
    uint64_t sent, stored; // positions: of the feed's last record in `out`, acknowledged by the child
    uint64_t first, most;  // ... of the feed's first in `out`, the greatest there, also of a snapshot; 0: none
    uint32_t epoch;        // the greatest that was ever stored
    uint64_t held;         // up to which position the child may hold something, also beyond the place
    uint64_t reserved;     // ... as the file says, so that it need not be written before each record is given
    SinkSnapshot snapshot; // that is being taken; mark 0: none
    bool filling;          // what is written is of it, and borders are what is acknowledged
    uint64_t borders;      // lines in `out` that are no records, and not acknowledged yet
    char line[LINE_BYTES_MAX];
    size_t line_bytes;
    int64_t heard_ms;  // the last acknowledgement
    int64_t paused_ms; // not started again before
    int64_t pause_ms;
    char why[256]; // it was ended
} Command;

static int64_t now_ms(const Command *command) {
    return clock_monotonic_ms(command->options.clock);
}

// Ends the child. It may be started again after a pause, longer each time until it acknowledges something.
static int give_up(Command *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int give_up(Command *command, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(command->why, sizeof command->why, fmt, args);
    va_end(args);
    child_end(&command->child, 0);
    command->pause_ms = command->pause_ms ? command->pause_ms * 2 : PAUSE_MIN_MS;
    command->pause_ms = command->pause_ms < PAUSE_MAX_MS ? command->pause_ms : PAUSE_MAX_MS;
    command->paused_ms = now_ms(command) + command->pause_ms;
    return error_fail(ERROR_DATABASE, "the command %s %s", command->options.argv[0], command->why);
}

static bool is_busy(const Command *command) {
    bool owed = !command->filling && command->stored < command->sent;
    return owed || command->borders > 0 || command->given < command->out.n;
}

static void forget(Command *command) {
    bytes_clear(&command->out);
    command->given = 0;
    command->first = command->most = 0;
}

// ---- what it says ---------------------------------------------------------------------------------------------------

// "1234" or "ok 1234". False when it is neither.
static bool position_read(const char *line, uint64_t *ret) {
    if (strncmp(line, "ok ", 3) == 0)
        line += 3;
    size_t digits = strspn(line, "0123456789");
    errno = 0;
    *ret = strtoull(line, NULL, 10);
    return digits > 0 && line[digits] == 0 && errno == 0;
}

// Between the borders of a snapshot records have no order, so that positions say nothing there.
static int border_take(Command *command) {
    if (command->borders == 0)
        return give_up(command, "acknowledged a part of a snapshot, or an epoch, that it was not given");
    command->borders--;
    command->heard_ms = now_ms(command);
    command->pause_ms = 0;
    return 0;
}

static int line_take(Command *command) {
    uint64_t position;
    command->line[command->line_bytes] = 0;
    command->line_bytes = 0;
    if (strcmp(command->line, "ok snapshot") == 0 || strcmp(command->line, "ok epoch") == 0)
        return border_take(command);
    if (!position_read(command->line, &position))
        return give_up(command, "wrote a line that is no acknowledgement (\"POSITION\" or \"ok POSITION\")");
    if (command->filling)
        return 0;
    if (position > command->sent)
        return give_up(command, "acknowledged position %" PRIu64 ", which it was not given (%" PRIu64 " was the last)",
                       position, command->sent);
    if (position < command->stored)
        return give_up(command, "acknowledged position %" PRIu64 " after %" PRIu64, position, command->stored);
    if (position > command->stored) {
        command->heard_ms = now_ms(command);
        command->pause_ms = 0;
    }
    command->stored = position;
    return 0;
}

static int text_take(Command *command, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int r = 0;
        if (text[i] == '\n')
            r = line_take(command);
        else if (command->line_bytes == LINE_BYTES_MAX - 1)
            r = give_up(command, "wrote a line that is too long for an acknowledgement");
        else if (text[i] != '\r')
            command->line[command->line_bytes++] = text[i];
        if (r < 0)
            return r;
    }
    return 0;
}

// Gives and takes once. 1 when nothing moved.
static int talk(Command *command, int wait_ms) {
    char said[4096];
    ChildTalk talk = {.give = command->out.data + command->given,
                      .n = command->out.n - command->given,
                      .take = said,
                      .take_size = sizeof said};
    int r = child_talk(command->child, &talk, wait_ms);
    command->given = command->out.n - talk.n;
    int took = text_take(command, said, talk.took);
    if (took < 0)
        return took;
    if (r == 2) {
        char how[64];
        child_how(command->child, HOW_MS, how);
        return give_up(command, "%s", how);
    }
    return r;
}

// ---- what the child may hold ----------------------------------------------------------------------------------------

// What was given and not acknowledged, a snapshot's records, and what a share got before its persons were dealt anew is
// of positions beyond the place. Only of those a log that was set back takes something back.
#define RESERVE_POSITIONS 100000

static uint64_t greater(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t lesser(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

// A line before the snapshot's, where it says more than the place.
static int place_write(Command *command, const SinkPlace *place, const SinkSnapshot *snapshot) {
    char more[PLACE_MORE_BYTES];
    size_t n = 0;
    if (command->epoch > place->epoch || command->reserved > place->position)
        n = (size_t)snprintf(more, sizeof more, "held %u %" PRIu64 "\n", command->epoch, command->reserved);
    snapshot_place_print(snapshot, more + n, sizeof more - n);
    return place_file_write(command->file, place, more);
}

static int more_read(Command *command, const char *more) {
    int n = 0;
    uint32_t epoch = 0;
    uint64_t held = 0;
    if (sscanf(more, "held %u %" SCNu64 "\n%n", &epoch, &held, &n) != 2)
        n = 0;
    command->epoch = epoch > command->place.epoch ? epoch : command->place.epoch;
    command->held = command->reserved = greater(held, command->place.position);
    return snapshot_place_read(more + n, &command->snapshot);
}

// Before something is given.
static int held_reserve(Command *command, uint32_t epoch) {
    command->held = greater(command->held, command->most);
    if (command->held <= command->reserved)
        return 0;
    command->reserved = command->held + RESERVE_POSITIONS;
    command->epoch = command->epoch ? command->epoch : epoch;
    int r = place_write(command, &command->place, &command->snapshot);
    command->has_place = command->has_place || r == 0; // of nothing yet, but it need not be read again
    return r;
}

// In the end what is known is said.
static void held_settle(Command *command) {
    if (command->reserved == command->held)
        return;
    command->reserved = command->held;
    place_write(command, &command->place, &command->snapshot);
}

// A log that was set back gives positions out anew: before the first record of a new epoch the program is told so,
// where it may hold something of those. One that was read before is none. In protobuf there is no line to tell it by.
static bool epoch_tell(Command *command, const SinkPlace *place) {
    uint64_t behind = lesser(command->place.position, command->first ? command->first - 1 : place->position);
    bool is_new = command->epoch > 0 && place->epoch > command->epoch;
    if (!is_new || command->held <= behind || command->given > 0 || command->options.format == RECORD_PROTOBUF)
        return false;
    Bytes records = command->out;
    char line[96];
    snprintf(line, sizeof line, "{\"epoch\":%u,\"behind\":%" PRIu64 "}\n", place->epoch, behind);
    command->out = (Bytes){0};
    bytes_append_text(&command->out, line);
    bytes_append(&command->out, records.data, records.n);
    command->out.failed |= records.failed;
    command->borders++;
    bytes_free(&records);
    return true;
}

// ---- the sink -------------------------------------------------------------------------------------------------------

static int place_read(Command *command) {
    char more[PLACE_MORE_BYTES];
    int r = place_file_lock(command->file);
    if (r == 1)
        return error_fail(ERROR_DATABASE,
                          "%s: another receiver works with it, or what it has started has not ended yet",
                          command->options.state);
    if (r == 0)
        r = place_file_read(command->file, &command->place, more);
    if (r == 2 || (r == 0 && more_read(command, more) != 0))
        return place_file_damaged(command->file);
    if (r >= 0)
        command->has_place = r == 0;
    return r < 0 ? r : 0;
}

static int start(Command *command) {
    if (now_ms(command) < command->paused_ms)
        return error_fail(ERROR_DATABASE, "the command %s %s; it is started again in a while", command->options.argv[0],
                          command->why);
    int r = child_start(&command->child, command->options.argv, place_file_lock_fd(command->file));
    // One that could be run before is perhaps being replaced.
    if (r == ERROR_CONFIG && command->why[0])
        return give_up(command, "cannot be run any more");
    command->line_bytes = 0;
    command->sent = command->stored = command->place.position;
    return r;
}

static int command_begin(Sink *sink, SinkPlace *ret) {
    Command *command = (Command *)sink;
    int r = place_file_lock_fd(command->file) < 0 || !command->has_place ? place_read(command) : 0;
    if (r < 0)
        return r;
    if (command->child && is_busy(command)) // it would acknowledge what it gets anew
        child_end(&command->child, STOP_MS);
    forget(command);
    command->filling = false;
    command->borders = 0;
    r = command->child ? 0 : start(command);
    if (r < 0)
        return r;
    *ret = command->place;
    return command->has_place && command->place.position ? 0 : 1;
}

static int command_grant(Sink *sink, char *const *fields, size_t n) {
    return record_format_grant(((Command *)sink)->options.format, fields, n);
}

static void command_prove(Sink *sink, const RecordOrigin *origin) {
    ((Command *)sink)->origin = origin;
}

static int command_write(Sink *sink, const Dongbo__FeedRecord *record) {
    Command *command = (Command *)sink;
    const RecordOrigin *origin = command->origin;
    command->origin = NULL;
    int r = record_format_append(command->options.format, record, origin, &command->out);
    if (r != 0)
        return r;
    command->most = greater(command->most, record->position);
    if (command->filling)
        return 0;
    command->sent = record->position;
    if (!command->first) { // perhaps before the place: a share's persons were others' until now
        command->first = record->position;
        command->stored = lesser(command->stored, record->position - 1);
    }
    return 0;
}

// Until it has acknowledged all that was written.
static int answer_await(Command *command) {
    int64_t stop_ms = 0;
    command->heard_ms = now_ms(command);
    while (is_busy(command)) {
        if (zsys_interrupted && !stop_ms)
            stop_ms = now_ms(command) + STOP_MS;
        if (stop_ms && now_ms(command) >= stop_ms)
            return error_fail(ERROR_STOPPED, "stopped before the command %s had acknowledged everything",
                              command->options.argv[0]);
        if (now_ms(command) - command->heard_ms >= command->options.answer_ms)
            return give_up(command, "acknowledged nothing for %" PRId64 " s", command->options.answer_ms / 1000);
        int r = talk(command, WAIT_MS);
        if (r < 0)
            return r;
    }
    return 0;
}

static int all_commit(Command *command, const SinkPlace *place, const SinkSnapshot *snapshot) {
    if (command->out.failed)
        return error_fail(ERROR_MEMORY, "no memory for records");
    int r = held_reserve(command, place->epoch);
    if (r == 0)
        r = answer_await(command);
    if (r < 0)
        return r;
    command->epoch = place->epoch > command->epoch ? place->epoch : command->epoch;
    command->held = greater(command->held, place->position);
    command->reserved = greater(command->reserved, command->held);
    r = place_write(command, place, snapshot);
    if (r < 0)
        return r;
    command->place = *place;
    command->snapshot = *snapshot;
    command->has_place = true;
    forget(command);
    return 0;
}

static int command_commit(Sink *sink, const SinkPlace *place) {
    Command *command = (Command *)sink;
    bool told = epoch_tell(command, place);
    int r = all_commit(command, place, &(SinkSnapshot){0});
    if (r == 0 && told) // and it counts what it held as of before
        command->held = place->position;
    return r;
}

// ---- snapshots ------------------------------------------------------------------------------------------------------

static int command_find(Sink *sink, SinkSnapshot *ret) {
    *ret = ((Command *)sink)->snapshot;
    return ret->mark ? 0 : 1;
}

static void border(Command *command, const char *name, const SinkSnapshot *snapshot) {
    snapshot_border_append(snapshot, name, &command->out);
    command->borders++;
}

static int command_snapshot_begin(Sink *sink, const SinkSnapshot *snapshot) {
    Command *command = (Command *)sink;
    if (command->options.format == RECORD_PROTOBUF)
        return error_fail(ERROR_CONFIG, "a snapshot begins and ends with a line of JSON, which the format protobuf "
                                        "cannot have: use json or plain");
    command->filling = true;
    border(command, snapshot->begun ? "again" : "begin", snapshot);
    return 0;
}

static int command_snapshot_commit(Sink *sink, const SinkSnapshot *snapshot, SinkTally *tally) {
    Command *command = (Command *)sink;
    SinkPlace place = command->place;
    if (command->filling)
        border(command, "part", snapshot);
    return all_commit(command, &place, snapshot);
}

static int command_snapshot_end(Sink *sink, const SinkSnapshot *snapshot, const SinkPlace *place, SinkTally *tally) {
    Command *command = (Command *)sink;
    border(command, "end", snapshot);
    int r = all_commit(command, place, &(SinkSnapshot){0});
    if (r < 0)
        return r;
    command->filling = false;
    command->sent = command->stored = place->position;
    return 0;
}

static const SinkSnapshots COMMAND_SNAPSHOTS = {.find = command_find,
                                                .begin = command_snapshot_begin,
                                                .commit = command_snapshot_commit,
                                                .end = command_snapshot_end};

// Notices that it has ended, or talks out of turn.
static int command_idle(Sink *sink) {
    Command *command = (Command *)sink;
    int r = is_busy(command) ? 0 : talk(command, 0);
    return r < 0 ? r : 0;
}

static void command_destroy(Sink *sink) {
    Command *command = (Command *)sink;
    child_end(&command->child, STOP_MS);
    held_settle(command);
    place_file_destroy(&command->file);
    bytes_free(&command->out);
    free(command);
}

static int command_keep_head(Sink *sink, const char *line, size_t n) {
    return place_file_keep_head(((Command *)sink)->file, line, n);
}

static int command_kept_head(Sink *sink, Bytes *ret) {
    return place_file_kept_head(((Command *)sink)->file, ret);
}

static const SinkKind COMMAND = {.begin = command_begin,
                                 .grant = command_grant,
                                 .write = command_write,
                                 .prove = command_prove,
                                 .commit = command_commit,
                                 .destroy = command_destroy,
                                 .idle = command_idle,
                                 .snapshots = &COMMAND_SNAPSHOTS,
                                 .keep_head = command_keep_head,
                                 .kept_head = command_kept_head};

int sink_command_new(Sink **ret, const SinkCommandOptions *options) {
    Command *command = calloc(1, sizeof *command);
    if (!command)
        return error_fail(ERROR_MEMORY, "no memory for a sink");
    command->sink.kind = &COMMAND;
    command->options = *options;
    if (!command->options.answer_ms)
        command->options.answer_ms = ANSWER_MS;
    int r = place_file_new(&command->file, options->state);
    if (r < 0) {
        command_destroy(&command->sink);
        return r;
    }
    *ret = &command->sink;
    return 0;
}
