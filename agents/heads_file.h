// SPDX-License-Identifier: Apache-2.0
//
// A file of co-signed heads, a line each (proto/cosigned.h), to which is only appended; and beside it, PATH.evidence,
// pairs of heads that speak against each other. What a crash left of a line is taken away again; anything else that is
// no such line is somebody's to look at. One writer at a time. For everybody to read: nothing in it is secret.
#pragma once

#include "proto/cosigned.h"

typedef struct HeadsFile HeadsFile;
// Made where there is none; its directory must be there. ERROR_CONFIG: it cannot be opened, another process has it, or
// its last line is none. ERROR_SYSTEM, ERROR_MEMORY.
int heads_file_open(HeadsFile **ret, const char *path);
void heads_file_close(HeadsFile **file);
const Cosigned *heads_file_last(const HeadsFile *file); // as it was when opened; NULL: it was empty
bool heads_file_was_torn(const HeadsFile *file);
// Durable when it returns 0. ERROR_SYSTEM; the file is then as before.
int heads_file_append(HeadsFile *file, const Bytes *line);
// Into PATH.evidence; likewise. *ret_path, which the file keeps: that one's.
int heads_file_keep_evidence(HeadsFile *file, const Bytes *lines, const char **ret_path);
