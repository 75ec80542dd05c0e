// SPDX-License-Identifier: Apache-2.0
//
// Where things stand in a YAML file, so that an error of meaning (a field that does not exist) can name its line as
// libcyaml's errors of form do.
#pragma once

// The line of fields[index].key in a file whose top is a mapping ("fields", 3, "to"); of the index-th element for a
// NULL key; of the key itself for an index below 0. 0 when there is no such thing, or the file cannot be read again.
int place_line(const char *path, const char *list, int index, const char *key);
