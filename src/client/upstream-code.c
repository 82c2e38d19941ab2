#include "client/upstream-code.h"

#include <errno.h>
#include <stdio.h>

#include "apir-upstream-protocol.h"
#include "client/session-private.h"

static const char *or_unknown(const char *name)
{
    return name ? name : "a code without a name";
}

int apir_upstream_code_forward_failed(struct apir_session *session, const char *what, uint32_t code)
{
    if (code >= APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE) {
        uint32_t returned = code - APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE;
        apir_warn(session->log, "%s failed on the host: %s (%u): its log says why", what,
                  or_unknown(apir_upstream_function_code_name(returned)), returned);
        return -EREMOTEIO;
    }
    const char *name = or_unknown(apir_upstream_forward_code_name(code));
    if (code == APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT) {
        apir_warn(session->log, "%s: the host answers %s (%u): it has no such function, a newer one is needed", what,
                  name, code);
        return -ENOSYS;
    }
    int ret = code == APIR_UPSTREAM_FORWARD_CODE_TIMEOUT ? -EPIPE : -EPROTO;
    char why[160];
    snprintf(why, sizeof why, "%s: the host answers %s (%u): start the program again, and look at the host's log", what,
             name, code);
    apir_session_fail(session, ret, why);
    return ret;
}

struct meaning {
    uint32_t code;
    enum apir_load_status status;
    const char *advice;
};

static const struct meaning of_renderer[] = {
    {APIR_UPSTREAM_LOAD_CODE_HYPERCALL_INITIALIZATION_ERROR, APIR_LOAD_STATUS_REGISTER_FAILED,
     "look at the log of the host's renderer"},
    {APIR_UPSTREAM_LOAD_CODE_ENV_VAR_MISSING, APIR_LOAD_STATUS_PATH_MISSING,
     "set VIRGL_APIR_BACKEND_LIBRARY for the hypervisor"},
    {APIR_UPSTREAM_LOAD_CODE_CANNOT_OPEN, APIR_LOAD_STATUS_CANNOT_OPEN,
     "check VIRGL_APIR_BACKEND_LIBRARY of the hypervisor"},
    {APIR_UPSTREAM_LOAD_CODE_SYMBOL_MISSING, APIR_LOAD_STATUS_SYMBOL_MISSING,
     "VIRGL_APIR_BACKEND_LIBRARY of the hypervisor is not a backend library of APIR"},
};

/* The library has the renderer's codes, too, for the ggml library. */
static const struct meaning of_library[] = {
    {APIR_UPSTREAM_LOAD_CODE_ENV_VAR_MISSING, APIR_LOAD_STATUS_PATH_MISSING,
     "set APIR_LLAMA_CPP_GGML_LIBRARY_PATH for the hypervisor"},
    {APIR_UPSTREAM_LOAD_CODE_CANNOT_OPEN, APIR_LOAD_STATUS_CANNOT_OPEN,
     "check APIR_LLAMA_CPP_GGML_LIBRARY_PATH of the hypervisor"},
    {APIR_UPSTREAM_LOAD_CODE_SYMBOL_MISSING, APIR_LOAD_STATUS_SYMBOL_MISSING,
     "check APIR_LLAMA_CPP_GGML_LIBRARY_REG of the hypervisor"},
};

/* And codes of its own. */
static const struct meaning of_backend[] = {
    {APIR_UPSTREAM_BACKEND_CODE_CANNOT_OPEN_GGML_LIBRARY, APIR_LOAD_STATUS_CANNOT_OPEN,
     "check APIR_LLAMA_CPP_GGML_LIBRARY_PATH of the hypervisor"},
    {APIR_UPSTREAM_BACKEND_CODE_MISSING_GGML_SYMBOLS, APIR_LOAD_STATUS_SYMBOL_MISSING,
     "check APIR_LLAMA_CPP_GGML_LIBRARY_REG of the hypervisor"},
    {APIR_UPSTREAM_BACKEND_CODE_BACKEND_REG_FAILED, APIR_LOAD_STATUS_REGISTER_FAILED,
     "the host's ggml library did not register: check that it is of the ggml that the host has"},
    {APIR_UPSTREAM_BACKEND_CODE_NO_DEVICE, APIR_LOAD_STATUS_NO_DEVICE,
     "the host's ggml library has no device: check the host's driver"},
    {APIR_UPSTREAM_BACKEND_CODE_BACKEND_INIT_FAILED, APIR_LOAD_STATUS_NO_DEVICE,
     "the host's device cannot be used: check the host's driver"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct meaning find(const struct meaning *list, size_t n, uint32_t code)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].code == code)
            return list[i];
    return (struct meaning){code, APIR_LOAD_STATUS_REGISTER_FAILED, "look at the host's log"};
}

enum apir_load_status apir_upstream_code_load_status(uint32_t code, char *message, size_t size)
{
    enum { BASE = APIR_UPSTREAM_LOAD_CODE_BACKEND_BASE };
    message[0] = '\0';
    if (code == APIR_UPSTREAM_LOAD_CODE_SUCCESS || code == APIR_UPSTREAM_LOAD_CODE_ALREADY_LOADED)
        return APIR_LOAD_STATUS_OK;
    /* codes nest twice: the library's comes behind the renderer's base, its backend codes behind a base of its own */
    uint32_t library = code >= BASE ? code - BASE : 0;
    bool is_backend = library >= BASE;
    const char *name = is_backend ? apir_upstream_backend_code_name(library - BASE)
                                  : apir_upstream_load_code_name(code >= BASE ? library : code);
    struct meaning meaning = is_backend      ? find(of_backend, COUNT(of_backend), library - BASE)
                             : code >= BASE ? find(of_library, COUNT(of_library), library)
                                            : find(of_renderer, COUNT(of_renderer), code);
    snprintf(message, size, "%s answers %s (%u): %s",
             code >= BASE ? "the host's backend library" : "the host's renderer", or_unknown(name), code,
             meaning.advice);
    return meaning.status;
}
