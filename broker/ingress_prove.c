// SPDX-License-Identifier: Apache-2.0
//
// Proofs on their way to agents: asked for when a head was signed and something of the stream has a receipt and no
// proof, a frame at a time, behind whatever else the session has to hear. What fails is asked for again.
#include "broker/ingress_state.h"

#include "broker/mail.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_MS 5000 // after a failure

// Also those of sessions that ended meanwhile: or whoever says Hello over and over has them made for nobody, before
// everybody else's.
static bool has_room(const IngressState *state, uint32_t agency) {
    size_t n = 0;
    const Proving *proving;
    LIST_FOREACH(proving, &state->provings, out) {
        n += proving->agency == agency;
    }
    return n < PROVINGS_AGENCY_MAX;
}

void ingress_look_for_proofs(IngressState *state, Session *session) {
    if (!session->open || !session->wants_proofs || !session->proofs_due || session->proving == NULL ||
        session->nonce != 0 || session->history || session->proved_sequence >= session->receipt_sequence)
        return;
    int64_t now = clock_monotonic_ms(state->clock);
    if (session->proofs_failed_ms != 0 && now - session->proofs_failed_ms < LOOK_AGAIN_MS)
        return;
    if (!has_room(state, session->agency))
        return;
    Proving *proving = session->proving;
    session->proving = NULL;
    session->proofs_due = false;
    session->proofs_failed_ms = 0;
    proving->session = session->number;
    proving->agency = session->agency;
    proving->after = session->proved_sequence;
    proving->upto = session->receipt_sequence;
    proving->head = session->proved_head;
    memcpy(proving->stream, session->stream, STREAM_BYTES);
    proving->signs = session->signs_proofs;
    memcpy(proving->challenge, session->proofs_challenge, PROOFS_CHALLENGE_BYTES);
    LIST_INSERT_HEAD(&state->provings, proving, out);
    mail_send(state->prover, MAIL_PROVING, proving);
}

void ingress_has_receipt(const IngressState *state, Session *session, uint64_t sequence, uint64_t position) {
    if (sequence > session->receipt_sequence)
        session->receipt_sequence = sequence;
    // Where its head was signed before we came to say this, no other comes to remind us.
    session->proofs_due = session->proofs_due || position <= state->signed_position;
}

void ingress_head_signed(IngressState *state, uint64_t *position) {
    state->signed_position = *position;
    free(position);
    for (Session *session = sessions_first(state->sessions); session != NULL;
         session = sessions_next(state->sessions)) {
        session->proofs_due = true;
        ingress_look_for_proofs(state, session);
    }
}

// A Ping after it, as behind Verdicts: the next is made once the agent has got that far.
static void say_proofs(IngressState *state, Session *session, const Proving *proving) {
    Frame frame = {.type = FRAME_PROOFS, .body = proving->proofs.data, .body_bytes = proving->proofs.n};
    ProtobufCMessage *message = NULL;
    session->proved_sequence = proving->after;
    session->proved_head = proving->head;
    session->proofs_due = session->proofs_due || proving->more;
    arena_reset(state->arena);
    if (frame_decode(&frame, &dongbo__proofs__descriptor, arena_protobuf(state->arena), &message) != 0) {
        ingress_end(state, session, DONGBO__ERROR__CODE__INTERNAL, "Proofs could not be sent: try again.");
        return;
    }
    session->nonce = 0; // a Pong to an earlier ping is not to this one
    if (ingress_say(state, session, FRAME_PROOFS, message) == 0 && session->nonce == 0)
        ingress_ask(state, session);
}

// Where there was no room for them.
static void look_for_others(IngressState *state, uint32_t agency) {
    for (Session *session = sessions_first(state->sessions); session != NULL; session = sessions_next(state->sessions))
        if (session->agency == agency)
            ingress_look_for_proofs(state, session);
}

static void proved(IngressState *state, Proving *proving) {
    Session *session = sessions_find(state->sessions, proving->session);
    if (session == NULL) {
        proving_destroy(&proving);
        return;
    }
    session->proving = proving;
    if (proving->failed) {
        session->proofs_due = true;
        session->proofs_failed_ms = clock_monotonic_ms(state->clock);
    } else if (proving->n > 0) {
        say_proofs(state, session, proving);
    } else {
        ingress_look_for_proofs(state, session); // a head may have been signed meanwhile
    }
}

void ingress_proved(IngressState *state, Proving *proving) {
    uint32_t agency = proving->agency;
    LIST_REMOVE(proving, out);
    proved(state, proving);
    look_for_others(state, agency);
}
