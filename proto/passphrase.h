// SPDX-License-Identifier: Apache-2.0
//
// The passphrase of a key file: from a systemd credential, from a file descriptor, or asked for on the terminal. Never
// from the command line or the environment, which others can see.
//   $CREDENTIALS_DIRECTORY/NAME.passphrase   NAME is the key file's own name (LoadCredentialEncrypted=)
//   $DONGBO_PASSPHRASE_FD                    the number of a descriptor, read to its first newline or its end; a pipe
//                                            can be read once, a file for every key file
//   the terminal                             where standard input is one
#pragma once

#include <stddef.h>

#define PASSPHRASE_BYTES_MAX 1024

typedef struct Passphrase {
    size_t n;
    char text[PASSPHRASE_BYTES_MAX + 1];
} Passphrase;

// For the key file of this path. ERROR_CONFIG where there is none, or an empty one; it says what to do.
int passphrase_read(const char *path, Passphrase *ret);
// Asks on the terminal with these words, showing nothing. May be empty. ERROR_CONFIG where there is no terminal.
int passphrase_ask(const char *words, Passphrase *ret);
// One line of a descriptor, which is rewound where it can be. ERROR_CONFIG, ERROR_SYSTEM.
int passphrase_read_fd(const char *number, Passphrase *ret);
void passphrase_wipe(Passphrase *passphrase);
