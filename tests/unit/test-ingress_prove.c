// SPDX-License-Identifier: Apache-2.0
//
// How many proofs of an agency are made at once, whatever becomes of its sessions.
#include "broker/ingress_state.h"

#include "broker/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct {
    IngressState state;
    zsock_t *prover;
    uint64_t sessions;
} f;

static int setup(void **state) {
    static int n;
    char endpoint[32];
    snprintf(endpoint, sizeof endpoint, "inproc://prover-%d", ++n); // the one before may be there for a moment yet
    memset(&f, 0, sizeof f);
    f.state.clock = clock_system();
    LIST_INIT(&f.state.provings);
    assert_int_equal(sessions_new(&f.state.sessions), 0);
    assert_int_equal(mail_bind(&f.prover, endpoint), 0);
    return mail_connect(&f.state.prover, endpoint);
}

static int teardown(void **state) {
    for (Proving *proving; (proving = LIST_FIRST(&f.state.provings)) != NULL; proving_destroy(&proving))
        LIST_REMOVE(proving, out);
    sessions_destroy(&f.state.sessions);
    zsock_destroy(&f.state.prover);
    zsock_destroy(&f.prover);
    return 0;
}

// Welcomed, with a batch that has a receipt and no proof.
static Session *open_session(uint32_t agency) {
    uint64_t number = ++f.sessions;
    zframe_t *route = zframe_new(&number, sizeof number);
    Session *session = sessions_add(f.state.sessions, number, route, agency);
    zframe_destroy(&route);
    assert_non_null(session);
    session->open = session->wants_proofs = session->proofs_due = true;
    session->receipt_sequence = 1;
    ingress_look_for_proofs(&f.state, session);
    return session;
}

// The next that the prover gets; NULL: none waits.
static Proving *asked(void) {
    MailKind kind;
    void *pointer = NULL;
    if (mail_receive(f.prover, &kind, &pointer) != 0)
        return NULL;
    assert_int_equal(kind, MAIL_PROVING);
    return pointer;
}

static void test_hellos_over_and_over(void **state) {
    for (int i = 0; i < 500; i++)
        sessions_remove(f.state.sessions, open_session(7));
    open_session(8);
    size_t n = 0;
    Proving *proving = NULL, *last = NULL;
    for (; (proving = asked()) != NULL; n++)
        last = proving;
    assert_int_equal(n, PROVINGS_AGENCY_MAX + 1);
    assert_int_equal(last->agency, 8); // waits behind no more of them
}

static void test_each_has_its_turn(void **state) {
    bool served[3 * PROVINGS_AGENCY_MAX + 1] = {false};
    size_t n = 0;
    for (int i = 0; i < 3 * PROVINGS_AGENCY_MAX; i++)
        open_session(7);
    for (Proving *proving; (proving = asked()) != NULL; n++) {
        served[proving->session] = true;
        proving->n = 0; // nothing of it is in the log of a signed head yet
        ingress_proved(&f.state, proving);
    }
    assert_int_equal(n, 3 * PROVINGS_AGENCY_MAX);
    for (size_t i = 1; i < sizeof served; i++)
        assert_true(served[i]);
}

static void test_a_head_may_come_before_the_receipt(void **state) {
    Session *session = open_session(7);
    Proving *proving = asked();
    uint64_t *position = malloc(sizeof *position);
    assert_non_null(position);
    *position = 10;
    ingress_head_signed(&f.state, position);
    proving->after = 1;
    proving->n = 0;
    session->proofs_due = false;
    session->proved_sequence = 1;
    ingress_proved(&f.state, proving);
    assert_null(asked());
    ingress_has_receipt(&f.state, session, 2, 11); // its head is yet to come
    ingress_look_for_proofs(&f.state, session);
    assert_null(asked());
    ingress_has_receipt(&f.state, session, 3, 10);
    ingress_look_for_proofs(&f.state, session);
    proving = asked();
    assert_non_null(proving);
    assert_int_equal(proving->upto, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hellos_over_and_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_has_its_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_head_may_come_before_the_receipt, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
