/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints a subscription's records as lines of JSON, until none has come for a second. Of two lines about one record the
 * later one counts, whatever their positions: an exchange that was set back gives these out anew.
 *   cc receive.c $(pkg-config --cflags --libs dongbo) -o receive
 *   ./receive hn-health keys/hn-health.yaml keys/broker.yaml.pub tcp://exchange:7702 hn.position >>records.jsonl
 * With agencies' keys behind that (MOH=keys/moh.yaml.pub), what proves a record's origin is kept as POSITION.proof,
 * which `dongbo log check` takes.
 */
#include <dongbo.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define GROUP 1000 /* records between two acknowledgements, at most */

/* What is printed is on the disk before it is acknowledged; a pipe or a terminal has none. */
static int acknowledge(DongboSubscriber *subscriber, uint64_t position) {
    if (fflush(stdout) != 0 || (fsync(STDOUT_FILENO) != 0 && errno != EINVAL && errno != EROFS)) {
        perror("receive");
        return DONGBO_ERROR_SYSTEM;
    }
    return dongbo_subscriber_acknowledge(subscriber, position);
}

static int keep_proof(const DongboRecord *record) {
    char name[40];
    snprintf(name, sizeof name, "%llu.proof", (unsigned long long)record->position);
    FILE *file = fopen(name, "wb");
    int kept = file && fwrite(record->origin, 1, record->origin_bytes, file) == record->origin_bytes &&
               fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (file && fclose(file) != 0)
        kept = 0;
    if (!kept)
        perror(name);
    return kept ? 0 : DONGBO_ERROR_SYSTEM;
}

static int receive(DongboSubscriber *subscriber) {
    const DongboRecord *record;
    uint64_t last = 0;
    int n = 0, r;
    for (;;) {
        r = dongbo_subscriber_next(subscriber, &record, last ? 0 : 1000);
        if (r == DONGBO_OK) {
            printf("%s\n", record->json);
            last = record->position;
            if (record->origin && keep_proof(record) != 0)
                return DONGBO_ERROR_SYSTEM;
        }
        if (last && (r != DONGBO_OK || ++n == GROUP)) {
            int acknowledged = acknowledge(subscriber, last);
            if (acknowledged < 0)
                return acknowledged;
            last = 0;
            n = 0;
        } else if (r != DONGBO_OK)
            return r;
    }
}

int main(int argc, char **argv) {
    DongboSubscriber *subscriber;
    if (argc < 6) {
        fprintf(stderr, "usage: receive SUBSCRIPTION KEYS BROKER.pub ENDPOINT STATE [AGENCY=KEYS.pub]...\n");
        return 2;
    }
    DongboSubscriberOptions options = DONGBO_INIT(DongboSubscriberOptions);
    options.subscription = argv[1];
    options.keys = argv[2];
    options.broker_key = argv[3];
    options.endpoints = (const char *const *)&argv[4];
    options.n_endpoints = 1;
    options.state = argv[5];
    options.agency_keys = (const char *const *)&argv[6];
    options.n_agency_keys = (size_t)argc - 6;
    int r = dongbo_subscriber_open(&subscriber, &options);
    if (r == 0)
        r = receive(subscriber);
    if (r != DONGBO_LATER || *dongbo_error())
        fprintf(stderr, "receive: %s\n", dongbo_error());
    if (dongbo_subscriber_rights_changed(subscriber))
        fprintf(stderr, "receive: what is granted has changed; what came before has only what was granted then\n");
    dongbo_subscriber_close(&subscriber);
    return r == DONGBO_LATER ? 0 : 1;
}
