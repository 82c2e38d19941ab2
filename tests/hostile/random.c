#include "hostile/random.h"

#include <string.h>

uint64_t random_next(struct random *random)
{
    uint64_t x = random->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

uint32_t random_below(struct random *random, uint32_t limit)
{
    return (uint32_t)((random_next(random) >> 32) % limit);
}

bool random_once_in(struct random *random, uint32_t times)
{
    return random_below(random, times) == 0;
}

uint64_t random_edge(struct random *random)
{
    uint64_t power = UINT64_C(1) << random_below(random, 64);
    switch (random_below(random, 7)) {
    case 0:
        return random_below(random, 4);
    case 1:
        return UINT64_MAX - random_below(random, 4);
    case 2:
        return UINT32_MAX - random_below(random, 4);
    case 3:
        return power - 1;
    case 4:
        return power + random_below(random, 2);
    case 5:
        return random_below(random, 4096);
    default:
        return random_next(random);
    }
}

void random_fill(struct random *random, void *data, size_t size)
{
    uint8_t *bytes = data;
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t number = random_next(random);
        memcpy(bytes + at, &number, size - at < sizeof number ? size - at : sizeof number);
    }
}
