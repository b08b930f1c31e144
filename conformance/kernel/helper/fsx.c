/* Random I/O on a file and on its local twin, which must stay alike. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST (1 << 20)
#define LONGEST (96 << 10)

static char buffer[LONGEST], other[LONGEST];

struct pair {
	const char *name[2];
	int fd[2];
	off_t size;
	unsigned long long seed;
};

static void same_size(struct pair *pair)
{
	struct stat status;

	for (int i = 0; i < 2; i++) {
		if (fstat(pair->fd[i], &status))
			fail("fstat %s", pair->name[i]);
		errno = 0;
		if (status.st_size != pair->size)
			fail("%s has %lld bytes instead of %lld", pair->name[i],
			     (long long)status.st_size, (long long)pair->size);
	}
}

static void same_bytes(struct pair *pair, off_t at, size_t length)
{
	read_all(pair->fd[0], buffer, length, at);
	read_all(pair->fd[1], other, length, at);
	errno = 0;
	for (size_t i = 0; i < length; i++)
		if (buffer[i] != other[i])
			fail("at %lld: 0x%02x instead of 0x%02x", (long long)at + (long long)i,
			     (unsigned char)buffer[i], (unsigned char)other[i]);
}

static void write_both(struct pair *pair, off_t at, size_t length)
{
	for (size_t i = 0; i < length; i += 8) {
		unsigned long long word = next(&pair->seed);

		memcpy(buffer + i, &word, length - i < 8 ? length - i : 8);
	}
	for (int i = 0; i < 2; i++)
		write_all(pair->fd[i], buffer, length, at);
	if (at + (off_t)length > pair->size)
		pair->size = at + length;
}

static void truncate_both(struct pair *pair, off_t size)
{
	for (int i = 0; i < 2; i++)
		if (ftruncate(pair->fd[i], size))
			fail("truncate %s to %lld", pair->name[i], (long long)size);
	pair->size = size;
}

/* Writes through a mapping; both files have the same pages. */
static void map_both(struct pair *pair, off_t at, size_t length)
{
	off_t from = at & ~4095LL;
	size_t whole = length + (at - from);

	for (int i = 0; i < 2; i++) {
		char *map = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, pair->fd[i], from);

		if (map == MAP_FAILED)
			fail("mmap %s", pair->name[i]);
		for (size_t byte = at - from; byte < whole; byte += 511)
			map[byte] = (char)(byte * 7 + length);
		if (msync(map, whole, MS_SYNC) || munmap(map, whole))
			fail("msync %s", pair->name[i]);
	}
}

static void open_both(struct pair *pair)
{
	for (int i = 0; i < 2; i++)
		pair->fd[i] = open_or_fail(pair->name[i], O_RDWR | O_CREAT);
}

static void step(struct pair *pair, int reopen)
{
	off_t at = next(&pair->seed) % LARGEST;
	size_t length = 1 + next(&pair->seed) % LONGEST;
	int inside = pair->size > 0;
	off_t old = inside ? at % pair->size : 0;
	size_t part = (off_t)length > pair->size - old ? (size_t)(pair->size - old) : length;

	switch (next(&pair->seed) % (reopen ? 12 : 11)) {
	case 0: case 1: case 2: case 3:
		write_both(pair, at, length);
		break;
	case 4: case 5: case 6: case 7:
		if (inside)
			same_bytes(pair, old, part);
		break;
	case 8:
		truncate_both(pair, at);
		break;
	case 9:
		if (inside)
			map_both(pair, old, part);
		break;
	case 10:
		if (fsync(pair->fd[0]))
			fail("fsync");
		break;
	default:
		for (int i = 0; i < 2; i++)
			if (close(pair->fd[i]))
				fail("close %s", pair->name[i]);
		open_both(pair);
	}
}

void fsx(const char *file, const char *twin, unsigned long long seed, int steps, int reopen)
{
	struct pair pair = { { file, twin }, { -1, -1 }, 0, seed };

	unlink(file);
	unlink(twin);
	open_both(&pair);
	for (int i = 0; i < steps; i++) {
		step(&pair, reopen);
		same_size(&pair);
	}
	for (off_t at = 0; at < pair.size; at += LONGEST) {
		off_t left = pair.size - at;

		same_bytes(&pair, at, left < LONGEST ? (size_t)left : LONGEST);
	}
	for (int i = 0; i < 2; i++)
		if (close(pair.fd[i]))
			fail("close %s", pair.name[i]);
}
