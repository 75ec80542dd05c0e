// SPDX-License-Identifier: Apache-2.0
//
// One line is one number. What is no number is not sent; what is not taken is named by its line.
#include "agents/follow.h"

#include "agents/follow_peer.h"
#include "agents/receive_config.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proto/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 256 // a longer one is no number
#define NUMBER_DIGITS_MAX 12
#define TIMEOUT_S 60
#define PROGRESS_MS 500

static const char NOTES[] =
    "add FILE|-     follow the persons with these citizen numbers, one a line\n"
    "remove FILE|-  follow them no longer\n"
    "list           whom the subscription follows, by the numbers that were given\n"
    "\n"
    "It may run beside `dongbo-agent receive`, which gets the records of whom is added, and lets those of whom is\n"
    "removed go. Adding twice changes nothing: after an interruption, begin again. Not covered is who does not live\n"
    "where the subscription may see, and a number that nobody has: which of them is not said. Numbers are masked;\n"
    "--unmask shows them in a list.\n"
    "\n"
    "Exit codes: 0 all was taken; 1 some was not, or the exchange refuses; 2 configuration; 3 no broker answers within\n"
    "--timeout; 4 this machine failed, or it was interrupted.\n";

typedef struct Follow {
    const char *config_path, *verb, *path;
    bool json, unmask;
    long long timeout_s;
    ReceiveConfig *config;
    Keys keys, broker[2]; // the exchange's, and its next one
    FollowPeer *peer;
    FILE *file;
    uint64_t line;                       // read so far
    uint64_t answered, bad, not_covered; // numbers
    uint64_t followed, waiting;          // as of the last answer
    bool more;                           // of a list
    char last[FOLLOW_NUMBER_BYTES];      // ... behind which it goes on
    bool terminal;
    int64_t shown_ms;
} Follow;

// ---- what is said --------------------------------------------------------------------------------------------------

static void refused(Follow *follow, uint64_t line, const char *number, const char *code) {
    char masked[TEXT_MASK_BYTES];
    text_mask_number(number, masked);
    text_make_visible(masked);
    if (follow->json) {
        CLEANUP(bytes_free) Bytes out = {0};
        bytes_append_json(&out, masked);
        printf("{\"line\": %" PRIu64 ", \"number\": %.*s, \"code\": \"%s\"}\n", line, (int)out.n,
               (const char *)out.data, code);
    } else {
        printf("line %" PRIu64 ": %s is %s\n", line, masked,
               strcmp(code, "NO_NUMBER") == 0 ? "no citizen number" : "not covered");
    }
}

static void progress(Follow *follow) {
    int64_t now_ms = clock_monotonic_ms(clock_system());
    if (!follow->terminal || now_ms - follow->shown_ms < PROGRESS_MS)
        return;
    follow->shown_ms = now_ms;
    fprintf(stderr, "\r%" PRIu64 " numbers, %" PRIu64 " not covered   ", follow->answered, follow->not_covered);
}

static bool is_list(const Follow *follow) {
    return strcmp(follow->verb, "list") == 0;
}

static void sum_up(const Follow *follow) {
    uint64_t taken = follow->answered - follow->not_covered;
    if (follow->terminal)
        fprintf(stderr, "\r\033[K");
    if (follow->json && is_list(follow))
        return;
    if (follow->json)
        printf("{\"taken\": %" PRIu64 ", \"not_covered\": %" PRIu64 ", \"no_number\": %" PRIu64
               ", \"followed\": %" PRIu64 ", \"waiting\": %" PRIu64 "}\n",
               taken, follow->not_covered, follow->bad, follow->followed, follow->waiting);
    else if (is_list(follow))
        printf("%" PRIu64 " numbers\n", follow->answered);
    else
        printf("%" PRIu64 " numbers taken, %" PRIu64 " not covered, %" PRIu64 " no numbers; %" PRIu64
               " persons followed, %" PRIu64 " changes to come into effect\n",
               taken, follow->not_covered, follow->bad, follow->followed, follow->waiting);
}

// ---- answers -------------------------------------------------------------------------------------------------------

