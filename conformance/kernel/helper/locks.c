/* Locks between two processes, on two mounts of one share: two clients. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int set(int fd, int command, int type, off_t start, off_t length)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	return fcntl(fd, command, &lock);
}

static void want(int got, int denied, const char *what)
{
	if (denied && got == 0) {
		errno = 0;
		fail("%s was granted", what);
	}
	if (denied && errno != EACCES && errno != EAGAIN)
		fail("%s: denied otherwise", what);
	if (!denied && got != 0)
		fail("%s", what);
}

static void say(int pipe[2])
{
	if (write(pipe[1], "x", 1) != 1)
		fail("pipe");
}

static void hear(int pipe[2])
{
	char byte;

	errno = 0;
	if (read(pipe[0], &byte, 1) != 1)
		fail("the other process has ended");
}

/* The other client: sees what the first one holds, and waits for it. */
static void second(const char *path, int to[2], int from[2])
{
	int fd = open_or_fail(path, O_RDWR);

	hear(to);
	want(set(fd, F_SETLK, F_WRLCK, 50, 10), 1, "a write lock in the other's write lock");
	want(set(fd, F_SETLK, F_RDLCK, 50, 10), 1, "a read lock in the other's write lock");
	want(set(fd, F_SETLK, F_WRLCK, 100, 10), 0, "a lock behind the other's");
	want(set(fd, F_SETLK, F_RDLCK, 200, 10), 0, "a read lock beside another");
	want(set(fd, F_SETLK, F_WRLCK, 200, 10), 1, "a write lock over the other's read lock");
	say(from);
	want(set(fd, F_SETLKW, F_WRLCK, 0, 100), 0, "waiting for the other's unlock");
	say(from);
	hear(to);
	want(set(fd, F_SETLK, F_UNLCK, 0, 0), 0, "unlocking everything");
	say(from);
	hear(to);
	want(flock(fd, LOCK_EX | LOCK_NB), 1, "flock while the other has it");
	say(from);
	hear(to);
	want(flock(fd, LOCK_EX | LOCK_NB), 0, "flock after the other's end");
	close(fd);
	_exit(0);
}

void locks(const char *here, const char *there)
{
	int to[2], from[2], fd = open_or_fail(here, O_RDWR | O_CREAT), status;
	struct timespec pause = { 1, 0 };
	pid_t child;

	write_all(fd, "content", 7, 0);
	if (fsync(fd) || pipe(to) || pipe(from))
		fail("pipe");
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		close(fd);
		close(to[1]);
		close(from[0]);
		second(there, to, from);
	}
	close(to[0]);
	close(from[1]);
	want(set(fd, F_SETLK, F_WRLCK, 0, 100), 0, "the first write lock");
	want(set(fd, F_SETLK, F_RDLCK, 200, 10), 0, "the first read lock");
	say(to);
	hear(from);
	nanosleep(&pause, NULL);
	want(set(fd, F_SETLK, F_UNLCK, 0, 100), 0, "unlocking the first");
	hear(from);
	want(set(fd, F_SETLK, F_WRLCK, 10, 10), 1, "a lock in what the other waited for");
	want(set(fd, F_SETLK, F_UNLCK, 0, 0), 0, "unlocking all");
	say(to);
	hear(from);
	want(flock(fd, LOCK_EX), 0, "flock");
	say(to);
	hear(from);
	want(flock(fd, LOCK_UN), 0, "flock's unlock");
	say(to);
	errno = 0;
	if (waitpid(child, &status, 0) != child || status != 0)
		fail("the other process ended with %d", status);
	close(fd);
}
