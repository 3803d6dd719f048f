/* A disk that fails when told: preloaded into the server by the tests of support/fault.rs.
 *
 * FAULT_FILE names a file. While it exists and holds "CALL PART", every such call on a file whose path
 * contains PART fails with EIO, as the kernel would report it for a bad device. CALL is write or sync.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int fails(const char *call, int fd) {
    const char *name = getenv("FAULT_FILE");
    if (!name) return 0;
    int told = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
    if (told < 0) return 0;
    char text[256];
    ssize_t length = syscall(SYS_read, told, text, sizeof text - 1);
    syscall(SYS_close, told);
    if (length <= 0) return 0;
    text[length] = 0;
    char *part = strchr(text, ' ');
    if (!part) return 0;
    *part++ = 0;
    if (strcmp(text, call) != 0) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (!strstr(path, part)) return 0;
    errno = EIO;
    return 1;
}

int fsync(int fd) { return fails("sync", fd) ? -1 : (int)syscall(SYS_fsync, fd); }

int fdatasync(int fd) { return fails("sync", fd) ? -1 : (int)syscall(SYS_fdatasync, fd); }

ssize_t write(int fd, const void *bytes, size_t count) {
    return fails("write", fd) ? -1 : syscall(SYS_write, fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    return fails("write", fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, offset);
}
