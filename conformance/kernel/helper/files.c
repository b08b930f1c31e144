/* Mappings, deleted files, sizes, times, and a slow writer. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGES 16
#define PAGE 4096

static char expected[PAGES * PAGE];

/* What is stored through a mapping is in the file, for who reads it and for who maps it. */
void mapped(const char *file)
{
	int fd = open_or_fail(file, O_RDWR | O_CREAT | O_TRUNC);
	char *map;

	memset(expected, 'a', sizeof(expected));
	write_all(fd, expected, sizeof(expected), 0);
	map = mmap(NULL, sizeof(expected), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail("mmap");
	for (int page = 0; page < PAGES; page += 3)
		memset(map + page * PAGE + 100, 'A' + page, 200);
	for (int page = 0; page < PAGES; page += 3)
		memset(expected + page * PAGE + 100, 'A' + page, 200);
	if (msync(map, sizeof(expected), MS_SYNC))
		fail("msync");
	want_content(file, expected, sizeof(expected));
	map[5 * PAGE] = 'z';
	expected[5 * PAGE] = 'z';
	if (munmap(map, sizeof(expected)) || close(fd))
		fail("munmap");
	want_content(file, expected, sizeof(expected));
	fd = open_or_fail(file, O_RDONLY);
	map = mmap(NULL, sizeof(expected), PROT_READ, MAP_PRIVATE, fd, 0);
	errno = 0;
	if (map == MAP_FAILED || memcmp(map, expected, sizeof(expected)))
		fail("a second mapping has other bytes");
	close(fd);
}

/* A file that is deleted while it is open: nobody else can open it any more, its bytes are there until it
 * is closed, and then its name is free. */
void unlinked(const char *here, const char *there)
{
	int fd = open_or_fail(here, O_RDWR | O_CREAT | O_TRUNC);
	char bytes[4];

	write_all(fd, "before", 6, 0);
	if (fsync(fd) || unlink(here))
		fail("unlink");
	if (open(there, O_RDONLY) >= 0) {
		errno = 0;
		fail("the other client can still open it");
	}
	write_all(fd, "AFTER", 5, 0);
	if (fsync(fd))
		fail("fsync after its end");
	read_all(fd, bytes, 4, 2);
	errno = 0;
	if (memcmp(bytes, "TERe", 4))
		fail("other bytes after its end: %.4s", bytes);
	if (close(fd))
		fail("close");
	for (int i = 0; i < 2; i++)
		if (access(i ? there : here, F_OK) == 0) {
			errno = 0;
			fail("%s is still there", i ? there : here);
		}
	fd = open_or_fail(there, O_RDWR | O_CREAT | O_EXCL);
	if (close(fd) || unlink(there))
		fail("its name is not free");
}

/* Growing makes zeros, shrinking forgets, O_APPEND writes at the end. */
void sizes(const char *file)
{
	int fd = open_or_fail(file, O_RDWR | O_CREAT | O_TRUNC), more;
	char zeros[64 << 10] = "abc";

	write_all(fd, "abcdefgh", 8, 0);
	if (ftruncate(fd, 3) || ftruncate(fd, sizeof(zeros)))
		fail("ftruncate");
	want_content(file, zeros, sizeof(zeros));
	write_all(fd, "end", 3, 200000);
	if (lseek(fd, 0, SEEK_END) != 200003)
		fail("SEEK_END");
	if (ftruncate(fd, 0))
		fail("ftruncate to nothing");
	want_content(file, "", 0);
	more = open_or_fail(file, O_WRONLY | O_APPEND);
	for (int i = 0; i < 10; i++)
		if (write(more, "0123456789" + i, 1) != 1)
			fail("append");
	if (close(more))
		fail("close");
	want_content(file, "0123456789", 10);
	if (truncate(file, 4))
		fail("truncate by name");
	want_content(file, "0123", 4);
	if (close(fd))
		fail("close");
}

/* Times that were set are what the other mount sees, to 100 ns. The kernel's client shows no access time
 * before the last write. */
void times(const char *here, const char *there)
{
	struct timespec set[2] = { { 1600000002, 987654300 }, { 1000000001, 123456700 } };
	struct stat status;
	int fd = open_or_fail(here, O_RDWR | O_CREAT | O_TRUNC);

	write_all(fd, "x", 1, 0);
	if (close(fd) || utimensat(AT_FDCWD, here, set, 0))
		fail("utimensat");
	for (int i = 0; i < 2; i++) {
		if (stat(i ? there : here, &status))
			fail("stat %s", i ? there : here);
		errno = 0;
		if (status.st_atim.tv_sec != set[0].tv_sec || status.st_atim.tv_nsec != set[0].tv_nsec)
			fail("atime %lld.%09ld", (long long)status.st_atim.tv_sec, status.st_atim.tv_nsec);
		if (status.st_mtim.tv_sec != set[1].tv_sec || status.st_mtim.tv_nsec != set[1].tv_nsec)
			fail("mtime %lld.%09ld", (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
	}
	/* A client with a lease on handles sets the times by one that it kept, and may write by that one
	 * too; but what is written by it does not change times that were set by it (MS-FSA 2.1.5.15.2,
	 * UserSetModificationTime). It keeps it for a second. */
	sleep(2);
	fd = open_or_fail(here, O_WRONLY);
	write_all(fd, "y", 1, 0);
	if (close(fd) || stat(there, &status))
		fail("stat %s", there);
	errno = 0;
	if (status.st_mtim.tv_sec < set[1].tv_sec + 1000)
		fail("a write did not change mtime: %lld", (long long)status.st_mtim.tv_sec);
}

/* Writes a block every tenth of a second through one descriptor, then reads all of them back. */
void slow_write(const char *file, int seconds)
{
	int fd = open_or_fail(file, O_RDWR | O_CREAT | O_TRUNC);
	struct timespec pause = { 0, 100000000 };
	char block[PAGE], found[PAGE];

	for (int i = 0; i < seconds * 10; i++) {
		memset(block, 'a' + i % 26, sizeof(block));
		write_all(fd, block, sizeof(block), (off_t)i * PAGE);
		nanosleep(&pause, NULL);
	}
	if (fsync(fd))
		fail("fsync");
	for (int i = 0; i < seconds * 10; i++) {
		memset(block, 'a' + i % 26, sizeof(block));
		read_all(fd, found, sizeof(found), (off_t)i * PAGE);
		errno = 0;
		if (memcmp(block, found, sizeof(block)))
			fail("block %d has other bytes", i);
	}
	if (close(fd))
		fail("close");
}

#define BLOCK 65536
#define SYNCED 4

/* Writes a block and, with every fourth, has all of them sent; whether that succeeded. */
static int steady_block(int fd, int i)
{
	static char block[BLOCK];

	memset(block, 'a' + i % 26, sizeof(block));
	if (pwrite(fd, block, sizeof(block), (off_t)i * BLOCK) != sizeof(block))
		return 0;
	return i % SYNCED != SYNCED - 1 || !fsync(fd);
}

/* Twelve blocks a second. What fails because a connection does (ECONNABORTED, EAGAIN) is written again, so many
 * times, from the last block that was sent; nothing else may fail. */
void steady_write(const char *file, int seconds, int again)
{
	int fd = open_or_fail(file, O_RDWR | O_CREAT | O_TRUNC);
	struct timespec pause = { 0, 80000000 };
	int blocks = seconds * 12;
	static char found[BLOCK];

	for (int i = 0; i < blocks; i++) {
		errno = 0;
		if (!steady_block(fd, i)) {
			if ((errno != ECONNABORTED && errno != EAGAIN) || again-- <= 0)
				fail("block %d", i);
			i = i / SYNCED * SYNCED - 1;
		}
		nanosleep(&pause, NULL);
	}
	for (int i = 0; i < blocks; i++) {
		read_all(fd, found, sizeof(found), (off_t)i * BLOCK);
		for (int at = 0; at < BLOCK; at++)
			if (found[at] != 'a' + i % 26)
				fail("block %d has other bytes at %d", i, at);
	}
	errno = 0;
	if (close(fd))
		fail("close");
}
