/* Two processes write one file at the same time, each through a mount of its own, in records that share
 * pages. What one of them has written the other one has to see, and never something older again; nothing
 * may be lost, although each of them caches what its oplock or lease lets it. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RECORDS 32
#define RECORD 512

/* How long a read may be behind a write, in seconds: a lease to read is taken back by a message that
 * nobody waits for. */
#define BEHIND 5

/* What has been written, by writer and record: in memory that both share. */
static volatile unsigned int (*written)[RECORDS];

static off_t place(int writer, int record)
{
	return (off_t)(2 * record + writer) * RECORD;
}

/* Wants a record to be of one piece; its number. */
static unsigned int number_at(int fd, int writer, int record)
{
	unsigned int words[RECORD / sizeof(unsigned int)];

	read_all(fd, words, RECORD, place(writer, record));
	errno = 0;
	for (size_t i = 1; i < RECORD / sizeof(unsigned int); i++)
		if (words[i] != words[0])
			fail("record %d of writer %d is torn: %u and %u", record, writer, words[0],
			     words[i]);
	return words[0];
}

static void write_number(int fd, int writer, int record, unsigned int number)
{
	unsigned int words[RECORD / sizeof(unsigned int)];

	for (size_t i = 0; i < RECORD / sizeof(unsigned int); i++)
		words[i] = number;
	write_all(fd, words, RECORD, place(writer, record));
	written[writer][record] = number;
}

/* Reads a record of the other writer until it is what had been written before. */
static void look(int fd, int other, int record, unsigned int *seen)
{
	unsigned int wanted = written[other][record];
	time_t until = time(NULL) + BEHIND;

	for (;;) {
		unsigned int found = number_at(fd, other, record);

		if (found < *seen)
			fail("record %d of writer %d was %u, and is %u again", record, other, *seen, found);
		*seen = found;
		if (found >= wanted)
			return;
		if (time(NULL) > until)
			fail("record %d of writer %d is still %u, not %u", record, other, found, wanted);
		usleep(1000);
	}
}

static void writer(const char *file, int own, unsigned long long seed, int steps)
{
	int fd = open_or_fail(file, O_RDWR);
	unsigned int seen[RECORDS] = { 0 };

	for (int i = 1; i <= steps; i++) {
		write_number(fd, own, (int)(next(&seed) % RECORDS), (unsigned int)i);
		for (int looks = 0; looks < 2; looks++) {
			int record = (int)(next(&seed) % RECORDS);

			look(fd, !own, record, &seen[record]);
		}
		if (next(&seed) % 8 == 0) {
			if (close(fd))
				fail("close %s", file);
			/* Long enough, now and then, for the other one to have the file for itself. */
			if (next(&seed) % 3 == 0)
				usleep(30000);
			fd = open_or_fail(file, O_RDWR);
		}
	}
	if (close(fd))
		fail("close %s", file);
}

static void want_all(const char *file)
{
	int fd = open_or_fail(file, O_RDONLY);

	for (int own = 0; own < 2; own++)
		for (int record = 0; record < RECORDS; record++) {
			unsigned int found = number_at(fd, own, record);

			if (found != written[own][record])
				fail("%s: record %d of writer %d is %u, not %u", file, record, own, found,
				     written[own][record]);
		}
	close(fd);
}

void writers(const char *here, const char *there, int steps)
{
	const char *files[2] = { here, there };
	int fd = open_or_fail(here, O_RDWR | O_CREAT | O_TRUNC);
	pid_t child;
	int status;

	written = mmap(NULL, 2 * sizeof(*written), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (written == MAP_FAILED)
		fail("mmap");
	for (int own = 0; own < 2; own++)
		for (int record = 0; record < RECORDS; record++)
			write_number(fd, own, record, 0);
	if (close(fd))
		fail("close %s", here);
	child = fork();
	if (child < 0)
		fail("fork");
	writer(files[child == 0], child == 0, child == 0 ? 77 : 99, steps);
	if (child == 0)
		_exit(0);
	if (waitpid(child, &status, 0) != child || status)
		fail("the other writer ended with %d", status);
	want_all(here);
	want_all(there);
}
