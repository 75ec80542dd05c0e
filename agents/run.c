// SPDX-License-Identifier: Apache-2.0
//
// The main thread waits for signals and for what the parts say of themselves, each message one write to a pipe. It
// tells the service manager (READY=1, STATUS=...) over NOTIFY_SOCKET, where there is one.
#include "agents/run.h"

#include "agents/health.h"
#include "agents/publish.h"
#include "agents/receive.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PARTS_MAX 32
#define NUDGE_MS 100 // a part that waits for something else is told again so often that it is to stop
#define STATUS_BYTES 2048

typedef struct Run Run;

typedef struct Part {
    Run *run;
    const char *word, *path;
    int (*main)(const char *config_path, const Health *health);
    pthread_t thread;
    bool running, ready;
    int code;
    char health[HEALTH_TEXT_BYTES];
} Part;

struct Run {
    Part parts[PARTS_MAX];
    int n, n_running;
    int news[2]; // a pipe
    int signals;
    bool stopping, was_ready;
    int code;
    char status[STATUS_BYTES]; // as last told
};

// What a part says: one write, so that those of several do not mix.
typedef struct News {
    int part;
    bool ended;
    int code;
    char text[HEALTH_TEXT_BYTES];
} News;
_Static_assert(sizeof(News) <= PIPE_BUF, "a write to a pipe is whole up to there");

static const char NOTES[] =
    "Each FILE is what `dongbo-agent publish --config` or `receive --config` takes. When one part ends, because the\n"
    "exchange refuses it or its configuration is wrong, the others end too; what was read is safe in the spool, what was\n"
    "received stands in the sink. SIGTERM and SIGINT end all. How each part is stands in `systemctl status`.\n"
    "\n"
    "Exit codes:\n"
    "  0  asked to stop\n"
    "  1  the exchange refuses to go on with a receiving part\n"
    "  2  a configuration is wrong, or what is stored here is damaged\n"
    "  3  another agent runs on a publishing part's spool, or on a copy of it\n"
    "  4  something on this side failed\n";

// ---- parts ----------------------------------------------------------------------------------------------------------

static void news_send(Part *part, const News *news) {
    // The main thread does nothing but read this: there is room again at once.
    while (write(part->run->news[1], news, sizeof *news) < 0 && errno == EINTR)
        ;
}

static void part_tell(void *self, const char *text) {
    Part *part = self;
    News news = {.part = (int)(part - part->run->parts)};
    snprintf(news.text, sizeof news.text, "%s", text);
    news_send(part, &news);
}

static void *part_run(void *self) {
    Part *part = self;
    Health health = {part_tell, part};
    News news = {.part = (int)(part - part->run->parts), .ended = true};
    news.code = part->main(part->path, &health);
    news_send(part, &news);
    return NULL;
}

static int parts_start(Run *run) {
    for (int i = 0; i < run->n; i++) {
        int wrong = pthread_create(&run->parts[i].thread, NULL, part_run, &run->parts[i]);
        if (wrong != 0)
            return error_fail(ERROR_SYSTEM, "cannot start a thread: %s", strerror(wrong));
        run->parts[i].running = true;
        run->n_running++;
    }
    return 0;
}

// ---- the service manager --------------------------------------------------------------------------------------------

// One datagram, as sd_notify(3) says it. Nobody may be listening.
static void manager_tell(const char *text) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || !*path || strlen(path) >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (*path == '@') // an abstract one
        address.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    ssize_t sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, n);
    (void)sent;
    close(fd);
}

static void status_tell(Run *run) {
    char status[STATUS_BYTES] = "";
    int n = 0;
    bool ready = true;
    for (int i = 0; i < run->n && n < STATUS_BYTES; i++) {
        const Part *part = &run->parts[i];
        n += snprintf(status + n, sizeof status - (size_t)n, "%s%s %s: %s", i ? "; " : "STATUS=", part->word,
                      part->path, part->health);
        ready = ready && part->ready;
    }
    if (strcmp(status, run->status) != 0)
        manager_tell(status);
    memcpy(run->status, status, sizeof status);
    if (ready && !run->was_ready)
        manager_tell("READY=1");
    run->was_ready = run->was_ready || ready;
}

// ---- the end --------------------------------------------------------------------------------------------------------

static void on_nudge(int signal_number) {}

// Every part looks at these between two waits; a signal of its own ends the present one.
static void stop(Run *run) {
    if (!run->stopping)
        manager_tell("STOPPING=1");
    run->stopping = true;
    publish_stop();
    zsys_interrupted = 1;
    for (int i = 0; i < run->n; i++)
        if (run->parts[i].running)
            pthread_kill(run->parts[i].thread, SIGUSR1);
}

