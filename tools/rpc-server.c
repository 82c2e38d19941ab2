/* apir-rpc-server ENDPOINT DEVICE: serves a device of this machine by ggml-rpc, until it is killed. For benchmarks that compare
 * apir with it; what serves is the server of ggml's own library. */
#include <stdio.h>

#include <ggml-backend.h>
#include <ggml-rpc.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: apir-rpc-server HOST:PORT DEVICE\n");
        return 2;
    }
    ggml_backend_load_all();
    ggml_backend_dev_t device = ggml_backend_dev_by_name(argv[2]);
    ggml_backend_reg_t rpc = ggml_backend_reg_by_name("RPC");
    void (*start)(const char *, const char *, size_t, size_t, ggml_backend_dev_t *) = NULL;
    if (rpc)
        *(void **)&start = ggml_backend_reg_get_proc_address(rpc, "ggml_backend_rpc_start_server");
    if (!device || !start) {
        fprintf(stderr, "apir-rpc-server: there is no %s\n", device ? "RPC library" : argv[2]);
        return 1;
    }
    start(argv[1], NULL, 1, 1, &device);
    return 1; /* it comes back only when it cannot serve */
}