static int take_page(Follow *follow, const Dongbo__Followed *answer) {
    for (size_t i = 0; i < answer->n_numbers; i++) {
        const char *number = answer->numbers[i];
        char masked[TEXT_MASK_BYTES];
        text_mask_number(number, masked);
        if (strlen(number) >= sizeof follow->last || strcmp(number, follow->last) <= 0)
            return error_fail(ERROR_PEER, "the broker's list is not in order");
        snprintf(follow->last, sizeof follow->last, "%s", number);
        if (follow->json)
            printf("{\"number\": \"%s\"}\n", follow->unmask ? number : masked);
        else
            printf("%s\n", follow->unmask ? number : masked);
    }
    follow->answered += answer->n_numbers;
    follow->more = answer->more && answer->n_numbers > 0;
    return 0;
}

static int answered(void *self, const FollowAsk *ask, const Dongbo__Followed *answer) {
    Follow *follow = self;
    follow->followed = answer->followed;
    follow->waiting = answer->waiting;
    if (ask->kind == FOLLOW_LIST)
        return take_page(follow, answer);
    size_t at = 0;
    for (size_t i = 0; i < ask->n && at < answer->n_not_covered; i++)
        if (strcmp(ask->numbers[i], answer->not_covered[at]) == 0) {
            refused(follow, ask->lines[i], ask->numbers[i], "NOT_COVERED");
            at++;
        }
    if (at != answer->n_not_covered)
        return error_fail(ERROR_PEER, "the broker answers numbers that were not asked");
    follow->answered += ask->n;
    follow->not_covered += at;
    progress(follow);
    return 0;
}

// ---- numbers -------------------------------------------------------------------------------------------------------

// A line's beginning; what would end a text amid it stands there as '?'. False at the end of the file.
static bool read_line(FILE *file, char line[LINE_BYTES]) {
    size_t n = 0;
    int c = fgetc(file);
    bool any = c != EOF;
    for (; c != '\n' && c != EOF; c = fgetc(file))
        if (n < LINE_BYTES - 1)
            line[n++] = c == 0 ? '?' : (char)c;
    line[n] = 0;
    return any;
}

// The next line that says something, without the white space around it; of one that is too long, its beginning. 1 at
// the end.
static int next_line(Follow *follow, char line[LINE_BYTES]) {
    while (read_line(follow->file, line)) {
        follow->line++;
        const char *text = line;
        if (follow->line == 1 && strncmp(text, "\xEF\xBB\xBF", 3) == 0)
            text += 3;
        size_t n = strlen(text);
        text_trim(&text, &n);
        memmove(line, text, n);
        line[n] = 0;
        if (n > 0)
            return 0;
    }
    if (ferror(follow->file))
        return error_fail(ERROR_SYSTEM, "%s: %s", follow->path, strerror(errno));
    return 1;
}

static bool is_number(const char *text) {
    size_t n = strspn(text, "0123456789");
    return n > 0 && n <= NUMBER_DIGITS_MAX && text[n] == 0;
}

// 1 at the end.
static int fill(Follow *follow, FollowAsk *ask) {
    char line[LINE_BYTES];
    while (ask->n < FOLLOW_NUMBERS_MAX) {
        int r = next_line(follow, line);
        if (r != 0)
            return r;
        if (!is_number(line)) {
            refused(follow, follow->line, line, "NO_NUMBER");
            follow->bad++;
            continue;
        }
        memcpy(ask->numbers[ask->n], line, strlen(line) + 1);
        ask->lines[ask->n++] = follow->line;
    }
    return 0;
}

static int change(Follow *follow) {
    int end = 0, r = 0;
    while (r == 0 && end == 0) {
        FollowAsk *ask = NULL;
        r = follow_peer_room(follow->peer, &ask);
        if (r != 0)
            return r;
        ask->kind = strcmp(follow->verb, "add") == 0 ? FOLLOW_ADD : FOLLOW_REMOVE;
        end = fill(follow, ask);
        if (end < 0)
            return end;
        if (ask->n > 0)
            follow_peer_send(follow->peer, ask);
    }
    return follow_peer_finish(follow->peer);
}

static int list(Follow *follow) {
    int r = 0;
    do {
        FollowAsk *ask = NULL;
        r = follow_peer_room(follow->peer, &ask);
        if (r != 0)
            return r;
        ask->kind = FOLLOW_LIST;
        ask->n = *follow->last ? 1 : 0;
        snprintf(ask->numbers[0], FOLLOW_NUMBER_BYTES, "%s", follow->last);
        follow_peer_send(follow->peer, ask);
        r = follow_peer_finish(follow->peer);
    } while (r == 0 && follow->more);
    return r;
}

// ---- the command ---------------------------------------------------------------------------------------------------

