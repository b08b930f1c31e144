/* The command line, and what the parts have in common. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fail(const char *format, ...)
{
	int why = errno;
	va_list list;

	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	if (why)
		printf(": %s", strerror(why));
	printf("\n");
	fflush(stdout);
	_exit(1);
}

int open_or_fail(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd < 0)
		fail("open %s", path);
	return fd;
}

void read_all(int fd, void *buffer, size_t length, off_t at)
{
	ssize_t got;

	errno = 0;
	got = pread(fd, buffer, length, at);
	if (got != (ssize_t)length)
		fail("read of %zu at %lld gave %zd", length, (long long)at, got);
}

void write_all(int fd, const void *buffer, size_t length, off_t at)
{
	ssize_t put;

	errno = 0;
	put = pwrite(fd, buffer, length, at);
	if (put != (ssize_t)length)
		fail("write of %zu at %lld gave %zd", length, (long long)at, put);
}

void want_content(const char *path, const void *wanted, size_t length)
{
	int fd = open_or_fail(path, O_RDONLY);
	char *found = malloc(length + 1);
	ssize_t got;
	size_t at;

	if (!found)
		fail("no memory");
	errno = 0;
	got = pread(fd, found, length + 1, 0);
	if (got != (ssize_t)length)
		fail("%s has %zd bytes instead of %zu", path, got, length);
	for (at = 0; at < length; at++)
		if (found[at] != ((const char *)wanted)[at])
			fail("%s differs at %zu", path, at);
	free(found);
	close(fd);
}

unsigned long long next(unsigned long long *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

int main(int count, char **words)
{
	const char *part = count > 2 ? words[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(part, "fsx") && count == 7)
		fsx(words[2], words[3], strtoull(words[4], NULL, 10), atoi(words[5]), atoi(words[6]));
	else if (!strcmp(part, "locks") && count == 4)
		locks(words[2], words[3]);
	else if (!strcmp(part, "mapped"))
		mapped(words[2]);
	else if (!strcmp(part, "unlinked") && count == 4)
		unlinked(words[2], words[3]);
	else if (!strcmp(part, "sizes"))
		sizes(words[2]);
	else if (!strcmp(part, "times") && count == 4)
		times(words[2], words[3]);
	else if (!strcmp(part, "slow-write") && count == 4)
		slow_write(words[2], atoi(words[3]));
	else if (!strcmp(part, "steady-write") && count == 5)
		steady_write(words[2], atoi(words[3]), atoi(words[4]));
	else if (!strcmp(part, "writers") && count == 5)
		writers(words[2], words[3], atoi(words[4]));
	else {
		printf("helper PART FILE...: fsx locks mapped unlinked sizes times slow-write steady-write writers\n");
		return 2;
	}
	printf("%s: done\n", part);
	return 0;
}
