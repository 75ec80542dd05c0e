/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishes one vaccination a line from standard input (number;name;birth date;dose;day) and prints what the exchange
 * says of each.
 *   cc publish.c $(pkg-config --cflags --libs dongbo) -o publish
 *   ./publish MOH keys/moh.yaml keys/broker.yaml.pub tcp://exchange:7701 moh.spool <doses.txt
 */
#include <dongbo.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

static int fail(const char *what) {
    fprintf(stderr, "publish: %s: %s\n", what, dongbo_error());
    return 1;
}

/* The text up to the next semicolon; NULL at the end. */
static char *next_word(char **line) {
    char *word = *line;
    if (!*word)
        return NULL;
    size_t n = strcspn(word, ";\n");
    *line = word + n + (word[n] != 0);
    word[n] = 0;
    return word;
}

static int put(DongboPublisher *publisher, char *line) {
    char key[64];
    char *words[5] = {"", "", "", "", ""};
    int n = 0;
    for (char *word = next_word(&line); word && n < 5; word = next_word(&line))
        words[n++] = word;
    snprintf(key, sizeof key, "%.20s/%.20s", words[0], words[3]);
    DongboField fields[] = {{"vaccine_group", "covid-19"},
                            {"product_code", "EU/1/20/1528"},
                            {"status", "completed"},
                            {"dose_number", words[3]},
                            {"occurrence_date", words[4]}};
    DongboEvent event = DONGBO_INIT(DongboEvent);
    event.domain = "health";
    event.source_key = key;
    event.event_time_us = (int64_t)time(NULL) * 1000000;
    event.citizen_number = words[0];
    event.full_name = words[1];
    event.birth_date = words[2];
    event.fields = fields;
    event.n_fields = 5;
    return dongbo_publisher_put(publisher, &event);
}

/* Delivers what was put, and prints every verdict that is more than a plain yes. */
static int deliver(DongboPublisher *publisher) {
    const DongboVerdict *verdict;
    int r = dongbo_publisher_flush(publisher); /* from here on it is safe, whatever dies */
    if (r == 0)
        r = dongbo_publisher_run(publisher, 60000);
    if (r != 0)
        return r;
    while ((r = dongbo_publisher_verdict(publisher, &verdict)) == 0) {
        printf("%s %s", verdict->source_key, verdict->verdict);
        for (size_t i = 0; i < verdict->n_reasons; i++)
            printf(" %s", verdict->reasons[i].name);
        printf("\n");
        if ((r = dongbo_publisher_take(publisher)) != 0)
            return r;
    }
    return r == DONGBO_LATER ? 0 : r;
}

int main(int argc, char **argv) {
    char line[512];
    DongboPublisher *publisher;
    if (argc != 6) {
        fprintf(stderr, "usage: publish AGENCY KEYS BROKER.pub ENDPOINT SPOOL\n");
        return 2;
    }
    DongboPublisherOptions options = DONGBO_INIT(DongboPublisherOptions);
    options.agency = argv[1];
    options.agent = "publish";
    options.keys = argv[2];
    options.broker_key = argv[3];
    options.endpoints = (const char *const *)&argv[4];
    options.n_endpoints = 1;
    options.spool = argv[5];
    if (dongbo_publisher_open(&publisher, &options) != 0)
        return fail("cannot open");
    int r = 0;
    while (r == 0 && fgets(line, sizeof line, stdin))
        r = put(publisher, line);
    if (r == 0)
        r = deliver(publisher);
    if (r == 0) {
        DongboCounts counts;
        dongbo_publisher_counts(publisher, &counts);
        printf("%llu accepted, %llu unchanged, %llu deferred, %llu refused\n", (unsigned long long)counts.accepted,
               (unsigned long long)counts.unchanged, (unsigned long long)counts.deferred,
               (unsigned long long)(counts.mismatch + counts.rejected));
        /* That they are in the log which the exchange shows everybody is proved a moment later. */
        uint64_t flushed = 0, proven = 0;
        if (dongbo_publisher_proven(publisher, &flushed, &proven, 10000) != 0)
            fprintf(stderr, "%llu of %llu events proven: %s\n", (unsigned long long)proven, (unsigned long long)flushed,
                    dongbo_error());
    } else
        fail(r == DONGBO_LATER ? "not everything was answered yet; run it again" : "failed");
    dongbo_publisher_close(&publisher);
    return r == 0 ? 0 : 1;
}
