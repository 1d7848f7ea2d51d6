/*
 * Preloaded into the command line under test: makes the disk behave as disks do on a bad day.
 *
 *   FAULT_WRITE_BUDGET=N  writes to *.partial fail with ENOSPC once N bytes are through
 *   FAULT_SHORT=N         one read or write moves at most N bytes
 *   FAULT_DELAY_US=N      every write to *.partial takes N microseconds longer
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_llong written;

static long long setting(const char *name) {
  const char *text = getenv(name);
  return text ? atoll(text) : -1;
}

static int is_output(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 8) return 0;
  path[length] = 0;
  return strcmp(path + length - 8, ".partial") == 0;
}

static size_t shortened(size_t count) {
  long long most = setting("FAULT_SHORT");
  return most > 0 && count > (size_t)most ? (size_t)most : count;
}

static ssize_t (*real_write)(int, const void *, size_t, off_t);
static ssize_t (*real_read)(int, void *, size_t, off_t);

ssize_t pwrite64(int fd, const void *buffer, size_t count, off_t offset) {
  if (!real_write) real_write = dlsym(RTLD_NEXT, "pwrite64");
  if (!is_output(fd)) return real_write(fd, buffer, count, offset);
  const long long delay = setting("FAULT_DELAY_US");
  if (delay > 0) usleep((useconds_t)delay);
  long long budget = setting("FAULT_WRITE_BUDGET");
  count = shortened(count);
  if (budget >= 0 && atomic_fetch_add(&written, (long long)count) + (long long)count > budget) {
    errno = ENOSPC;
    return -1;
  }
  return real_write(fd, buffer, count, offset);
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) { return pwrite64(fd, buffer, count, offset); }

ssize_t pread64(int fd, void *buffer, size_t count, off_t offset) {
  if (!real_read) real_read = dlsym(RTLD_NEXT, "pread64");
  return real_read(fd, buffer, shortened(count), offset);
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset) { return pread64(fd, buffer, count, offset); }
