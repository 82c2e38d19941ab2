/* What a process may open and reach: Landlock. */
#ifndef APIR_JAIL_FILES_H
#define APIR_JAIL_FILES_H

#include "jail/jail.h"

/* Restricts the calling thread, and all that it starts. Fills the report's errors of FILES, NETWORK and SCOPE. */
void apir_jail_restrict_files(const struct apir_jail_options *options, struct apir_jail_report *report);

#endif
