// SPDX-License-Identifier: Apache-2.0
//
// Batches from their arrival to their answer. All that waits is counted in bytes, and in works.
#include "broker/ingress_state.h"

#include "broker/mail.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void ingress_batch(IngressState *state, Session *session, const Frame *frame, zframe_t **owned) {
    size_t n = frame->body_bytes;
    uint64_t credit = session->credit_bytes;
    session->received_bytes += n;
    int code = 0;
    const char *text = NULL;
    if (n > BATCH_BYTES_MAX) {
        code = DONGBO__REFUSAL__CODE__TOO_BIG;
        text = "A batch has at most 262144 bytes: seal smaller ones.";
    } else if (session->received_bytes > credit) {
        code = DONGBO__REFUSAL__CODE__OVERLOADED;
        text = "More was sent than there was credit for: wait for credit and send again from the refused batch.";
    } else if (state->queue_bytes + n > PUBLISH_QUEUE_BYTES) {
        code = DONGBO__REFUSAL__CODE__OVERLOADED;
        text = "The exchange has more waiting than it takes: wait some seconds and send again from the refused batch.";
    }
    Arrival *arrival = code == 0 ? calloc(1, sizeof *arrival) : NULL;
    if (code == 0 && arrival == NULL) {
        code = DONGBO__REFUSAL__CODE__OVERLOADED;
        text = "The exchange is short of memory: wait some seconds and send again from the refused batch.";
    }
    if (code != 0) {
        session->finished_bytes += n;
        ingress_refuse(state, session, code, frame->sequence, text);
        return;
    }
    *arrival = (Arrival){.session = session->number, .first_sequence = frame->sequence, .frame = *owned};
    *owned = NULL;
    state->queue_bytes += n;
    Arrivals *arrivals = session->bulk ? &state->bulk : &state->live;
    *arrivals->last = arrival;
    arrivals->last = &arrival->next;
    ingress_dispatch(state);
}

static Arrival *take_arrival(Arrivals *arrivals, Arrival **link) {
    Arrival *arrival = *link;
    *link = arrival->next;
    if (*link == NULL)
        arrivals->last = link;
    return arrival;
}

static void drop_arrival(IngressState *state, Arrival *arrival) {
    state->queue_bytes -= zframe_size(arrival->frame) - FRAME_HEADER_BYTES;
    zframe_destroy(&arrival->frame);
    free(arrival);
}

static bool changes_population(const Agency *agency) {
    return (agency->grants.domains >> DONGBO__DOMAIN__POPULATION & 1) != 0;
}

static void start_work(IngressState *state, Arrival *arrival, const Session *session, const Agency *agency) {
    Work *work = state->free_works[--state->n_free];
    work->kind = WORK_BATCH;
    work->ticket = state->next_ticket++;
    work->agencies = agencies_ref(state->agencies);
    work->agency = agency;
    state->n_population += changes_population(agency);
    memcpy(work->stream, session->stream, STREAM_BYTES);
    work->bulk = session->bulk;
    state->n_bulk += work->bulk;
    work->session_epoch = session->session_epoch;
    work->session = session->number;
    work->first_sequence = arrival->first_sequence;
    work->frame = arrival->frame;
    work->batch_bytes = zframe_data(work->frame) + FRAME_HEADER_BYTES;
    work->batch_n = zframe_size(work->frame) - FRAME_HEADER_BYTES;
    free(arrival);
    mail_send(state->workers[state->next_worker], MAIL_WORK, work);
    state->next_worker = (state->next_worker + 1) % state->n_workers;
}

// The first that may start; NULL when there is none. What changes the population store has to wait while that is away,
// and must leave works for the others. The pointer returned leads to it.
static Arrival **first_ready(const IngressState *state, Arrivals *arrivals) {
    for (Arrival **link = &arrivals->first; *link != NULL; link = &(*link)->next) {
        const Session *session = sessions_find(state->sessions, (*link)->session);
        const Agency *agency = session == NULL ? NULL : agencies_find(state->agencies, session->agency);
        if (agency == NULL || state->n_population < WORKS_POPULATION_MAX || !changes_population(agency))
            return link;
    }
    return NULL;
}

// Whose turn it is; NULL when nobody's. Some works stay free of bulk, for what is live does not wait for a backlog's
// batches to be stored.
static Arrival **next_arrival(IngressState *state, Arrivals **ret) {
    Arrival **live = first_ready(state, &state->live);
    Arrival **bulk = state->n_bulk < WORKS_BULK_MAX ? first_ready(state, &state->bulk) : NULL;
    bool bulks_turn = live == NULL || (bulk != NULL && state->live_in_row >= WORKS_LIVE_ROW);
    state->live_in_row = bulks_turn ? 0 : state->live_in_row + (bulk != NULL);
    *ret = bulks_turn ? &state->bulk : &state->live;
    return bulks_turn ? bulk : live;
}

void ingress_dispatch(IngressState *state) {
    Arrivals *arrivals;
    Arrival **link;
    while (state->n_free > 0 && (link = next_arrival(state, &arrivals)) != NULL) {
        Arrival *arrival = take_arrival(arrivals, link);
        Session *session = sessions_find(state->sessions, arrival->session);
        const Agency *agency = session == NULL ? NULL : agencies_find(state->agencies, session->agency);
        if (agency == NULL)
            drop_arrival(state, arrival); // its session is over: it will come again
        else
            start_work(state, arrival, session, agency);
    }
}

void ingress_forget_arrivals(IngressState *state) {
    while (state->live.first != NULL)
        drop_arrival(state, take_arrival(&state->live, &state->live.first));
    while (state->bulk.first != NULL)
        drop_arrival(state, take_arrival(&state->bulk, &state->bulk.first));
}

static void say_receipt(IngressState *state, Session *session, Work *work) {
    Dongbo__Receipt receipt = DONGBO__RECEIPT__INIT;
    receipt.body = (ProtobufCBinaryData){.data = work->receipt.data, .len = work->receipt.n};
    receipt.signature = (ProtobufCBinaryData){.data = work->receipt_signature, .len = SIGNATURE_BYTES};
    receipt.credit_bytes = ingress_credit(state, session);
    ingress_say(state, session, FRAME_RECEIPT, &receipt.base);
}

static void answer(IngressState *state, Session *session, Work *work) {
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
    state->queue_bytes -= work->batch_n;
    state->n_population -= changes_population(work->agency);
    state->n_bulk -= work->bulk;
    work_reset(work);
    state->free_works[state->n_free++] = work;
    ingress_dispatch(state);
}