static void part_ended(Run *run, Part *part, int code) {
    pthread_join(part->thread, NULL);
    part->running = false;
    part->code = code;
    run->n_running--;
    snprintf(part->health, sizeof part->health, "ended with code %d", code);
    if (!run->stopping)
        log_error("%s %s ended by itself with code %d; the others are stopped", part->word, part->path, code);
    if (run->code == 0)
        run->code = code == 0 && !run->stopping ? 4 : code;
    stop(run);
}

static int news_take(Run *run) {
    News news;
    ssize_t n = read(run->news[0], &news, sizeof news);
    if (n != sizeof news)
        return n < 0 && (errno == EAGAIN || errno == EINTR)
                   ? 0
                   : error_fail(ERROR_SYSTEM, "cannot hear of the parts: %s", strerror(errno));
    Part *part = &run->parts[news.part];
    if (news.ended) {
        part_ended(run, part, news.code);
    } else {
        snprintf(part->health, sizeof part->health, "%s", news.text);
        part->ready = true;
    }
    status_tell(run);
    return 0;
}

static int watch(Run *run) {
    struct pollfd ends[] = {{.fd = run->news[0], .events = POLLIN}, {.fd = run->signals, .events = POLLIN}};
    int r = 0;
    while (r == 0 && run->n_running > 0) {
        int n = poll(ends, 2, run->stopping ? NUDGE_MS : -1);
        if (n < 0 && errno != EINTR)
            return error_fail(ERROR_SYSTEM, "cannot wait for the parts: %s", strerror(errno));
        if (n == 0)
            stop(run);
        if (n > 0 && ends[1].revents) {
            struct signalfd_siginfo info;
            ssize_t got = read(run->signals, &info, sizeof info);
            if (got == sizeof info && !run->stopping)
                log_info("asked to stop");
            stop(run);
        }
        if (n > 0 && ends[0].revents)
            r = news_take(run);
    }
    return r;
}

// ---- setting up -----------------------------------------------------------------------------------------------------

// Signals come to the main thread by a file descriptor; the parts, which inherit the mask, get nudges only.
static int signals_set(Run *run) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    zsys_handler_set(NULL);
    zsys_init();
    struct sigaction nudge = {.sa_handler = on_nudge};
    sigaction(SIGUSR1, &nudge, NULL);
    signal(SIGIO, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    run->signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (run->signals < 0 || pipe2(run->news, O_CLOEXEC) < 0)
        return error_fail(ERROR_SYSTEM, "cannot watch the parts: %s", strerror(errno));
    return 0;
}

static int parts_add(Run *run, const OptionList *list, const Part *kind) {
    for (int i = 0; i < list->n; i++) {
        if (run->n == PARTS_MAX)
            return error_fail(ERROR_CONFIG, "run: %d parts at most", PARTS_MAX);
        run->parts[run->n] = *kind;
        run->parts[run->n].run = run;
        run->parts[run->n].path = list->items[i];
        snprintf(run->parts[run->n++].health, HEALTH_TEXT_BYTES, "starting");
    }
    return 0;
}

static int options_read(Run *run, int argc, char **argv) {
    OptionList publish = {0}, receive = {0};
    const Option options[] = {
        {"publish", 0, OPTION_LIST, "FILE", "a publisher's configuration; may be repeated", &publish},
        {"receive", 0, OPTION_LIST, "FILE", "a receiver's configuration; may be repeated", &receive},
        {0},
    };
    const Command command = {
        .name = "run", .summary = "publish and receive in one process", .options = options, .notes = NOTES};
    int operand;
    int r = options_parse(&command, argc, argv, &operand);
    if (r == 0)
        r = parts_add(run, &publish, &(Part){.word = "publish", .main = publish_run});
    if (r == 0)
        r = parts_add(run, &receive, &(Part){.word = "receive", .main = receive_run});
    if (r == 0 && run->n == 0)
        r = error_fail(ERROR_CONFIG, "run: --publish FILE or --receive FILE is needed");
    return r;
}

int run_main(int argc, char **argv) {
    static Run run = {.news = {-1, -1}, .signals = -1};
    log_setup("dongbo-agent", LOG_LEVEL_INFO);
    int r = options_read(&run, argc, argv);
    if (r == 1)
        return 0;
    if (r == 0)
        r = signals_set(&run);
    if (r == 0)
        r = parts_start(&run);
    if (r < 0)
        log_error("%s", error_text());
    if (r < 0 && run.n_running > 0)
        stop(&run);
    int watched = watch(&run);
    if (watched < 0)
        log_error("%s", error_text());
    if (r < 0 || watched < 0)
        return error_exit_code(r < 0 ? r : watched);
    return run.code;
}
