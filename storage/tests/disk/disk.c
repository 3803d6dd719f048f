/* A disk that fails at the n-th call, preloaded into the test's own child process.
 *
 * DISK_DIR     the directory that it is about; calls on other files are the system's.
 * DISK_PART    only calls on paths that contain this count ("" = all).
 * DISK_CALLS   the kinds of calls that count: any of w (write), s (sync), m (rename, unlink, mkdir, create, cut).
 * DISK_AT      the number of the call at which it happens, from 1.
 * DISK_WHAT    count: nothing, but how many there were is written to DISK_COUNT at the end
 *              fail:  this call fails with EIO               broken: this one and all that follow do
 *              full:  this one fails with ENOSPC             tear:   a write is done in part, and fails with EIO
 *              short: a write is done in part, which is no error     slow: the call takes a while
 *              die:   the process ends before the call       torn:   it ends in the middle of a write
 *              away:  this one and those that follow fail with EIO, DISK_FOR of them in all
 *              lie:   this sync and all that follow do nothing
 * DISK_SHADOW  a directory: what is durable is noted there, so that a power cut can be laid out.
 *              f.INODE is a file as of its last sync, l.INODE the file itself, d.INODE the names of a directory as of its last sync.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OK, FAIL, TEAR, SHORT, LIE };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *dir, *part, *calls, *what, *shadow, *count_file;
static long at, lasts, seen;

__attribute__((constructor)) static void begin(void) {
    dir = getenv("DISK_DIR");
    part = getenv("DISK_PART");
    calls = getenv("DISK_CALLS");
    what = getenv("DISK_WHAT");
    shadow = getenv("DISK_SHADOW");
    count_file = getenv("DISK_COUNT");
    at = getenv("DISK_AT") ? atol(getenv("DISK_AT")) : 0;
    lasts = getenv("DISK_FOR") ? atol(getenv("DISK_FOR")) : 0;
    if (!part) part = "";
    if (!calls) calls = "wsm";
    if (!what) what = "count";
}

__attribute__((destructor)) static void end(void) {
    if (!count_file) return;
    char text[32];
    int length = snprintf(text, sizeof text, "%ld", seen);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, count_file, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (fd >= 0) {
        syscall(SYS_write, fd, text, length);
        syscall(SYS_close, fd);
    }
}

static int is(const char *name) { return strcmp(what, name) == 0; }

static int inside(const char *path) { return dir && strncmp(path, dir, strlen(dir)) == 0; }

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return inside(path);
}

static void end_here(void) { syscall(SYS_exit_group, 137); }

/* What becomes of a call of a kind on a path. */
static int becomes(char kind, const char *path) {
    if (!strchr(calls, kind) || !strstr(path, part)) return OK;
    pthread_mutex_lock(&lock);
    long number = ++seen;
    pthread_mutex_unlock(&lock);
    if (number < at || at == 0) return OK;
    if (is("lie") && kind == 's') return LIE;
    if (is("broken") || (is("away") && number < at + lasts)) {
        errno = EIO;
        return FAIL;
    }
    if (number != at) return OK;
    if (is("die")) end_here();
    if (is("slow")) usleep(30000);
    if (is("torn")) {
        if (kind != 'w') end_here();
        return TEAR;
    }
    if (is("short") && kind == 'w') return SHORT;
    if (is("tear") && kind == 'w') return TEAR;
    if (is("full")) {
        errno = ENOSPC;
        return FAIL;
    }
    if (is("fail") || is("tear")) {
        errno = EIO;
        return FAIL;
    }
    return OK;
}

/* --- what is durable -------------------------------------------------------------------------- */

static void copy_data(int from, int to, off_t length) {
    static char buffer[1 << 16];
    off_t offset = 0;
    ftruncate(to, length);
    while (offset < length) {
        off_t data = lseek(from, offset, SEEK_DATA);
        if (data < 0) break;
        off_t hole = lseek(from, data, SEEK_HOLE);
        for (off_t place = data; place < hole;) {
            size_t wanted = (size_t)(hole - place) < sizeof buffer ? (size_t)(hole - place) : sizeof buffer;
            ssize_t got = (ssize_t)syscall(SYS_pread64, from, buffer, wanted, place);
            if (got <= 0) break;
            syscall(SYS_pwrite64, to, buffer, (size_t)got, place);
            place += got;
        }
        offset = hole;
    }
}

