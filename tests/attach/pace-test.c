/* Turns: how many at once, and who is next. */
#include <stdlib.h>

#include "attach/pace.h"
#include "fixture.h"

enum { MANY = 8, HOUR_S = 3600 };

struct line;

struct seat {
    struct line *line;
    struct apir_turn *turn;
};

struct line {
    struct fixture fixture;
    struct apir_pace pace;
    struct apir_turn turns[MANY];
    struct seat seats[MANY];
    struct apir_turn *served[MANY];
    unsigned count;
};

static void ready(void *owner)
{
    struct seat *seat = owner;
    seat->line->served[seat->line->count++] = seat->turn;
}

static int setup(void **state)
{
    struct line *line = calloc(1, sizeof *line);
    *state = line;
    if (!line)
        return -1;
    fixture_init(&line->fixture);
    for (unsigned i = 0; i < MANY; i++) {
        line->seats[i] = (struct seat){line, &line->turns[i]};
        apir_turn_init(&line->turns[i], ready, &line->seats[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    struct line *line = *state;
    apir_pace_finish(&line->pace);
    fixture_finish(&line->fixture);
    free(line);
    return 0;
}

/* A turn each in so many milliseconds, none ahead. */
static void init(struct line *line, unsigned ms)
{
    apir_pace_init(&line->pace, &line->fixture.loop, 1);
    line->pace.interval_ns = ms * UINT64_C(1000000);
    line->pace.ahead_ns = 0;
}

static bool three_are_served(void *argument)
{
    const struct line *line = argument;
    return line->count == 3;
}

static void a_burst_goes_ahead_and_the_next_waits(void **state)
{
    struct line *line = *state;
    apir_pace_init(&line->pace, &line->fixture.loop, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_true(apir_pace_take(&line->pace, &line->turns[i]));
    assert_false(apir_pace_take(&line->pace, &line->turns[4]));
    apir_turn_leave(&line->turns[4]);
}

static void those_who_wait_are_served_in_order(void **state)
{
    struct line *line = *state;
    init(line, 2);
    assert_true(apir_pace_take(&line->pace, &line->turns[0]));
    for (unsigned i = 1; i < 4; i++)
        assert_false(apir_pace_take(&line->pace, &line->turns[i]));
    assert_true(fixture_run_until(&line->fixture, three_are_served, line));
    for (unsigned i = 0; i < 3; i++)
        assert_ptr_equal(line->served[i], &line->turns[i + 1]);
}

static void who_leaves_takes_no_turn(void **state)
{
    struct line *line = *state;
    init(line, 2);
    assert_true(apir_pace_take(&line->pace, &line->turns[0]));
    for (unsigned i = 1; i < 5; i++)
        assert_false(apir_pace_take(&line->pace, &line->turns[i]));
    apir_turn_leave(&line->turns[1]);
    assert_true(fixture_run_until(&line->fixture, three_are_served, line));
    assert_ptr_equal(line->served[0], &line->turns[2]);
}

static void nobody_overtakes_who_waits(void **state)
{
    struct line *line = *state;
    init(line, HOUR_S * 1000);
    assert_true(apir_pace_take(&line->pace, &line->turns[0]));
    assert_false(apir_pace_take(&line->pace, &line->turns[1]));
    line->pace.due_ns = 0; /* the time has come, and the loop has not run yet */
    assert_false(apir_pace_take(&line->pace, &line->turns[2]));
    apir_turn_leave(&line->turns[1]);
    apir_turn_leave(&line->turns[2]);
}

static void without_a_limit_nobody_waits(void **state)
{
    struct line *line = *state;
    apir_pace_init(&line->pace, &line->fixture.loop, 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(apir_pace_take(&line->pace, &line->turns[0]));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_burst_goes_ahead_and_the_next_waits), TEST(those_who_wait_are_served_in_order),
        TEST(who_leaves_takes_no_turn),              TEST(nobody_overtakes_who_waits),
        TEST(without_a_limit_nobody_waits),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
