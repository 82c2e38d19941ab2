/* Which capset the virtgpu transport chooses, on a device whose driver is the test. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <virtgpu_drm.h>
#include <xf86drm.h>

#include "transport/transport.h"
#include "transport/virtgpu.h"
#include "util/log.h"
#include "wire/capset.h"

#ifndef VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME
#define VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME 8
#endif

enum { VENUS_SIZE = 160 }; /* of a real Venus capset */

/* The device. */
struct device {
    char dir[64];
    bool offers_apir, offers_venus;
    alignas(8) uint8_t apir[APIR_MAX_CAPSET];
    alignas(8) uint8_t venus[APIR_MAX_CAPSET];
    size_t apir_size, venus_size;
    uint32_t version; /* the highest of the capsets */
    bool has_names; /* the kernel can name contexts */
};

static struct device *device; /* of the running test: the functions below are given none */

static int get_param(const struct drm_virtgpu_getparam *args)
{
    uint32_t value = 1;
    if (args->param == VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs)
        value =
            (device->offers_apir ? 1u << APIR_CAPSET_APIR : 0) | (device->offers_venus ? 1u << APIR_CAPSET_VENUS : 0);
    else if (args->param == VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME && !device->has_names)
        return -1;
    memcpy((void *)(uintptr_t)args->value, &value, sizeof value);
    return 0;
}

/* As the kernel does: as many bytes as both have, of a version that is offered. */
static int get_caps(const struct drm_virtgpu_get_caps *args)
{
    if (args->cap_set_ver > device->version) {
        errno = EINVAL;
        return -1;
    }
    bool apir = args->cap_set_id == APIR_CAPSET_APIR;
    size_t size = apir ? device->apir_size : device->venus_size;
    memcpy((void *)(uintptr_t)args->addr, apir ? device->apir : device->venus, size < args->size ? size : args->size);
    return 0;
}

/* These take the place of libdrm's. */
int drmIoctl(int fd, unsigned long request, void *args)
{
    (void)fd;
    if (request == DRM_IOCTL_VIRTGPU_GETPARAM)
        return get_param(args);
    if (request == DRM_IOCTL_VIRTGPU_GET_CAPS)
        return get_caps(args);
    errno = EINVAL;
    return -1;
}

drmVersionPtr drmGetVersion(int fd)
{
    static char name[] = "virtio_gpu";
    (void)fd;
    drmVersionPtr version = calloc(1, sizeof *version);
    version->name = name;
    version->name_len = (int)strlen(name);
    return version;
}

void drmFreeVersion(drmVersionPtr version)
{
    free(version);
}

static int set_up(void **state)
{
    char path[128];
    struct device *d = calloc(1, sizeof *d);
    strcpy(d->dir, "/tmp/apir-dri-XXXXXX");
    assert_non_null(mkdtemp(d->dir));
    snprintf(path, sizeof path, "%s/renderD128", d->dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    d->has_names = true;
    d->version = 1;
    *state = device = d;
    return 0;
}

static int tear_down(void **state)
{
    struct device *d = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/renderD128", d->dir);
    unlink(path);
    rmdir(d->dir);
    free(d);
    return 0;
}

/* The capsets of each kind of host. */
static void offer_apir(struct device *d)
{
    d->offers_apir = true;
    d->apir_size = APIR_CAPSET_SIZE;
    apir_capset_fill((struct apir_capset *)d->apir);
}

static void offer_apir_as_venus(struct device *d)
{
    d->offers_venus = true;
    d->venus_size = APIR_CAPSET_SIZE;
    apir_capset_fill((struct apir_capset *)d->venus);
}

static void offer_venus(struct device *d)
{
    d->offers_venus = true;
    d->venus_size = VENUS_SIZE;
    for (size_t i = 0; i < VENUS_SIZE; i++)
        d->venus[i] = (uint8_t)(i * 7 + 3);
}

static void offer_both_on_venus(struct device *d)
{
    offer_venus(d);
    apir_capset_write_trailer(d->venus + VENUS_SIZE);
    d->venus_size += APIR_TRAILER_SIZE;
}

/* The capset that is found, or -errno. */
static int find(const struct device *d, enum apir_virtgpu_capset capset, const char *says)
{
    char reason[512] = "";
    struct apir_virtgpu_node node;
    struct apir_virtgpu_options options = {.dri_dir = d->dir, .capset = capset};
    int ret = apir_virtgpu_node_find(&options, NULL, &node, reason, sizeof reason);
    if (ret == 0) {
        close(node.fd);
        return (int)node.capset;
    }
    if (!strstr(reason, says))
        fail_msg("\"%s\" does not say \"%s\"", reason, says);
    return ret;
}

static void apir_capset_is_taken(void **state)
{
    struct device *d = *state;
    offer_apir(d);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_AUTO, ""), APIR_CAPSET_APIR);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_APIR, ""), APIR_CAPSET_APIR);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_VENUS, "no Venus capset"), -EOPNOTSUPP);
}

