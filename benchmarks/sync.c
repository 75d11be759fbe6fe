/* A disk of constant latency, for a tmpfs: every sync takes SYNC_US microseconds, and is counted.
   Built by shim.py as a shared library and loaded in front of the C library. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

static atomic_long taken;
static long latency_us;

__attribute__((constructor)) static void configure(void) {
  const char *given = getenv("SYNC_US");
  latency_us = given ? atol(given) : 0;
}

static int take(void) {
  static __thread int precise;
  atomic_fetch_add(&taken, 1);
  if (latency_us <= 0) return 0;
  if (!precise) { /* the kernel may add 50 us to a sleep unless told otherwise */
    prctl(PR_SET_TIMERSLACK, 1UL);
    precise = 1;
  }
  struct timespec end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_nsec += latency_us * 1000;
  end.tv_sec += end.tv_nsec / 1000000000;
  end.tv_nsec %= 1000000000;
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) continue;
  return 0;
}

int fsync(int fd) { (void)fd; return take(); }
int fdatasync(int fd) { (void)fd; return take(); }
long syncs_taken(void) { return atomic_load(&taken); }
