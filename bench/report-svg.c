#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

enum {
    WIDTH = 900,
    PLOT_HEIGHT = 420,
    LEFT = 80,
    RIGHT = 210, /* room for the legend */
    TOP = 50,
    BOTTOM = 60,
    MAX_POINTS = APIR_MAX_PARAMETERS,
    MAX_SERIES = 16,
};

struct series {
    char name[64];
    const char *color, *dash;
    double x[MAX_POINTS], y[MAX_POINTS];
    size_t count;
};

/* A plot with two logarithmic axes, whose ends are powers of ten (y) and the first and last point (x). */
struct plot {
    const char *title, *x_title, *y_title;
    struct series series[MAX_SERIES];
    size_t count;
    double least;             /* what is smaller is left out: noise, and nothing that a logarithm shows */
    enum apir_measure labels; /* how positions of the x axis are written */
    int top;                  /* where it is in the picture */
    double x_low, x_high, y_low, y_high;
};

static const struct {
    const char *arm, *color;
} colors[] = {
    {"memcpy", "#555555"}, {"native", "#000000"},    {"floor", "#2a78b8"},     {"apir", "#c8372d"},
    {"rpc", "#d99a1c"},    {"vm-memcpy", "#9a9a9a"}, {"vm-native", "#777777"}, {"vm", "#7b3fa0"},
};

static const char *color_of(const char *arm)
{
    for (size_t i = 0; i < sizeof colors / sizeof *colors; i++)
        if (strcmp(colors[i].arm, arm) == 0)
            return colors[i].color;
    return "#000000";
}

/* Adds an arm's medians, or those of its differences to another arm; points that a logarithm cannot show are left out.
 */
static void add_series(struct plot *plot, const struct apir_samples *samples, enum apir_measure measure,
                       const char *arm, const char *minus, const char *what)
{
    uint64_t parameters[APIR_MAX_PARAMETERS];
    size_t count = apir_report_parameters(samples, measure, parameters);
    if (plot->count == MAX_SERIES)
        return;
    struct series *series = &plot->series[plot->count];
    *series = (struct series){.color = color_of(arm)};
    snprintf(series->name, sizeof series->name, "%s%s%s", arm, *what ? " " : "", what);
    for (size_t i = 0; i < count; i++) {
        struct apir_samples_key key = {measure, parameters[i], arm};
        struct apir_spread spread;
        if (!apir_report_spread(samples, key, minus ? APIR_PAIRING_DIFFERENCE : APIR_PAIRING_NONE, minus, &spread) ||
            spread.median <= plot->least)
            continue;
        series->x[series->count] = (double)parameters[i];
        series->y[series->count++] = spread.median;
    }
    if (series->count)
        plot->count++;
}

static void find_range(struct plot *plot)
{
    double low = INFINITY, high = 0;
    plot->x_low = INFINITY;
    for (size_t i = 0; i < plot->count; i++) {
        const struct series *series = &plot->series[i];
        plot->x_low = fmin(plot->x_low, series->x[0]);
        plot->x_high = fmax(plot->x_high, series->x[series->count - 1]);
        for (size_t k = 0; k < series->count; k++) {
            low = fmin(low, series->y[k]);
            high = fmax(high, series->y[k]);
        }
    }
    plot->y_low = pow(10, floor(log10(low)));
    plot->y_high = pow(10, ceil(log10(high)));
    if (plot->y_high <= plot->y_low)
        plot->y_high = 10 * plot->y_low;
    if (plot->x_high <= plot->x_low)
        plot->x_high = 2 * plot->x_low;
}

static double x_of(const struct plot *plot, double x)
{
    int width = WIDTH - LEFT - RIGHT, left = LEFT;
    return left + width * log(x / plot->x_low) / log(plot->x_high / plot->x_low);
}

static double y_of(const struct plot *plot, double y)
{
    int height = PLOT_HEIGHT - TOP - BOTTOM;
    return plot->top + TOP + height * (1 - log(y / plot->y_low) / log(plot->y_high / plot->y_low));
}

static void draw_y_axis(const struct plot *plot, FILE *file)
{
    for (double y = plot->y_low; y <= plot->y_high * 1.01; y *= 10) {
        fprintf(file, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n", LEFT, WIDTH - RIGHT,
                y_of(plot, y), y_of(plot, y));
        fprintf(file, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 8, y_of(plot, y) + 4, y);
    }
    int middle = plot->top + TOP + (PLOT_HEIGHT - TOP - BOTTOM) / 2;
    fprintf(file, "<text transform=\"translate(22 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n", middle,
            plot->y_title);
}