/* Only hosts that can go offer it; a deployed one would not know the command. */
static void only_a_host_that_takes_nothing_is_asked_for_it(void **state)
{
    struct device *d = *state;
    char reason[512];
    struct apir_virtgpu_options options = {.dri_dir = d->dir};
    offer_apir(d);
    for (d->version = 1; d->version <= APIR_CAPSET_NOTHING; d->version++) {
        struct apir_virtgpu_node node;
        assert_int_equal(apir_virtgpu_node_find(&options, NULL, &node, reason, sizeof reason), 0);
        assert_int_equal(node.takes_nothing, d->version == APIR_CAPSET_NOTHING);
        close(node.fd);
    }
}

static void apir_capset_goes_before_venus(void **state)
{
    struct device *d = *state;
    offer_apir(d);
    offer_both_on_venus(d);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_AUTO, ""), APIR_CAPSET_APIR);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_VENUS, ""), APIR_CAPSET_VENUS);
}

static void venus_capset_with_apirs_data_is_taken(void **state)
{
    struct device *d = *state;
    offer_apir_as_venus(d);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_AUTO, ""), APIR_CAPSET_VENUS);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_APIR, "no APIR capset"), -EOPNOTSUPP);
    d->has_names = false; /* all contexts there are APIR's */
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_AUTO, ""), APIR_CAPSET_VENUS);
}

static void venus_capset_with_a_trailer_is_taken(void **state)
{
    struct device *d = *state;
    offer_both_on_venus(d);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_AUTO, ""), APIR_CAPSET_VENUS);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_APIR, "no APIR capset"), -EOPNOTSUPP);
}

static void kernel_without_names_cannot_share_a_capset(void **state)
{
    struct device *d = *state;
    offer_both_on_venus(d);
    d->has_names = false;
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_AUTO, "a newer kernel is needed"), -EOPNOTSUPP);
}

static void host_of_venus_alone_is_left_alone(void **state)
{
    struct device *d = *state;
    offer_venus(d);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_AUTO, "has no APIR"), -EOPNOTSUPP);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_APIR, "no APIR capset"), -EOPNOTSUPP);
    assert_int_equal(find(d, APIR_VIRTGPU_CAPSET_VENUS, ""), APIR_CAPSET_VENUS); /* forced */
}

static void environment_chooses(void **state)
{
    char reason[512];
    (void)state;
    unsetenv("GGML_VIRTGPU_SOCKET");
    setenv("GGML_VIRTGPU_CAPSET", "nonsense", 1);
    char *text = NULL;
    size_t size;
    struct apir_log log = {.stream = open_memstream(&text, &size), .level = APIR_LOG_WARN, .prefix = "test"};
    struct apir_transport *transport = apir_transport_open(&log, reason, sizeof reason);
    fclose(log.stream);
    assert_non_null(strstr(text, "GGML_VIRTGPU_CAPSET=nonsense is ignored"));
    free(text);
    if (transport)
        transport->ops->destroy(transport);
    unsetenv("GGML_VIRTGPU_CAPSET");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(apir_capset_is_taken),
        TEST(only_a_host_that_takes_nothing_is_asked_for_it),
        TEST(apir_capset_goes_before_venus),
        TEST(venus_capset_with_apirs_data_is_taken),
        TEST(venus_capset_with_a_trailer_is_taken),
        TEST(kernel_without_names_cannot_share_a_capset),
        TEST(host_of_venus_alone_is_left_alone),
        TEST(environment_chooses),
    };
    return cmocka_run_group_tests_name("virtgpu-capset", tests, NULL, NULL);
}
