/* Preloaded: the wall clock is four minutes back, right, an hour ahead, half a second each in turn.
   Further back a certificate that was just made would not be valid yet, and rightly so. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

static const time_t jumps[] = {-240, 0, 3600};
static int (*honest)(clockid_t, struct timespec *);

int clock_gettime(clockid_t clock, struct timespec *now) {
    struct timespec age;
    if (!honest) honest = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = honest(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        honest(CLOCK_MONOTONIC, &age);
        now->tv_sec += jumps[(2 * age.tv_sec + age.tv_nsec / 500000000) % 3];
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
