// SPDX-License-Identifier: Apache-2.0
//
// What must hold in the end, and what is missing until then.
#include "truth_state.h"

// ---- the end -------------------------------------------------------------------------------------------------------

static const BaseStream *stream_of(const void *id, size_t n) {
    for (size_t i = 0; i < base_streams.n; i++) {
        const BaseStream *row = table_committed(&base_streams, i);
        if (row != NULL && n == STREAM_BYTES && value_is(row->stream, id, n))
            return row;
    }
    return NULL;
}

// The stream that an agent's spool has now: one whose spool is lost is nobody's any more.
static const BaseStream *present_stream(int agent) {
    return stream_of(truth.present_streams[agent], STREAM_BYTES);
}

// Whether what is decided on this stream is told to whoever has that one: it is the same, or one that it replaced.
static bool is_heard(const BaseStream *present, const uint8_t *stream) {
    for (int depth = 0; present != NULL && depth <= 8; depth++) {
        if (value_is(present->stream, stream, STREAM_BYTES))
            return true;
        present = stream_of(present->replaces.data, present->replaces.null ? 0 : present->replaces.n);
    }
    return false;
}

// The first later decision that its agent must have been told: behind its last answer, on a stream that it has. What is
// decided once more of the same event, on a stream that this one replaced, finds nobody who waits for it; nor does what
// a database that was set back decides again, or decides on a stream of before: its first life may have taken at once
// what the second deferred, and said so. That what was told as taken is unchanged, where it came twice, is no news.
// -1: none.
static int owed_decision(const Saying *saying) {
    const SayingLog *log = truth_log_of(saying);
    const BaseStream *present = present_stream(saying->agent);
    bool owes = truth.plan.told && !saying->told_of_old;
    for (int i = 0; owes && i < log->n_decisions; i++) {
        const uint8_t *stream = log->decisions[i].stream;
        if (log->decisions[i].verdict == DONGBO__VERDICT__UNCHANGED && saying->told_position > log->last_logged &&
            saying->told_verdict == DONGBO__VERDICT__ACCEPTED)
            continue;
        bool heard = truth_is_lost() ? present != NULL && value_is(present->stream, stream, STREAM_BYTES)
                                     : is_heard(present, stream);
        // Of what was taken at once the agent has its batch, where the stream is its own.
        bool own = present != NULL && value_is(present->stream, stream, STREAM_BYTES);
        if (log->decisions[i].position > log->last_logged && (log->last_deferred ? heard : own))
            return i;
    }
    return -1;
}

static const char *odd_in_log(const Saying *saying) {
    if (truth_known_at(saying->person) < 0)
        return NULL;
    if (saying->kind == SAID_DOSE)
        return truth_dose_missing(saying);
    return truth_log_of(saying)->n_open > 0 ? "is open, and its person is known" : NULL;
}

static const char *missing_of(const Saying *saying) {
    static char text[160];
    const SayingLog *log = truth_log_of(saying);
    const char *odd = odd_in_log(saying);
    int owed = owed_decision(saying);
    if (log->n_logged == 0)
        snprintf(text, sizeof text, "%s is promised and not in the log", saying->key);
    else if (odd != NULL)
        snprintf(text, sizeof text, "%s %s", saying->key, odd);
    else if (owed >= 0 && saying->told_position < log->decisions[owed].position)
        snprintf(text, sizeof text, "%s was decided at %" PRIu64 ", and its agent told up to %" PRIu64, saying->key,
                 log->decisions[owed].position, saying->told_position);
    else
        return NULL;
    return text;
}

const char *truth_missing(void) {
    for (size_t i = 0; i < truth.n; i++) {
        const Saying *saying = &truth.sayings[i];
        const char *missing = saying->promised ? missing_of(saying) : NULL;
        if (missing != NULL)
            return missing;
    }
    return NULL;
}