/* Marks each position that was measured. */
static void draw_x_axis(const struct plot *plot, const struct series *positions, FILE *file)
{
    double bottom = y_of(plot, plot->y_low);
    for (size_t i = 0; i < positions->count; i++) {
        double x = x_of(plot, positions->x[i]);
        char text[32];
        apir_measure_print_parameter(plot->labels, (uint64_t)positions->x[i], text, sizeof text);
        if (plot->labels == APIR_MEASURE_GRAPH)
            text[strcspn(text, " ")] = '\0';
        fprintf(file, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n", x, x, bottom,
                y_of(plot, plot->y_high));
        fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", x, bottom + 18, text);
    }
    fprintf(file, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", LEFT + (WIDTH - LEFT - RIGHT) / 2,
            bottom + 42, plot->x_title);
}

static void draw_series(const struct plot *plot, const struct series *series, size_t index, FILE *file)
{
    const char *dash = series->dash ? series->dash : "none";
    fprintf(file, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" points=\"",
            series->color, dash);
    for (size_t i = 0; i < series->count; i++)
        fprintf(file, "%.1f,%.1f ", x_of(plot, series->x[i]), y_of(plot, series->y[i]));
    fputs("\"/>\n", file);
    for (size_t i = 0; i < series->count; i++)
        fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x_of(plot, series->x[i]),
                y_of(plot, series->y[i]), series->color);
    int y = plot->top + TOP + 10 + 20 * (int)index, x = WIDTH - RIGHT + 15;
    fprintf(
        file,
        "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n", x,
        x + 25, y, y, series->color, dash);
    fprintf(file, "<text x=\"%d\" y=\"%d\">%s</text>\n", x + 32, y + 4, series->name);
}

static void draw_plot(struct plot *plot, FILE *file)
{
    fprintf(file, "<text x=\"%d\" y=\"%d\" font-size=\"16\" font-weight=\"bold\">%s</text>\n", LEFT, plot->top + 28,
            plot->title);
    if (!plot->count) {
        fprintf(file, "<text x=\"%d\" y=\"%d\">not measured</text>\n", LEFT, plot->top + TOP + 20);
        return;
    }
    const struct series *longest = plot->series;
    for (size_t i = 1; i < plot->count; i++)
        if (plot->series[i].count > longest->count)
            longest = &plot->series[i];
    find_range(plot);
    draw_y_axis(plot, file);
    draw_x_axis(plot, longest, file);
    for (size_t i = 0; i < plot->count; i++)
        draw_series(plot, &plot->series[i], i, file);
}

static void draw_overhead(const struct apir_samples *samples, FILE *file)
{
    struct plot plot = {
        .title = "Overhead of a graph seen before, against its size",
        .x_title = "nodes",
        .y_title = "us more than the CPU of the same side",
        .least = 0.1,
        .labels = APIR_MEASURE_GRAPH,
    };
    for (const char *const *arm = apir_report_arms; *arm; arm++) {
        const char *reference = apir_report_reference(APIR_MEASURE_GRAPH, *arm);
        if (strcmp(*arm, reference) != 0)
            add_series(&plot, samples, APIR_MEASURE_GRAPH, *arm, reference, "");
    }
    draw_plot(&plot, file);
}

static void draw_bandwidth(const struct apir_samples *samples, FILE *file)
{
    static const struct {
        enum apir_measure measure;
        const char *what, *dash;
    } kinds[] = {
        {APIR_MEASURE_SET, "set", NULL},
        {APIR_MEASURE_GET, "get", "6 4"},
        {APIR_MEASURE_SET_HOST, "set, host buffer", "2 3"},
        {APIR_MEASURE_GET_HOST, "get, host buffer", "8 3 2 3"},
    };
    struct plot plot = {
        .title = "Bandwidth of set and get, against their size",
        .x_title = "size",
        .y_title = "GB/s",
        .labels = APIR_MEASURE_SET,
        .top = PLOT_HEIGHT,
    };
    add_series(&plot, samples, APIR_MEASURE_SET, "memcpy", NULL, "");
    add_series(&plot, samples, APIR_MEASURE_SET, "vm-memcpy", NULL, "");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (size_t k = 0; k < 3; k++) {
            size_t before = plot.count;
            add_series(&plot, samples, kinds[i].measure, (const char *[]){"apir", "rpc", "vm"}[k], NULL, kinds[i].what);
            if (plot.count > before)
                plot.series[before].dash = kinds[i].dash;
        }
    draw_plot(&plot, file);
}

void apir_report_svg(const struct apir_samples *samples, FILE *file)
{
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
            WIDTH, 2 * PLOT_HEIGHT, WIDTH, 2 * PLOT_HEIGHT);
    draw_overhead(samples, file);
    draw_bandwidth(samples, file);
    fputs("</svg>\n", file);
}
