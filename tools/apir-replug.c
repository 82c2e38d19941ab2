#include "apir-replug.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "qmp.h"

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    NAME = 256,
    PATH = 512,
    DEFAULT_LIMIT_MS = 30 * 1000,
    DEFAULT_GRACE_MS = 8 * 1000, /* who waits for the daemon asks for a sign after 2 s, and gives it 5 */
    STEP_MS = 100,
};

/* What there is, and is put back. */
struct device {
    char object[2 * NAME];  /* QEMU's path of it */
    char id[NAME];          /* empty: it has none */
    char driver[NAME];
    char bus[NAME];
    char chardev[NAME];     /* the old one's label */
    char new_chardev[NAME]; /* the new one's */
    char path[PATH];        /* apird's socket */
    char properties[NAME];  /* JSON */
};

struct replug {
    const struct apir_replug_options *options;
    FILE *messages;
    struct apir_qmp qmp;
    struct device device;
};

static const char usage[] =
    "usage: apir replug --qmp PATH [options]\n"
    "\n"
    "  --qmp PATH         QEMU's control socket (qemu-system-x86_64 -qmp unix:PATH,server=on,wait=off)\n"
    "  --device ID        the device, if the machine has several of apir's\n"
    "  --vhost-user PATH  where apird listens, if that is not where it did\n"
    "  --grace S          seconds for programs of the guest to notice that apird was gone, before their memory is (8)\n"
    "  --timeout S        seconds for the daemon to listen, and for the guest to let go of the device (30)\n"
    "\n"
    "Takes the virtio-gpu device of apird out of a running machine and puts it back, connected anew: after apird was\n"
    "started again. Programs of the guest that used it get errors; those that start afterwards work.\n"
    "Exit code: 0 done, 1 failed, 2 wrong usage.\n";

static int say(struct replug *replug, const char *what, int error)
{
    char reason[512];
    if (error == -EREMOTEIO && apir_qmp_find(replug->qmp.answer, "desc", reason, sizeof reason))
        fprintf(replug->messages, "apir: %s: %s\n", what, reason);
    else
        fprintf(replug->messages, "apir: %s: %s\n", what, strerror(-error));
    return error;
}

static void nap(unsigned ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

/* Reads a property of the device. 0 or -errno. */
static int get(struct replug *replug, const char *property, char *text, size_t size)
{
    char arguments[2 * NAME + 128];
    snprintf(arguments, sizeof arguments, "{\"path\": \"%s\", \"property\": \"%s\"}", replug->device.object,
             property);
    int ret = apir_qmp_command(&replug->qmp, "qom-get", arguments);
    if (ret == 0 && !apir_qmp_find(replug->qmp.answer, "return", text, size))
        ret = -EPROTO;
    return ret;
}

/* Whether the kind of an object is that of a device of ours: QEMU has called it by two names. */
static bool is_ours(const char *type, char *driver)
{
    static const char *const drivers[] = {"vhost-user-test-device-pci", "vhost-user-device-pci"};
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (strncmp(type, "child<", 6) == 0 && strncmp(type + 6, drivers[i], strlen(drivers[i])) == 0 &&
            strcmp(type + 6 + strlen(drivers[i]), ">") == 0) {
            strcpy(driver, drivers[i]);
            return true;
        }
    return false;
}

/* Looks among the children of an object; `name` NULL: for any of ours. How many there are, or -errno. */
static int find_child(struct replug *replug, const char *parent, const char *wanted, struct device *found)
{
    char name[NAME], type[NAME], driver[NAME], arguments[NAME];
    int count = 0;
    snprintf(arguments, sizeof arguments, "{\"path\": \"%s\"}", parent);
    int ret = apir_qmp_command(&replug->qmp, "qom-list", arguments);
    if (ret < 0)
        return ret;
    const char *at = replug->qmp.answer;
    while ((at = apir_qmp_find(at, "name", name, sizeof name)) && apir_qmp_find(at, "type", type, sizeof type)) {
        if (!is_ours(type, driver) || (wanted && strcmp(wanted, name) != 0))
            continue;
        count++;
        snprintf(found->object, sizeof found->object, "%s/%s", parent, name);
        snprintf(found->id, sizeof found->id, "%s", name);
        strcpy(found->driver, driver);
    }
    return count;
}

/* Looks for the device: with that id, or the only one. How many there are, or -errno. */
static int find_device(struct replug *replug, const char *wanted, struct device *found)
{
    int named = find_child(replug, "/machine/peripheral", wanted, found);
    int others = named < 0 || wanted ? 0 : find_child(replug, "/machine/peripheral-anon", NULL, found);
    if (others > 0)
        found->id[0] = '\0';
    return named < 0 || others < 0 ? (named < 0 ? named : others) : named + others;
}

/* Whether it is still in the machine: 1 or 0, or -errno. */
static int is_there(struct replug *replug)
{
    struct device found;
    const char *name = strrchr(replug->device.object, '/') + 1;
    return find_child(replug, replug->device.id[0] ? "/machine/peripheral" : "/machine/peripheral-anon", name, &found);
}

/* Where the old connection goes, and a label for the new one that is not taken. */
static int read_chardevs(struct replug *replug)
{
    struct device *device = &replug->device;
    char label[NAME], filename[PATH];
    unsigned next = 1;
    int ret = get(replug, "chardev", device->chardev, sizeof device->chardev);
    if (ret == 0)
        ret = apir_qmp_command(&replug->qmp, "query-chardev", NULL);
    if (ret < 0)
        return ret;
    snprintf(device->new_chardev, sizeof device->new_chardev, "apir-replug-%u", next);
    const char *at = replug->qmp.answer;
    /* filename comes before label, or behind it: both belong to the object that is between two braces */
    while ((at = strchr(at, '{'))) {
        char object[2048];
        size_t size = strcspn(at + 1, "}");
        snprintf(object, sizeof object, "%.*s", (int)(size < sizeof object ? size : sizeof object - 1), ++at);
        if (!apir_qmp_find(object, "label", label, sizeof label))
            continue;
        if (strcmp(label, device->new_chardev) == 0) {
            snprintf(device->new_chardev, sizeof device->new_chardev, "apir-replug-%u", ++next);
            at = replug->qmp.answer;
        } else if (strcmp(label, device->chardev) == 0 &&
                   apir_qmp_find(object, "filename", filename, sizeof filename) && strstr(filename, "unix:")) {
            strcpy(device->path, strstr(filename, "unix:") + strlen("unix:"));
        }
    }
    if (replug->options->vhost_user)
        snprintf(device->path, sizeof device->path, "%s", replug->options->vhost_user);
    return device->path[0] ? 0 : -ENOTSOCK;
}

static int read_properties(struct replug *replug)
{
    static const char *const names[] = {"virtio-id", "num_vqs", "vq_size", "config_size"};
    struct device *device = &replug->device;
    char value[NAME];
    size_t used = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int ret = get(replug, names[i], value, sizeof value);
        if (ret < 0)
            return ret;
        used += (size_t)snprintf(device->properties + used, sizeof device->properties - used, ", \"%s\": %.20s",
                                 names[i], value);
    }
    int ret = get(replug, "parent_bus", value, sizeof value);
    if (ret < 0)
        return ret;
    const char *slash = strrchr(value, '/');
    strcpy(device->bus, slash ? slash + 1 : value);
    return 0;
}