static void note_file(const char *path, const struct stat *status) {
    char name[PATH_MAX], draft[PATH_MAX];
    snprintf(draft, sizeof draft, "%s/draft", shadow);
    snprintf(name, sizeof name, "%s/f.%lu", shadow, (unsigned long)status->st_ino);
    int from = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    int to = (int)syscall(SYS_openat, AT_FDCWD, draft, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
    if (from >= 0 && to >= 0) {
        copy_data(from, to, status->st_size);
        syscall(SYS_renameat2, AT_FDCWD, draft, AT_FDCWD, name, 0);
    }
    if (from >= 0) syscall(SYS_close, from);
    if (to >= 0) syscall(SYS_close, to);
}

static void note_names(const char *path, const struct stat *status) {
    char name[PATH_MAX], draft[PATH_MAX];
    snprintf(draft, sizeof draft, "%s/draft", shadow);
    snprintf(name, sizeof name, "%s/d.%lu", shadow, (unsigned long)status->st_ino);
    int to = (int)syscall(SYS_openat, AT_FDCWD, draft, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    DIR *listed = opendir(path);
    struct dirent *entry;
    while (to >= 0 && listed && (entry = readdir(listed))) {
        if (entry->d_name[0] == '.') continue;
        char line[PATH_MAX];
        int length = snprintf(line, sizeof line, "%lu %d %s\n", (unsigned long)entry->d_ino,
                              entry->d_type == DT_DIR, entry->d_name);
        syscall(SYS_write, to, line, (size_t)length);
    }
    if (listed) closedir(listed);
    if (to >= 0) syscall(SYS_close, to);
    syscall(SYS_renameat2, AT_FDCWD, draft, AT_FDCWD, name, 0);
}

static void durable(int fd, const char *path) {
    if (!shadow) return;
    struct stat status;
    if (fstat(fd, &status) != 0) return;
    pthread_mutex_lock(&lock);
    /* Removed or replaced meanwhile: by its descriptor it is still to be read. */
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (S_ISDIR(status.st_mode)) note_names(path, &status);
    else note_file(link, &status);
    pthread_mutex_unlock(&lock);
}

/* A file has a name that stays, so that what was written and not flushed can be had when its own is gone. */
static void keep(const char *path) {
    if (!shadow) return;
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) return;
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/l.%lu", shadow, (unsigned long)status.st_ino);
    syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, name, 0);
}

/* --- calls ------------------------------------------------------------------------------------ */

static int synced(int fd, long number) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return (int)syscall(number, fd);
    int became = becomes('s', path);
    if (became == FAIL) return -1;
    if (became == LIE) return 0;
    /* With a shadow nothing has to reach the device. */
    int code = shadow ? 0 : (int)syscall(number, fd);
    if (code == 0) durable(fd, path);
    return code;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

static ssize_t written(int fd, const void *bytes, size_t count, off_t offset, int placed) {
    char path[PATH_MAX];
    int became = path_of(fd, path) ? becomes('w', path) : OK;
    if (became == FAIL) return -1;
    size_t some = became == OK ? count : became == SHORT ? (count + 1) / 2 : count / 2;
    ssize_t done = placed ? syscall(SYS_pwrite64, fd, bytes, some, offset)
                          : syscall(SYS_write, fd, bytes, some);
    if (became == TEAR && is("torn")) end_here();
    if (became == TEAR) {
        errno = EIO;
        return -1;
    }
    return done;
}

ssize_t write(int fd, const void *bytes, size_t count) { return written(fd, bytes, count, 0, 0); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    return written(fd, bytes, count, offset, 1);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return written(fd, bytes, count, offset, 1);
}

static int opened(int at_fd, const char *path, int flags, mode_t mode) {
    int made = inside(path) && (flags & O_CREAT) && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
    if (made && becomes('m', path) == FAIL) return -1;
    int fd = (int)syscall(SYS_openat, at_fd, path, flags, mode);
    if (fd >= 0 && made) keep(path);
    return fd;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int fd, const char *path, int flags, ...) { MODE(flags) return opened(fd, path, flags, mode); }
int openat64(int fd, const char *path, int flags, ...) { MODE(flags) return opened(fd, path, flags, mode); }

int rename(const char *from, const char *to) {
    if (inside(to) && becomes('m', to) == FAIL) return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path) {
    if (inside(path) && becomes('m', path) == FAIL) return -1;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int unlinkat(int fd, const char *name, int flags) {
    char path[PATH_MAX + 256];
    int told = 0;
    if (fd >= 0 && path_of(fd, path)) {
        strcat(path, "/");
        strncat(path, name, 200);
        told = 1;
    }
    if (told && becomes('m', path) == FAIL) return -1;
    return (int)syscall(SYS_unlinkat, fd, name, flags);
}

int rmdir(const char *path) {
    if (inside(path) && becomes('m', path) == FAIL) return -1;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char *path, mode_t mode) {
    if (!inside(path)) return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (becomes('m', path) == FAIL) return -1;
    int code = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    struct stat status;
    if (code == 0 && shadow && lstat(path, &status) == 0) {
        /* Another directory may have had the number. */
        char name[PATH_MAX];
        snprintf(name, sizeof name, "%s/d.%lu", shadow, (unsigned long)status.st_ino);
        syscall(SYS_unlinkat, AT_FDCWD, name, 0);
    }
    return code;
}

static int cut(int fd, off64_t length) {
    char path[PATH_MAX];
    if (path_of(fd, path) && becomes('m', path) == FAIL) return -1;
    return (int)syscall(SYS_ftruncate, fd, length);
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

int fallocate(int fd, int mode, off_t offset, off_t length) {
    char path[PATH_MAX];
    if (path_of(fd, path) && becomes('m', path) == FAIL) return -1;
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    return fallocate(fd, mode, offset, length);
}
