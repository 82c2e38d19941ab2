/* Intrusive, circular, doubly linked lists. */
#ifndef APIR_ATTACH_LIST_H
#define APIR_ATTACH_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A head, or a link inside a member. */
struct apir_list {
    struct apir_list *next;
    struct apir_list *previous;
};

/* The struct of this type whose member link is. */
#define apir_list_entry(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void apir_list_init(struct apir_list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool apir_list_empty(const struct apir_list *list)
{
    return list->next == list;
}

/* Puts link at the end of list. */
static inline void apir_list_append(struct apir_list *list, struct apir_list *link)
{
    link->next = list;
    link->previous = list->previous;
    list->previous->next = link;
    list->previous = link;
}

/* Takes link out of its list; a link on its own stays so. */
static inline void apir_list_remove(struct apir_list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    apir_list_init(link);
}

/* Takes the first link out, or returns NULL if there is none. */
static inline struct apir_list *apir_list_take_first(struct apir_list *list)
{
    if (apir_list_empty(list))
        return NULL;
    struct apir_list *link = list->next;
    apir_list_remove(link);
    return link;
}

#endif