static int look(struct replug *replug)
{
    int ret = find_device(replug, replug->options->device, &replug->device);
    if (ret > 1) {
        fprintf(replug->messages, "apir: the machine has %d such devices: choose one with --device\n", ret);
        return -EEXIST;
    }
    if (ret == 0) {
        fprintf(replug->messages, "apir: the machine has no device vhost-user-test-device-pci%s%s\n",
                replug->options->device ? " with the id " : "",
                replug->options->device ? replug->options->device : "");
        return -ENODEV;
    }
    ret = ret < 0 ? ret : read_properties(replug);
    if (ret == 0)
        ret = read_chardevs(replug);
    return ret < 0 ? say(replug, "the device could not be looked at", ret) : 0;
}

/* The new connection comes first: if nobody listens, nothing has changed. */
static int connect_daemon(struct replug *replug)
{
    char path[2 * PATH], label[2 * NAME], arguments[2 * PATH + 2 * NAME + 256];
    if (!apir_qmp_quote(replug->device.path, path, sizeof path) ||
        !apir_qmp_quote(replug->device.new_chardev, label, sizeof label))
        return say(replug, "the path of apird's socket cannot be told to QEMU", -EINVAL);
    snprintf(arguments, sizeof arguments,
             "{\"id\": %s, \"backend\": {\"type\": \"socket\", \"data\": {\"server\": false, \"addr\": {\"type\": \"unix\", "
             "\"data\": {\"path\": %s}}}}}",
             label, path);
    int ret = apir_qmp_command(&replug->qmp, "chardev-add", arguments);
    for (unsigned ms = 0; ret == -EREMOTEIO && ms < replug->options->limit_ms; ms += STEP_MS) {
        nap(STEP_MS);
        ret = apir_qmp_command(&replug->qmp, "chardev-add", arguments);
    }
    return ret < 0 ? say(replug, "apird cannot be reached, so nothing was changed", ret) : 0;
}

static int remove_chardev(struct replug *replug, const char *chardev)
{
    char label[2 * NAME], arguments[2 * NAME + 16];
    if (!apir_qmp_quote(chardev, label, sizeof label))
        return -EINVAL;
    snprintf(arguments, sizeof arguments, "{\"id\": %s}", label);
    return apir_qmp_command(&replug->qmp, "chardev-remove", arguments);
}

