#include "slots.h"

#include "host.h"

void slots_put_struct(const struct fuzz_step *step, const struct fuzz_handles *handles, const struct fuzz_protocol *protocol,
                      struct slot_struct *last)
{
    uint8_t *slot = host_slot(step->param);
    *last = (struct slot_struct){.slot = step->param % HOST_SLOTS, .size = step->size};
    if (step->size > 0)
        memcpy(slot, step->bytes, step->size);
    fuzz_handles_put(handles, protocol, protocol->messages[step->what].args, slot, step->size);
}

void slots_put_data(const struct fuzz_step *step)
{
    struct reader reader = {step->bytes, step->size};
    uint16_t offset = reader_u16(&reader);
    if (reader.left > 0 && reader.left <= (size_t)HOST_SLOT_SIZE - offset)
        memcpy(host_slot(step->param) + offset, reader.data, reader.left);
}
