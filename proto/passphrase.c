// SPDX-License-Identifier: Apache-2.0
//
// See passphrase.h. What was read is wiped on every way out but the caller's own copy.
#include "proto/passphrase.h"

#include "proto/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define TERMINAL "/dev/tty"

void passphrase_wipe(Passphrase *passphrase) {
    OPENSSL_cleanse(passphrase, sizeof *passphrase);
}

// To the first newline, or the end.
static int read_line(int fd, const char *name, Passphrase *ret) {
    *ret = (Passphrase){0};
    for (;;) {
        ssize_t n = read(fd, ret->text + ret->n, PASSPHRASE_BYTES_MAX + 1 - ret->n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_fail(ERROR_SYSTEM, "cannot read a passphrase from %s: %s", name, strerror(errno));
        char *newline = memchr(ret->text + ret->n, '\n', (size_t)n);
        ret->n = newline != NULL ? (size_t)(newline - ret->text) : ret->n + (size_t)n;
        if (ret->n > PASSPHRASE_BYTES_MAX)
            return error_fail(ERROR_CONFIG, "%s: a passphrase has %d bytes at most", name, PASSPHRASE_BYTES_MAX);
        if (newline != NULL || n == 0)
            break;
    }
    OPENSSL_cleanse(ret->text + ret->n, sizeof ret->text - ret->n);
    return 0;
}

int passphrase_read_fd(const char *number, Passphrase *ret) {
    char *end = NULL, name[64];
    long fd = strtol(number, &end, 10);
    snprintf(name, sizeof name, "file descriptor %.32s", number);
    if (end == number || *end != '\0' || fd < 0 || fd > INT_MAX)
        return error_fail(ERROR_CONFIG, "\"%s\" is no file descriptor", number);
    lseek((int)fd, 0, SEEK_SET); // for the next key file; a pipe cannot
    return read_line((int)fd, name, ret);
}

static int ask_on(int fd, const char *words, Passphrase *ret) {
    struct termios before, silent;
    if (tcgetattr(fd, &before) != 0)
        return error_fail(ERROR_CONFIG, "%s is no terminal: %s", TERMINAL, strerror(errno));
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(fd, TCSAFLUSH, &silent);
    dprintf(fd, "%s: ", words);
    int r = read_line(fd, TERMINAL, ret);
    dprintf(fd, "\n");
    tcsetattr(fd, TCSAFLUSH, &before);
    return r;
}

int passphrase_ask(const char *words, Passphrase *ret) {
    int fd = open(TERMINAL, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return error_fail(ERROR_CONFIG, "there is no terminal to ask for a passphrase: %s", strerror(errno));
    int r = ask_on(fd, words, ret);
    close(fd);
    return r;
}

// 1 where there is no such credential.
static int read_credential(const char *path, Passphrase *ret) {
    const char *directory = getenv("CREDENTIALS_DIRECTORY"), *slash = strrchr(path, '/');
    char *name = NULL;
    if (directory == NULL || *directory == '\0')
        return 1;
    if (asprintf(&name, "%s/%s.passphrase", directory, slash != NULL ? slash + 1 : path) < 0)
        return error_fail(ERROR_MEMORY, "no memory for a passphrase");
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    int r = fd >= 0           ? read_line(fd, name, ret)
            : errno == ENOENT ? 1
                              : error_fail(ERROR_SYSTEM, "cannot open %s: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(name);
    return r;
}

int passphrase_read(const char *path, Passphrase *ret) {
    char words[512];
    int r = read_credential(path, ret);
    const char *number = r == 1 ? getenv("DONGBO_PASSPHRASE_FD") : NULL;
    if (number != NULL)
        r = passphrase_read_fd(number, ret);
    snprintf(words, sizeof words, "Passphrase of %.400s", path);
    if (r == 1 && isatty(STDIN_FILENO))
        r = passphrase_ask(words, ret);
    if (r == 1)
        return error_fail(ERROR_CONFIG,
                          "%s is locked by a passphrase: give it by a systemd credential, by $DONGBO_PASSPHRASE_FD, or "
                          "run this on a terminal",
                          path);
    if (r == 0 && ret->n == 0)
        r = error_fail(ERROR_CONFIG, "the passphrase of %s is empty", path);
    if (r != 0)
        passphrase_wipe(ret);
    return r;
}
