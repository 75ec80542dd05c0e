// SPDX-License-Identifier: Apache-2.0
//
// `dongbo-agent witness`: somebody outside who follows an exchange's log by its signed heads and keeps them, co-signed,
// so that a log that is written anew, set back, or shown differently to others is found out. It learns of nobody.
#pragma once

// Exit code: 0 asked to stop, or caught up (--once); 1 the exchange refuses us, or uses a key that is not known; 2
// configuration, or the file of heads is damaged; 3 no broker could be reached within --timeout; 4 this side failed; 5
// the exchange shows another log; 6 its history was set back. With 5 and 6 both heads are kept as evidence.
int witness_main(int argc, char **argv);
