/* Protocol files that are wrong, and what the scanner says about each. */
#ifndef BAD_INPUT_H
#define BAD_INPUT_H

#include <stddef.h>

struct bad_input {
    const char *name; /* the promise */
    const char *yaml;
    const char
        *errors; /* all that it says; each line without the file's name, as "4: error: ..." */
};

extern const struct bad_input bad_inputs[];
extern const size_t n_bad_inputs;

#endif
