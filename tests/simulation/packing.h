// SPDX-License-Identifier: Apache-2.0
//
// The simulation's zstd: the real one, whose contexts are kept.
#pragma once

void packing_open(void); // once
void packing_close(void);
