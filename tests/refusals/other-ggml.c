/* Preloaded, makes the running ggml one whose backend interface the plug-in does not know. */
const char *ggml_version(void);

__attribute__((visibility("default"))) const char *ggml_version(void)
{
    return "0.99.0";
}