/* The guest has a say in it: it ends what uses the device. */
static int unplug(struct replug *replug)
{
    char arguments[2 * NAME + 16];
    int ret = 1;
    snprintf(arguments, sizeof arguments, "{\"id\": \"%s\"}", replug->device.object);
    for (unsigned ms = 0; ret > 0 && ms < replug->options->limit_ms; ms += STEP_MS) {
        if (ms % 5000 == 0) /* a guest that was not ready is asked again; while it is at it, that is refused */
            ret = apir_qmp_command(&replug->qmp, "device_del", arguments);
        nap(STEP_MS);
        if (ret >= 0 || ret == -EREMOTEIO)
            ret = is_there(replug);
    }
    if (ret > 0) {
        fprintf(replug->messages,
                "apir: the guest has not let go of the device in %u s: it may be booting, or without hotplug; try again\n",
                replug->options->limit_ms / 1000);
        ret = -ETIMEDOUT;
    } else if (ret < 0) {
        say(replug, "the device cannot be unplugged", ret);
    }
    if (ret < 0)
        remove_chardev(replug, replug->device.new_chardev);
    return ret;
}

static int plug(struct replug *replug)
{
    const struct device *device = &replug->device;
    char arguments[5 * NAME];
    snprintf(arguments, sizeof arguments,
             "{\"driver\": \"%.63s\", \"id\": \"%.127s\", \"bus\": \"%.127s\", \"chardev\": \"%.127s\"%s}", device->driver,
             device->id[0] ? device->id : device->new_chardev, device->bus, device->new_chardev, device->properties);
    int ret = apir_qmp_command(&replug->qmp, "device_add", arguments);
    if (ret == 0)
        return 0;
    say(replug, "the device cannot be plugged in", ret);
    fprintf(replug->messages, "apir: to try that by hand, on %s: {\"execute\": \"device_add\", \"arguments\": %s}\n",
            replug->options->qmp, arguments);
    return ret;
}

static int run(struct replug *replug)
{
    int ret = look(replug);
    if (ret == 0)
        ret = connect_daemon(replug);
    if (ret < 0)
        return ret;
    /* the guest's kernel ends programs that touch memory of a device that is gone; those that know do not */
    nap(replug->options->grace_ms);
    ret = unplug(replug);
    if (ret < 0)
        return ret;
    remove_chardev(replug, replug->device.chardev); /* in vain only if somebody else did */
    ret = plug(replug);
    if (ret == 0)
        fprintf(replug->messages, "apir: the device %s is connected to %s\n", replug->device.object, replug->device.path);
    return ret;
}

int apir_replug(const struct apir_replug_options *options, FILE *messages)
{
    struct replug *replug = calloc(1, sizeof *replug);
    if (!replug)
        return EXIT_FAILED;
    replug->options = options;
    replug->messages = messages;
    int ret = apir_qmp_open(&replug->qmp, options->qmp);
    if (ret == -ETIMEDOUT)
        fprintf(messages, "apir: %s does not greet: is something else connected to it?\n", options->qmp);
    else if (ret < 0)
        fprintf(messages, "apir: cannot connect to QEMU at %s: %s\n", options->qmp, strerror(-ret));
    else
        ret = run(replug);
    apir_qmp_close(&replug->qmp);
    free(replug);
    return ret < 0 ? EXIT_FAILED : 0;
}

/* Seconds, as milliseconds. 1, or -1. */
static int take_seconds(const char *name, unsigned least, unsigned *ms)
{
    char *end;
    unsigned long seconds = strtoul(optarg, &end, 10);
    if (*optarg < '0' || *optarg > '9' || *end || seconds < least || seconds > 3600) {
        fprintf(stderr, "apir: --%s %s: expected seconds, from %u to 3600\n", name, optarg, least);
        return -1;
    }
    *ms = (unsigned)seconds * 1000;
    return 1;
}

static int take_option(struct apir_replug_options *options, int option)
{
    switch (option) {
    case 'q':
        options->qmp = optarg;
        return 1;
    case 'd':
        options->device = optarg;
        return 1;
    case 'v':
        options->vhost_user = optarg;
        return 1;
    case 't':
        return take_seconds("timeout", 1, &options->limit_ms);
    case 'g':
        return take_seconds("grace", 0, &options->grace_ms);
    case 'h':
        fputs(usage, stdout);
        return 0;
    default:
        return -1;
    }
}

int apir_replug_main(int argc, char **argv)
{
    static const struct option known[] = {
        {"qmp", required_argument, NULL, 'q'},     {"device", required_argument, NULL, 'd'},
        {"vhost-user", required_argument, NULL, 'v'}, {"timeout", required_argument, NULL, 't'},
        {"grace", required_argument, NULL, 'g'},   {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct apir_replug_options options = {.limit_ms = DEFAULT_LIMIT_MS, .grace_ms = DEFAULT_GRACE_MS};
    int option, next;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
        if ((next = take_option(&options, option)) <= 0)
            return next < 0 ? EXIT_USAGE : 0;
    if (optind != argc || !options.qmp) {
        fprintf(stderr, "apir: %s\n", options.qmp ? "too many arguments" : "--qmp PATH is missing");
        fputs("apir: see apir replug --help\n", stderr);
        return EXIT_USAGE;
    }
    return apir_replug(&options, stderr);
}
