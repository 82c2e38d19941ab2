#include "hostile/tally.h"

const char *tally_name(enum tally what)
{
    static const char *const names[TALLY_COUNT] = {
        [TALLY_CONTEXTS] = "contexts", [TALLY_DENIED] = "denied",   [TALLY_CALLS] = "calls",
        [TALLY_SERVED] = "served",     [TALLY_REFUSED] = "refused", [TALLY_LOST] = "lost",
        [TALLY_LATE] = "late",         [TALLY_SCRIBBLES] = "scribbles", [TALLY_KILLED] = "killed",
    };
    return names[what];
}
