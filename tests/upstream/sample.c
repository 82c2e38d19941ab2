#include "upstream/sample.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

const char *const sample_order[] = {
    "HANDSHAKE",
    "LOADLIBRARY",
    "device_get_description",
    "device_get_count",
    "device_get_type",
    "device_get_name",
    "device_get_memory",
    "device_get_buffer_type",
    "buffer_type_get_name",
    "buffer_type_get_alignment",
    "buffer_type_get_max_size",
    "device_get_props",
    "device_get_props.2",
    "device_get_props.3",
    "buffer_type_alloc_buffer",
    "buffer_get_base",
    "buffer_clear",
    "buffer_set_tensor",
    "buffer_set_tensor.2",
    "backend_graph_compute",
    "buffer_get_tensor",
    "buffer_cpy_tensor",
    "buffer_get_tensor.2",
    "buffer_type_get_alloc_size",
    "device_supports_op",
    "buffer_set_tensor.3",
    "buffer_get_tensor.3",
    "buffer_type_get_alloc_size.2",
    "device_get_props.4",
    "buffer_type_alloc_buffer.2",
    "buffer_get_base.2",
    "buffer_set_tensor.4",
    "buffer_set_tensor.5",
    "backend_graph_compute.2",
    "buffer_get_tensor.4",
    "device_get_device_count",
    "buffer_type_is_host",
    "unknown",
    "LOADLIBRARY.2",
    "buffer_free_buffer",
    "buffer_free_buffer.2",
    NULL,
};

const char *const sample_order_fromptr[] = {
    "HANDSHAKE",
    "LOADLIBRARY",
    "device_get_description",
    "device_get_count",
    "device_get_type",
    "device_get_name",
    "device_get_memory",
    "device_get_buffer_type",
    "buffer_type_get_name",
    "buffer_type_get_alignment",
    "buffer_type_get_max_size",
    "device_get_props",
    "device_get_props.2",
    "device_get_props.3",
    "device_buffer_from_ptr",
    "buffer_clear",
    "backend_graph_compute",
    "buffer_cpy_tensor",
    "buffer_type_get_alloc_size",
    "device_supports_op",
    "buffer_type_get_alloc_size.2",
    "device_get_props.4",
    "device_buffer_from_ptr.2",
    "backend_graph_compute.2",
    "device_get_device_count",
    "buffer_type_is_host",
    "unknown",
    "LOADLIBRARY.2",
    "buffer_free_buffer",
    "buffer_free_buffer.2",
    NULL,
};

void sample_folder_init(struct sample_folder *folder, const char *path)
{
    memset(folder, 0, sizeof *folder);
    snprintf(folder->path, sizeof folder->path, "%s", path);
}

static bool is_used(const struct sample_folder *folder, const char *file)
{
    for (unsigned i = 0; i < folder->n_used; i++)
        if (strcmp(folder->used[i], file) == 0)
            return true;
    return false;
}

static void read_file(struct sample_folder *folder, const char *name, const char *kind, struct sample_bytes *bytes)
{
    char file[64], path[SAMPLE_MAX_PATH + 80];
    bytes->size = 0;
    snprintf(file, sizeof file, "%s.%s.bin", name, kind);
    snprintf(path, sizeof path, "%s/%s", folder->path, file);
    FILE *stream = fopen(path, "rbe");
    if (!stream)
        return;
    bytes->size = fread(bytes->data, 1, sizeof bytes->data, stream);
    fclose(stream);
    if (folder->n_used < SAMPLE_MAX_FILES && !is_used(folder, file))
        memcpy(folder->used[folder->n_used++], file, sizeof file);
}

bool sample_read(struct sample_folder *folder, const char *name, struct sample *sample)
{
    read_file(folder, name, "req", &sample->request);
    read_file(folder, name, "rep", &sample->reply);
    read_file(folder, name, "shm", &sample->shm);
    return sample->request.size > 0 && sample->reply.size > 0;
}

char *sample_unused(const struct sample_folder *folder)
{
    char *unused = NULL;
    DIR *dir = opendir(folder->path);
    if (!dir)
        return strdup(folder->path);
    for (struct dirent *entry; !unused && (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".bin") == 0 && !is_used(folder, entry->d_name))
            unused = strdup(entry->d_name);
    }
    closedir(dir);
    return unused;
}