static int operands_read(Follow *follow, int argc, char **argv, int operand) {
    follow->verb = argv[operand];
    follow->path = operand + 1 < argc ? argv[operand + 1] : NULL;
    bool changes = strcmp(follow->verb, "add") == 0 || strcmp(follow->verb, "remove") == 0;
    if (!changes && !is_list(follow))
        return error_fail(ERROR_CONFIG, "follow: add, remove or list, not \"%s\"", follow->verb);
    if (changes != (follow->path != NULL))
        return error_fail(ERROR_CONFIG, "follow %s",
                          changes ? "needs FILE, or - for standard input" : "list takes no file");
    if (!follow->config_path)
        return error_fail(ERROR_CONFIG, "follow: --config FILE is needed");
    if (follow->timeout_s < 0 || follow->timeout_s > 1000000)
        return error_fail(ERROR_CONFIG, "follow: --timeout is a number of seconds");
    return 0;
}

static int options_read(Follow *follow, int argc, char **argv) {
    const Option options[] = {
        {"config", 0, OPTION_TEXT, "FILE", "the receiver's configuration (required)", &follow->config_path},
        {"timeout", 0, OPTION_INT, "SECONDS", "exit with 3 when no broker answers for so long (60); 0: never",
         &follow->timeout_s},
        {"unmask", 0, OPTION_FLAG, NULL, "list: show the numbers", &follow->unmask},
        {"json", 0, OPTION_FLAG, NULL, "one JSON object a line", &follow->json},
        {0},
    };
    const Command command = {.name = "follow",
                             .operands = "add|remove FILE|-, or list",
                             .summary = "keep the list of the persons whom a subscription follows",
                             .options = options,
                             .operands_min = 1,
                             .operands_max = 2,
                             .notes = NOTES};
    int operand;
    int r = options_parse(&command, argc, argv, &operand);
    return r == 0 ? operands_read(follow, argc, argv, operand) : r;
}

static int file_open(Follow *follow) {
    if (is_list(follow))
        return 0;
    follow->file = strcmp(follow->path, "-") == 0 ? stdin : fopen(follow->path, "r");
    return follow->file ? 0 : error_fail(ERROR_CONFIG, "%s: %s", follow->path, strerror(errno));
}

static int prepare(Follow *follow) {
    int r = receive_config_load(&follow->config, follow->config_path);
    if (r == 0)
        r = keys_load(follow->config->keys, &follow->keys);
    if (r == 0 && !follow->keys.has_secret)
        r = error_fail(ERROR_CONFIG, "%s: this is a public half; name the key file itself", follow->config->keys);
    if (r == 0)
        r = keys_load_exchange(follow->config->broker.key, follow->broker);
    if (r == 0)
        r = file_open(follow);
    if (r < 0)
        return r;
    follow->terminal = isatty(STDERR_FILENO);
    FollowPeerOptions options = {.asker = {.endpoints = follow->config->broker.endpoints,
                                           .n_endpoints = follow->config->broker.endpoints_count,
                                           .keys = &follow->keys,
                                           .exchange = follow->broker,
                                           .exchange_path = follow->config->broker.key,
                                           .clock = clock_system(),
                                           .timeout_ms = follow->timeout_s * 1000},
                                 .answered = answered,
                                 .self = follow};
    return follow_peer_new(&follow->peer, &options);
}

static int finish(Follow *follow, int r) {
    if (r == 1)
        log_error("%s", follow_peer_text(follow->peer));
    else if (r < 0)
        log_error("%s", error_text());
    if ((fflush(stdout) != 0 || ferror(stdout)) && r == 0) {
        log_error("standard output: %s", strerror(errno));
        r = ERROR_SYSTEM;
    }
    follow_peer_destroy(&follow->peer);
    receive_config_free(&follow->config);
    keys_wipe(&follow->keys);
    if (follow->file && follow->file != stdin)
        fclose(follow->file);
    bool some_not = follow->bad + follow->not_covered > 0;
    return r < 0 ? error_exit_code(r) : r == 1 || some_not ? 1 : 0;
}

int follow_main(int argc, char **argv) {
    Follow follow = {.timeout_s = TIMEOUT_S};
    log_setup("dongbo-agent", LOG_LEVEL_INFO);
    int r = options_read(&follow, argc, argv);
    if (r == 1)
        return 0;
    if (r == 0)
        r = prepare(&follow);
    if (r == 0)
        r = is_list(&follow) ? list(&follow) : change(&follow);
    if (follow.peer)
        sum_up(&follow);
    return finish(&follow, r);
}
