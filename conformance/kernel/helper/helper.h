/* What the files of this program share. It runs in the guest of the suite `kernel`, on a mount of the
 * server under test; the guest also builds it there. Each part ends the process with 1 and one line
 * that says why when something is not as it should be. */
#ifndef HELPER_H
#define HELPER_H

#include <stddef.h>
#include <sys/types.h>

/* Ends with 1, having said what was done and why it failed. */
void fail(const char *format, ...);

/* The descriptor of an open file; opening it may not fail. */
int open_or_fail(const char *path, int flags);

/* Reads or writes all of it at an offset; less is a failure. */
void read_all(int fd, void *buffer, size_t length, off_t at);
void write_all(int fd, const void *buffer, size_t length, off_t at);

/* Wants a file to have these bytes and no others, through a descriptor of its own. */
void want_content(const char *path, const void *wanted, size_t length);

/* The next number of a sequence that a seed determines. */
unsigned long long next(unsigned long long *seed);

/* The parts. */
void fsx(const char *file, const char *twin, unsigned long long seed, int steps, int reopen);
void locks(const char *here, const char *there);
void mapped(const char *file);
void unlinked(const char *here, const char *there);
void sizes(const char *file);
void times(const char *here, const char *there);
void writers(const char *here, const char *there, int steps);
void slow_write(const char *file, int seconds);
void steady_write(const char *file, int seconds, int again);

#endif
