/* cmocka and what it wants before it. */
#ifndef APIR_TESTS_BENCH_CMOCKA_ALL_H
#define APIR_TESTS_BENCH_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