static const BaseVersion *current_version(int64_t person, const char *record_key) {
    const BaseVersion *found = NULL;
    for (size_t i = 0; i < base_versions.n; i++) {
        const BaseVersion *row = table_committed(&base_versions, i);
        if (row != NULL && row->person == person && row->domain == DONGBO__DOMAIN__HEALTH && !row->superseded &&
            strstr(row->record_key, record_key) != NULL && (found == NULL || row->position > found->position))
            found = row;
    }
    return found;
}

static int64_t key_of(int person) {
    for (size_t i = 0; i < base_citizens.n; i++) {
        const BaseCitizen *citizen = table_committed(&base_citizens, i);
        if (citizen != NULL && strcmp(citizen->number, truth_number(person)) == 0)
            return citizen->person;
    }
    return 0;
}

static void judge_record(int person, int group) {
    const char *lot = truth_lot(person, group);
    int64_t key = key_of(person);
    const BaseVersion *version = key == 0 ? NULL : current_version(key, truth_group(group));
    if (version == NULL) {
        if (lot != NULL)
            world_fail("%s has no record of %s", truth_number(person), truth_group(group));
        return;
    }
    Dongbo__Record *record = dongbo__record__unpack(NULL, version->record.n, version->record.data);
    Dongbo__Vaccination *body =
        record == NULL ? NULL : dongbo__vaccination__unpack(NULL, record->body.len, record->body.data);
    if (body == NULL || lot == NULL || strcmp(body->lot_number, lot) != 0)
        world_fail("the record of %s on %s says lot %s, and must say %s", truth_number(person), truth_group(group),
                   body == NULL ? "?" : body->lot_number, lot == NULL ? "nothing" : lot);
    if (body != NULL)
        dongbo__vaccination__free_unpacked(body, NULL);
    if (record != NULL)
        dongbo__record__free_unpacked(record, NULL);
}

void truth_judge(void) {
    const char *missing = truth_missing();
    if (missing != NULL)
        world_fail("%s", missing);
    for (size_t i = 0; i < truth.n; i++) {
        const Saying *saying = &truth.sayings[i];
        const SayingLog *log = truth_log_of(saying);
        truth_counted.lost += saying->acknowledged && log->n_logged == 0;
        for (int k = 0; k < log->n_decisions; k++) {
            if (log->decisions[k].position == saying->told_position &&
                log->decisions[k].verdict != saying->told_verdict)
                world_fail("the agent of %s was told %s, and the log says %s", saying->key,
                           verdict_name(saying->told_verdict), verdict_name(log->decisions[k].verdict));
        }
    }
    for (int person = 0; person < TRUTH_PERSONS; person++) {
        for (int group = 0; group < TRUTH_GROUPS; group++)
            judge_record(person, group);
    }
    truth_judge_deaths();
}

void truth_print(void) {
    for (size_t i = 0; i < base_streams.n; i++) {
        const BaseStream *row = table_committed(&base_streams, i);
        if (row != NULL)
            fprintf(stderr, "  stream %02x%02x of %s, up to %" PRId64 ", session %d, replaces %02x\n",
                    row->stream.data[0], row->stream.data[1], row->agent, row->last_sequence, row->session_epoch,
                    row->replaces.null ? 0 : row->replaces.data[0]);
    }
    for (size_t i = 0; i < truth.n; i++) {
        const Saying *saying = &truth.sayings[i];
        const SayingLog *log = truth_log_of(saying);
        fprintf(stderr, "  %s of person %d%s%s at %" PRId64 "%s, logged %d times, open %d times, told %s at %" PRIu64,
                saying->key, saying->person, saying->kind == SAID_MOVE ? " to " : "",
                saying->kind == SAID_MOVE ? saying->province : "", saying->event_time_us / 1000000 % 10000,
                saying->promised ? "" : ", not promised", log->n_logged, log->n_open,
                verdict_name(saying->told_verdict), saying->told_position);
        for (int k = 0; k < log->n_decisions; k++)
            fprintf(stderr, "; decided %s at %" PRIu64 " of %02x%02x", verdict_name(log->decisions[k].verdict),
                    log->decisions[k].position, log->decisions[k].stream[0], log->decisions[k].stream[1]);
        fputc('\n', stderr);
    }
}
