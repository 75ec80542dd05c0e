// SPDX-License-Identifier: Apache-2.0
//
// Batches from their arrival to their answer. All that waits is counted: its bytes, how many there are, and works.
#include "broker/ingress_state.h"

#include "broker/mail.h"
#include "proto/base/mistake.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool changes_population(const Agency *agency) {
    return (agency->grants.domains >> DONGBO__DOMAIN__POPULATION & 1) != 0;
}

static Arrival *arrival_new(const IngressState *state, const Session *session, const Frame *frame, zframe_t **owned) {
    Arrival *arrival = calloc(1, sizeof *arrival);
    if (arrival == NULL)
        return NULL;
    const Agency *agency = agencies_find(state->agencies, session->agency);
    *arrival = (Arrival){.turn = {.agency = session->agency,
                                  .bulk = session->bulk,
                                  .population = agency != NULL && changes_population(agency),
                                  .bytes = frame->body_bytes},
                         .session = session->number,
                         .first_sequence = frame->sequence,
                         .frame = *owned};
    *owned = NULL;
    return arrival;
}

// NULL when it was taken; else why not, to be sent again when there is less.
static const char *take(IngressState *state, const Session *session, const Frame *frame, zframe_t **owned) {
    Arrival *arrival = arrival_new(state, session, frame, owned);
    if (arrival == NULL)
        return "The exchange is short of memory: wait some seconds and send again from the refused batch.";
    int result = queue_push(state->queue, arrival);
    if (result == 0)
        return NULL;
    arrival_destroy(&arrival);
    return result == 1
               ? "The exchange has more waiting than it takes: wait some seconds and send again from the refused batch."
               : "Your agency has more waiting than its half of what the exchange takes: wait some seconds and send "
                 "again from the refused batch.";
}

void ingress_batch(IngressState *state, Session *session, const Frame *frame, zframe_t **owned) {
    size_t n = frame->body_bytes;
    if (n < BATCH_BYTES_MIN) { // of these, credit would let any number wait
        ingress_end(state, session, DONGBO__ERROR__CODE__BAD_FRAME,
                    "The frame is too short to hold a batch: send a SealedBatch as PROTOCOL.md says.");
        return;
    }
    uint64_t credit = session->credit_bytes;
    session->received_bytes += n;
    int code = DONGBO__REFUSAL__CODE__OVERLOADED;
    const char *text = NULL;
    if (n > BATCH_BYTES_MAX) {
        code = DONGBO__REFUSAL__CODE__TOO_BIG;
        text = "A batch has at most 262144 bytes: seal smaller ones.";
    } else if (session->received_bytes > credit) {
        text = "More was sent than there was credit for: wait for credit and send again from the refused batch.";
    } else {
        text = take(state, session, frame, owned);
    }
    if (text != NULL) {
        session->finished_bytes += n;
        ingress_refuse(state, session, code, frame->sequence, text);
        return;
    }
    ingress_dispatch(state);
}

static void start_work(IngressState *state, Arrival *arrival, const Session *session, const Agency *agency) {
    Work *work = state->free_works[--state->n_free];
    work->kind = WORK_BATCH;
    work->ticket = state->next_ticket++;
    work->agencies = agencies_ref(state->agencies);
    work->agency = agency;
    memcpy(work->stream, session->stream, STREAM_BYTES);
    memcpy(work->transport, session->transport, KEY_BYTES);
    work->turn = arrival->turn;
    work->session_epoch = session->session_epoch;
    work->session = session->number;
    work->first_sequence = arrival->first_sequence;
    work->frame = arrival->frame;
    arrival->frame = NULL;
    work->batch_bytes = zframe_data(work->frame) + FRAME_HEADER_BYTES;
    work->batch_n = zframe_size(work->frame) - FRAME_HEADER_BYTES;
    mail_send(state->workers[state->next_worker], MAIL_WORK, work);
    state->next_worker = (state->next_worker + 1) % state->n_workers;
}

void ingress_dispatch(IngressState *state) {
    Arrival *arrival;
    while ((arrival = queue_next(state->queue)) != NULL) {
        Session *session = sessions_find(state->sessions, arrival->session);
        const Agency *agency = session == NULL ? NULL : agencies_find(state->agencies, session->agency);
        if (agency == NULL)
            queue_end(state->queue, &arrival->turn); // its session is over: it will come again
        else
            start_work(state, arrival, session, agency);
        arrival_destroy(&arrival);
    }
}

static void say_receipt(IngressState *state, Session *session, Work *work) {
    ingress_has_receipt(state, session, work->last_sequence, work->last_position);
    Dongbo__Receipt receipt = DONGBO__RECEIPT__INIT;
    receipt.body = (ProtobufCBinaryData){.data = work->receipt.data, .len = work->receipt.n};
    receipt.signature = (ProtobufCBinaryData){.data = work->receipt_signature, .len = SIGNATURE_BYTES};
    receipt.credit_bytes = ingress_credit(state, session);
    ingress_say(state, session, FRAME_RECEIPT, &receipt.base);
}

static void answer(IngressState *state, Session *session, Work *work) {
    if (!MISTAKE(CREDIT_KEPT))
        session->finished_bytes += work->batch_n;
    if (work->outcome == OUTCOME_STORED || work->outcome == OUTCOME_DUPLICATE) {
        say_receipt(state, session, work);
        return;
    }
    if (work->outcome == OUTCOME_ERROR) {
        ingress_end(state, session, work->code, work->text);
        return;
    }
    uint64_t expected = work->expected_sequence == 0 ? work->first_sequence : work->expected_sequence;
    ingress_note(state, session->user, "batch from %" PRIu64 " refused: %s", work->first_sequence, work->text);
    if (work->code == DONGBO__REFUSAL__CODE__FENCED) {
        if (ingress_refuse(state, session, work->code, expected, work->text) == 0)
            sessions_remove(state->sessions, session);
        return;
    }
    ingress_refuse(state, session, work->code, expected, work->text);
}

void ingress_work_back(IngressState *state, Work *work) {
    Session *session = sessions_find(state->sessions, work->session);
    if (session != NULL)
        answer(state, session, work);
    queue_end(state->queue, &work->turn);
    work_reset(work);
    state->free_works[state->n_free++] = work;
    ingress_dispatch(state);
}
