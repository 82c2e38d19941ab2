#include "backend/op-quick.h"

#include <stddef.h>

/* An answer as a word: 0 is none. */
enum {
    HAS_SUPPORT = 1,
    SUPPORTED = 2,
    OFFLOAD = 4,
    HAS_SIZE = 8,
    SIZE_SHIFT = 4,
};

#define NO_SIZE (UINT64_MAX >> SIZE_SHIFT) /* stands for UINT64_MAX */

void apir_op_answer_merge(struct apir_op_answer *into, struct apir_op_answer answer)
{
    if (answer.has_support) {
        into->has_support = true;
        into->supported = answer.supported;
        into->offload = answer.offload;
    }
    if (answer.has_size) {
        into->has_size = true;
        into->size = answer.size;
    }
}

static uint64_t pack(struct apir_op_answer answer)
{
    uint64_t size = answer.size == UINT64_MAX ? NO_SIZE : answer.size;
    uint64_t word = 0;
    if (answer.has_support)
        word |= HAS_SUPPORT | (answer.supported ? SUPPORTED : 0) | (answer.offload ? OFFLOAD : 0);
    if (answer.has_size && size <= NO_SIZE)
        word |= HAS_SIZE | size << SIZE_SHIFT;
    return word;
}

static struct apir_op_answer unpack(uint64_t word)
{
    uint64_t size = word >> SIZE_SHIFT;
    return (struct apir_op_answer){
        .has_support = word & HAS_SUPPORT,
        .supported = word & SUPPORTED,
        .offload = word & OFFLOAD,
        .has_size = word & HAS_SIZE,
        .size = size == NO_SIZE ? UINT64_MAX : size,
    };
}

/* An entry outside of the table. */
struct words {
    uint64_t tags[2];
    uint64_t answer;
};

static uint64_t tag(struct apir_print print, unsigned i, uint64_t answer)
{
    return print.words[i] ^ (answer + i) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Relaxed, the partner being write_words: an entry refers to nothing, and one that is half written is no print's. */
static struct words read_words(const struct apir_op_quick_entry *entry)
{
    return (struct words){
        {atomic_load_explicit(&entry->tags[0], memory_order_relaxed),
         atomic_load_explicit(&entry->tags[1], memory_order_relaxed)},
        atomic_load_explicit(&entry->answer, memory_order_relaxed),
    };
}

/* Relaxed, the partners being read_words, and another write at the same time, which may leave an entry of no print. */
static void write_words(struct apir_op_quick_entry *entry, struct words words)
{
    atomic_store_explicit(&entry->tags[0], words.tags[0], memory_order_relaxed);
    atomic_store_explicit(&entry->tags[1], words.tags[1], memory_order_relaxed);
    atomic_store_explicit(&entry->answer, words.answer, memory_order_relaxed);
}

/* 0: it is another print's. */
static uint64_t answer_to(const struct apir_op_quick_entry *entry, struct apir_print print)
{
    struct words words = read_words(entry);
    bool is_it = words.tags[0] == tag(print, 0, words.answer) && words.tags[1] == tag(print, 1, words.answer);
    return is_it ? words.answer : 0;
}

/* Of a product the upper bits depend on all of both. */
static size_t set_of(struct apir_print print)
{
    return print.words[0] >> (64 - APIR_OP_QUICK_BITS);
}

struct apir_op_answer apir_op_quick_get(const struct apir_op_quick *quick, struct apir_print print)
{
    const struct apir_op_quick_set *set = &quick->sets[set_of(print)];
    uint64_t answer = 0;
    for (unsigned i = 0; i < APIR_OP_QUICK_WAYS && answer == 0; i++)
        answer = answer_to(&set->entries[i], print);
    return unpack(answer);
}

void apir_op_quick_put(struct apir_op_quick *quick, struct apir_print print, struct apir_op_answer answer)
{
    struct apir_op_quick_set *set = &quick->sets[set_of(print)];
    struct apir_op_answer known = apir_op_quick_get(quick, print);
    apir_op_answer_merge(&known, answer);
    uint64_t word = pack(known);
    if (word == 0)
        return;
    unsigned at = 0;
    while (at < APIR_OP_QUICK_WAYS && answer_to(&set->entries[at], print) == 0)
        at++;
    if (at == APIR_OP_QUICK_WAYS)
        at--; /* the oldest goes */
    for (; at > 0; at--)
        write_words(&set->entries[at], read_words(&set->entries[at - 1]));
    write_words(&set->entries[0], (struct words){{tag(print, 0, word), tag(print, 1, word)}, word});
}
