// SPDX-License-Identifier: Apache-2.0
//
// The file that a command writes what it found to. It tells of persons: who made it may read it, and nobody else until
// they say so.
#pragma once

#include <stdio.h>

// Opens it for writing, empty; what is there already keeps the rights that it has. inputs: what the command reads,
// closed by NULL; ERROR_CONFIG where the output is one of them, which then stays as it is.
int output_open(FILE **ret, const char *path, const char *const *inputs);
