/*
 * A disk that takes longer to flush, for `bench:queue -- --flush`: loaded before libc, it has every fsync and fdatasync
 * wait so many microseconds first. Everybody who is measured is slowed alike.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_first(void) {
  const char *micros = getenv("BENCH_FLUSH_MICROS");
  long long left = micros == NULL ? 0 : atoll(micros);
  struct timespec time = {left / 1000000, (left % 1000000) * 1000};
  nanosleep(&time, NULL);
}

int fsync(int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  wait_first();
  return real(file);
}

int fdatasync(int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_first();
  return real(file);
}
