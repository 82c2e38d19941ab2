#include "fake-qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEVICE(name) "{\"name\": \"" name "\", \"type\": \"child<vhost-user-test-device-pci>\"}"

/* The value of a property, by its name in the command. */
static const char *property(const char *line)
{
    static const char *const values[][2] = {
        {"\"chardev\"", "\"gpu\""},      {"\"virtio-id\"", "16"},   {"\"num_vqs\"", "2"},
        {"\"vq_size\"", "256"},          {"\"config_size\"", "20"},
        {"\"parent_bus\"", "\"/machine/peripheral/gpu-port/gpu-port\""},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (strstr(line, values[i][0]))
            return values[i][1];
    return "null";
}

static const char *list(const struct fake_qemu *qemu, const char *line)
{
    bool anonymous = strstr(line, "peripheral-anon") != NULL;
    unsigned devices = qemu->unplugged ? 0 : qemu->devices;
    if (anonymous)
        return devices && qemu->unnamed ? DEVICE("device[1]") : "";
    if (devices == 2)
        return DEVICE("one") ", " DEVICE("two");
    return devices && !qemu->unnamed
               ? "{\"name\": \"gpu-port\", \"type\": \"child<pcie-root-port>\"}, " DEVICE("one")
               : "{\"name\": \"type\", \"type\": \"string\"}";
}

static void answer(struct fake_qemu *qemu, const char *line, char *text, size_t size)
{
    static const char chardevs[] =
        "{\"frontend-open\": true, \"filename\": \"disconnected:unix:/run/vm.sock\", \"label\": \"gpu\"}, "
        "{\"filename\": \"vc\", \"label\": \"apir-replug-1\"}";
    const char *error = NULL;
    if (strstr(line, "qom-list"))
        snprintf(text, size, "{\"return\": [%s]}\r\n", list(qemu, line));
    else if (strstr(line, "qom-get"))
        snprintf(text, size, "{\"return\": %s}\r\n", property(line));
    else if (strstr(line, "query-chardev"))
        snprintf(text, size, "{\"return\": [%s]}\r\n", chardevs);
    else if (strstr(line, "chardev-add") && qemu->refusals && qemu->refusals--)
        error = "Failed to connect to '/run/vm.sock': Connection refused";
    else if (strstr(line, "device_add") && qemu->rejects)
        error = "Bus 'gpu-port' not found";
    else
        snprintf(text, size, "{\"timestamp\": {\"seconds\": 1}, \"event\": \"STOP\"}\r\n{\"return\": {}}\r\n");
    if (strstr(line, "device_del"))
        qemu->unplugged = !qemu->keeps;
    if (error)
        snprintf(text, size, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}\r\n", error);
}

static void serve(struct fake_qemu *qemu, FILE *in, int out)
{
    static const char greeting[] = "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n";
    char line[4096], text[4096];
    size_t used = 0;
    if (!qemu->silent && write(out, greeting, sizeof greeting - 1) < 0)
        return;
    while (fgets(line, sizeof line, in)) {
        used += (size_t)snprintf(qemu->log + used, sizeof qemu->log - used, "%s", line);
        if (used >= sizeof qemu->log)
            return;
        answer(qemu, line, text, sizeof text);
        if (write(out, text, strlen(text)) < 0)
            return;
    }
}

static void *run(void *data)
{
    struct fake_qemu *qemu = data;
    int fd = accept(qemu->listener, NULL, NULL);
    FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (in) {
        serve(qemu, in, fd);
        fclose(in);
    }
    return NULL;
}

void fake_qemu_start(struct fake_qemu *qemu)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(qemu->folder, "/tmp/apir-qemu.XXXXXX");
    if (!mkdtemp(qemu->folder))
        abort();
    snprintf(qemu->path, sizeof qemu->path, "%s/qmp", qemu->folder);
    strcpy(address.sun_path, qemu->path);
    qemu->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (qemu->listener < 0 || bind(qemu->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(qemu->listener, 1) < 0 || pthread_create(&qemu->thread, NULL, run, qemu) != 0)
        abort();
}

void fake_qemu_stop(struct fake_qemu *qemu)
{
    pthread_join(qemu->thread, NULL);
    close(qemu->listener);
    unlink(qemu->path);
    rmdir(qemu->folder);
}
