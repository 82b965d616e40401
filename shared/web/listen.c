#include "web/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/parse.h"

#define INHERITED_FD 3 /* SD_LISTEN_FDS_START */

static bool option_is(int fd, int option, int wanted)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

static bool environment_number(const char *name, int64_t *ret_value)
{
	return parse_i64(str_from_z(getenv(name)), 0, INT32_MAX, ret_value) == OK;
}

enum status listen_inherited(int *ret_fd)
{
	int64_t pid = 0;
	int64_t count = 0;
	bool ours = environment_number("LISTEN_PID", &pid) && pid == getpid();
	bool counted = environment_number("LISTEN_FDS", &count);

	/* A child of ours must not take them for its own. */
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (!ours) {
		return NOT_FOUND;
	}
	if (!counted || count != 1 || !option_is(INHERITED_FD, SO_DOMAIN, AF_UNIX) || !option_is(INHERITED_FD, SO_TYPE, SOCK_STREAM) ||
		!option_is(INHERITED_FD, SO_ACCEPTCONN, 1)) {
		return INVALID;
	}

	int flags = fcntl(INHERITED_FD, F_GETFL);

	if (flags < 0 || fcntl(INHERITED_FD, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(INHERITED_FD, F_SETFD, FD_CLOEXEC) != 0) {
		return INVALID;
	}
	*ret_fd = INHERITED_FD;
	return OK;
}

/* Whether a process listens there: a dead socket file refuses at once. */
static bool answered(int fd, const struct sockaddr_un *address)
{
	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN;
}

/* Makes the path free. A file that is no socket is somebody's data and stays. */
static enum status clear_path(const struct sockaddr_un *address)
{
	struct stat found;
	int probe = -1;
	bool alive = false;

	if (lstat(address->sun_path, &found) != 0) {
		return errno == ENOENT ? OK : UNAVAILABLE;
	}
	if (!S_ISSOCK(found.st_mode)) {
		return INVALID;
	}
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe < 0) {
		return UNAVAILABLE;
	}
	alive = answered(probe, address);
	(void)close(probe);
	if (alive) {
		return CONFLICT;
	}
	return unlink(address->sun_path) == 0 || errno == ENOENT ? OK : UNAVAILABLE;
}

enum status listen_path(struct str path, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	enum status status = UNAVAILABLE;
	mode_t mask = 0;
	bool bound = false;
	int fd = -1;

	if (str_empty(path) || path.len >= sizeof(address.sun_path) || str_find(path, '\0') != SIZE_MAX) {
		return INVALID;
	}
	memcpy(address.sun_path, path.ptr, path.len);
	status = clear_path(&address);
	if (status != OK) {
		return status;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return UNAVAILABLE;
	}
	/* The mode comes from the umask: a chmod after bind would leave a moment in which anyone may connect. */
	mask = umask(0117);
	bound = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
	(void)umask(mask);
	if (!bound || listen(fd, LISTEN_BACKLOG) != 0) {
		(void)close(fd);
		return UNAVAILABLE;
	}
	*ret_fd = fd;
	return OK;
}
