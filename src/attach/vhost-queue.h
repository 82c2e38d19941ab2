/* The life of a virtqueue of a vhost-user door: started, kicked, moved, stopped. */
#ifndef APIR_ATTACH_VHOST_QUEUE_H
#define APIR_ATTACH_VHOST_QUEUE_H

#include "attach/vhost-user.h"

enum { APIR_VHOST_CONTROL_QUEUE = 0 };

/* A queue that is not set up. */
void apir_vhost_queue_init(struct apir_vhost_queue *queue, struct apir_vhost_user *door);

/* Starts the queue once all that it needs is there; stops it when it is disabled. 0 or -errno. */
int apir_vhost_queue_update(struct apir_vhost_queue *queue);

/* The memory or the rings have moved. 0 or -errno: then the queue is stopped. */
int apir_vhost_queue_move(struct apir_vhost_queue *queue);

/* Stops it, and keeps in base where it was. A stopped queue is a no-op. */
void apir_vhost_queue_stop(struct apir_vhost_queue *queue);

/* Answers a command of the control queue of the door that owner is; if that queue is stopped, when it goes on. */
void apir_vhost_queue_respond(void *owner, const struct apir_chain *chain, const void *response, uint32_t size);

/* Forgets answers that were not given. */
void apir_vhost_queue_drop_late(struct apir_vhost_user *door);

#endif
