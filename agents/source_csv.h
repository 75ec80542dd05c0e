// SPDX-License-Identifier: Apache-2.0
//
// A drop folder. The rule for whoever writes into it: write the file elsewhere on the same file system and rename it
// into the folder, or write it there and close it; a file that is still open for writing is left alone. Names that
// begin with a dot are ignored. A file is known by its SHA-256: one that was half read when the agent died goes on at
// its row, also where it was away at a start. One that is written to while it is read is read again as a whole. When
// all its rows are decided or deferred it moves to done/, with NAME.refused.csv beside it, and NAME.results.csv for
// what was decided later in its favour. A file in done/ is read again only to hand rows back.
#pragma once

#include "agents/source.h"

// For source_new(): what it made stays in *ret also after a failure. ERROR_CONFIG when the folder is not there or
// cannot be written.
int source_csv_open(Source **ret, const SourceOptions *options);
