// SPDX-License-Identifier: Apache-2.0
//
// How a part of an agent is, in words, for whoever watches the process: told when it changes, seldom.
#pragma once

#define HEALTH_TEXT_BYTES 160

typedef struct Health {
    void (*tell)(void *self, const char *text); // keeps nothing of it by pointer; must not block
    void *self;
} Health;
