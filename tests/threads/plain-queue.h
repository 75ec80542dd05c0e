// SPDX-License-Identifier: Apache-2.0
//
// A plain queue in place of libzmq, which a thread sanitizer cannot see into: the broker's threads run as they are, and
// their mail, pipes and waiting go through one lock and one condition. The linker sends the calls here (meson.build):
// those of broker/mail.h, thread_start(), and the few of CZMQ's that the threads make.
#pragma once

// Ends what is left of it. All threads have ended.
void plain_queue_end(void);
