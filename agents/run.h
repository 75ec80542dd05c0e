// SPDX-License-Identifier: Apache-2.0
//
// `dongbo-agent run`: several publishing and receiving parts in one process, each in a thread of its own, for agencies
// that are committees too. They share nothing but the process: one that ends ends the others, cleanly.
#pragma once

// Exit code: 0 asked to stop, and all ended well; else that of the first part that ended by itself or failed.
int run_main(int argc, char **argv);
