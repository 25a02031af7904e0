# The system calls of forwarding besides those of `engine/_sockets.pxd`, and what they take.

from libc.stdint cimport uint32_t, uint64_t

from blockd.resolver.engine._sockets cimport sockaddr, socklen_t

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <arpa/inet.h>
    #include <errno.h>
    #include <net/if.h>
    #include <netinet/in.h>
    #include <sys/epoll.h>
    #include <sys/socket.h>
    #include <sys/timerfd.h>
    #include <string.h>
    #include <time.h>
    #include <unistd.h>

    static int blockd_no_device(void) {
        errno = ENODEV;
        return -1;
    }

    static int blockd_watch(int epoll, int descriptor, uint32_t number) {
        struct epoll_event event;
        memset(&event, 0, sizeof event);
        event.events = EPOLLIN;
        event.data.u32 = number;
        return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
    }

    static int blockd_set_timer(int timer, long nanoseconds) {
        struct itimerspec times;
        times.it_interval.tv_sec = times.it_value.tv_sec = nanoseconds / 1000000000;
        times.it_interval.tv_nsec = times.it_value.tv_nsec = nanoseconds % 1000000000;
        return timerfd_settime(timer, 0, &times, 0);
    }

    static int blockd_set_timer_off(int timer, long nanoseconds) {
        struct itimerspec times;
        times.it_interval.tv_sec = nanoseconds / 1000000000;
        times.it_interval.tv_nsec = nanoseconds % 1000000000;
        times.it_value.tv_sec = 0;
        times.it_value.tv_nsec = 1;
        return timerfd_settime(timer, 0, &times, 0);
    }
    """
    int IF_NAMESIZE  # octets, with the zero at the end
    int blockd_no_device() nogil  # -1, and errno is ENODEV
    int blockd_watch(int epoll, int descriptor, uint32_t number) nogil
    int blockd_set_timer(int timer, long nanoseconds) nogil
    int blockd_set_timer_off(int timer, long nanoseconds) nogil  # now, and then again and again

cdef extern from "<sys/socket.h>" nogil:
    int SOCK_DGRAM
    int SOCK_NONBLOCK
    int SOCK_CLOEXEC
    int socket(int family, int kind, int protocol)
    int bind(int descriptor, const sockaddr *address, socklen_t size)
    int connect(int descriptor, const sockaddr *address, socklen_t size)

cdef extern from "<net/if.h>" nogil:
    unsigned int if_nametoindex(const char *name)

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint32_t u32

    struct epoll_event:
        uint32_t events
        epoll_data_t data

    int EPOLL_CLOEXEC
    int epoll_create1(int flags)
    int epoll_wait(int descriptor, epoll_event *events, int most, int timeout)

cdef extern from "<sys/timerfd.h>" nogil:
    int TFD_NONBLOCK
    int TFD_CLOEXEC
    int CLOCK_MONOTONIC
    int timerfd_create(int clock, int flags)

cdef extern from "<unistd.h>" nogil:
    int close(int descriptor)
    ssize_t read(int descriptor, void *buffer, size_t size)

cdef extern from "<arpa/inet.h>" nogil:
    unsigned short htons(unsigned short number)

cdef extern from "<string.h>" nogil:
    char *strerror(int number)
