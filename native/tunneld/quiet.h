/* Devices on which ARP is of their own addresses alone (RFC 5944 4.6): a mobile node that is away neither answers
 * nor asks for its home address, which is the TUN's. What a device was like before comes back with the end. */
#ifndef CAREOF_QUIET_H
#define CAREOF_QUIET_H

#include <stdbool.h>

/* Make it so, or as it was. Returns 0 or an errno; to end what was not begun is no error. */
int quiet_set(const char *device, bool quiet);

/* All as they were. */
void quiet_sweep(void);

#endif
