/* Tells who has started apird that it serves, as systemd's Type=notify wants it: sd_notify(3). */
#ifndef APIR_TOOLS_NOTIFY_H
#define APIR_TOOLS_NOTIFY_H

/* A socket to the one that $NOTIFY_SOCKET names, or -1: nobody wants to know. The variable is gone afterwards: what is
 * started from here on is not asked. */
int apir_notify_open(void);

/* Says "ready" and closes the socket. -1 does nothing. */
void apir_notify_ready(int *fd);

#endif
