/* Who may connect to a socket of apird, by the file that it is. */
#ifndef APIR_TOOLS_SOCKET_FILE_H
#define APIR_TOOLS_SOCKET_FILE_H

struct apir_log;

/* "0600", "0660" or "0666": its owner, its group too, or all. The mode, or -EINVAL. */
int apir_socket_file_parse_mode(const char *text);

/* Lets these connect to a socket that was made with mode 0600, and warns if others can put one in its place. 0 or -errno. */
int apir_socket_file_share(const char *path, int mode, const struct apir_log *log);

#endif
