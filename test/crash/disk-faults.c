/*
 * Preloaded into the command line under test: makes the disk behave as disks do on a bad day.
 *
 *   FAULT_WRITE_BUDGET=N  writes to *.partial fail with ENOSPC once N bytes are through
 *   FAULT_SHORT=N         one read or write moves at most N bytes
 *   FAULT_DELAY_US=N      every write to *.partial takes N microseconds longer
 *   FAULT_KILL_BYTES=N    SIGKILL in the middle of a write, once N bytes are in *.partial
 *   FAULT_KILL_STEP=N     SIGKILL instead of the N-th step (from 1): whatever changes a name, a length or what is durable,
 *                         and every write to a journal
 *   FAULT_COUNT=PATH      writes the number of steps and of bytes in *.partial there when the process ends
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_llong written, steps;

static long long setting(const char *name) {
  const char *text = getenv(name);
  return text ? atoll(text) : -1;
}

static int ends_with(int fd, const char *suffix) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  const ssize_t wanted = (ssize_t)strlen(suffix);
  if (length < wanted) return 0;
  path[length] = 0;
  return strcmp(path + length - wanted, suffix) == 0;
}

/* A folder's files lie in X.partial/. */
static int is_output(int fd) {
  char link[64], path[4096];
  if (ends_with(fd, ".partial")) return 1;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, ".partial/") != NULL;
}

static size_t shortened(size_t count) {
  long long most = setting("FAULT_SHORT");
  return most > 0 && count > (size_t)most ? (size_t)most : count;
}

static void step(void) {
  if (atomic_fetch_add(&steps, 1) + 1 == setting("FAULT_KILL_STEP")) kill(getpid(), SIGKILL);
}

static ssize_t (*real_write)(int, const void *, size_t, off_t);
static ssize_t (*real_read)(int, void *, size_t, off_t);

ssize_t pwrite64(int fd, const void *buffer, size_t count, off_t offset) {
  if (!real_write) real_write = dlsym(RTLD_NEXT, "pwrite64");
  if (!is_output(fd)) return real_write(fd, buffer, count, offset);
  const long long delay = setting("FAULT_DELAY_US");
  if (delay > 0) usleep((useconds_t)delay);
  const long long budget = setting("FAULT_WRITE_BUDGET"), fatal = setting("FAULT_KILL_BYTES");
  count = shortened(count);
  const long long before = atomic_fetch_add(&written, (long long)count), after = before + (long long)count;
  if (budget >= 0 && after > budget) {
    errno = ENOSPC;
    return -1;
  }
  if (fatal >= 0 && after > fatal) {
    if (fatal > before) real_write(fd, buffer, (size_t)(fatal - before), offset);
    kill(getpid(), SIGKILL);
  }
  return real_write(fd, buffer, count, offset);
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) { return pwrite64(fd, buffer, count, offset); }

ssize_t pread64(int fd, void *buffer, size_t count, off_t offset) {
  if (!real_read) real_read = dlsym(RTLD_NEXT, "pread64");
  // Node reads its packages with one call, and takes what it gets for all of it.
  return real_read(fd, buffer, ends_with(fd, ".json") ? count : shortened(count), offset);
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset) { return pread64(fd, buffer, count, offset); }

ssize_t write(int fd, const void *buffer, size_t count) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "write");
  if (ends_with(fd, ".jsonl")) step();
  return real(fd, buffer, count);
}

#define STEP(name, parameters, arguments)               \
  int name parameters {                                 \
    static int (*real) parameters;                      \
    if (!real) real = dlsym(RTLD_NEXT, #name);          \
    step();                                             \
    return real arguments;                              \
  }

STEP(fsync, (int fd), (fd))
STEP(fdatasync, (int fd), (fd))
STEP(ftruncate64, (int fd, off_t length), (fd, length))
STEP(ftruncate, (int fd, off_t length), (fd, length))
STEP(rename, (const char *from, const char *to), (from, to))
STEP(unlink, (const char *path), (path))
STEP(rmdir, (const char *path), (path))
STEP(symlink, (const char *target, const char *path), (target, path))
STEP(mkdir, (const char *path, mode_t mode), (path, mode))

__attribute__((destructor)) static void report(void) {
  const char *path = getenv("FAULT_COUNT");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  fprintf(file, "%lld %lld\n", (long long)steps, (long long)written);
  fclose(file);
}
