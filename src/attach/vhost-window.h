/* How the guest comes to see the window: the front end is asked to map all of it, once each time the queue starts. */
#ifndef APIR_ATTACH_VHOST_WINDOW_H
#define APIR_ATTACH_VHOST_WINDOW_H

#include "attach/vhost-user.h"

void apir_vhost_window_init(struct apir_vhost_user *door);

/* Asks the front end to map the window; the device is told when the guest can see it, or that it never will. */
void apir_vhost_window_map(struct apir_vhost_user *door);

/* The memory table has changed. */
void apir_vhost_window_check(struct apir_vhost_user *door);

#endif
