/* The drop-in libvirglrenderer.so.1 has no code: it brings libvirglrenderer-apir.so, and behind it the real library. */
extern const char apir_drop_in[];
const char apir_drop_in[] = "apir";
