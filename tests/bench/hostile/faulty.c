/* An upstream that fails in the ways that upstreams fail.
 *
 *   faulty PORT DELAY
 *
 * Answers over UDP, DELAY milliseconds after a question came: with SERVFAIL for a name below `servfail.example`, else
 * with one address. It says nothing for a name below `silent.example`, and nothing at all if DELAY is below 0. On SIGTERM
 * it prints one JSON object: how many questions came for each of the three kinds of names.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum { WAITING = 65536, PACKET = 512, HEADER = 12, RECEIVE_BUFFER = 4 << 20, SERVFAIL = 2 };

/* An A record for the name at offset 12: class IN, TTL 86400, 192.0.2.1. */
static const uint8_t RECORD[] = {0xC0, HEADER, 0, 1, 0, 1, 0, 1, 0x51, 0x80, 0, 4, 192, 0, 2, 1};

static struct waiting {
    struct sockaddr_in client;
    double due; /* seconds of the monotonic clock */
    uint16_t size;
    uint8_t packet[PACKET];
} waiting[WAITING];
static unsigned first, behind; /* the answers that wait for their time */
static unsigned long silent, failing, others;
static volatile sig_atomic_t stopped;

static void stop(int number) { (void)number, stopped = 1; }

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Whether the question in `packet` is for a name below `zone.example`, whatever its case. */
static int is_below(const uint8_t *packet, size_t size, const char *zone)
{
    size_t length = strlen(zone);
    for (size_t at = HEADER; at < size && packet[at] && packet[at] <= 63; at += packet[at] + 1u)
        if (packet[at] == length && at + 1 + length < size && !strncasecmp((const char *)packet + at + 1, zone, length))
            return 1;
    return 0;
}

/* Make the answer of the question in `packet`; return its size, 0 for none. */
static size_t answer(uint8_t *packet, size_t size)
{
    size_t at = HEADER;

    if (size < HEADER + 5 || packet[2] & 0x80 || packet[5] != 1)
        return 0;
    if (is_below(packet, size, "silent"))
        return silent++, (size_t)0;
    while (at < size && packet[at] && packet[at] <= 63)
        at += packet[at] + 1u;
    if (at + 5 > size || at + 5 + sizeof RECORD > PACKET)
        return 0;
    at += 5;
    packet[2] = 0x80 | (packet[2] & 0x01);
    packet[3] = 0x80;
    memset(packet + 6, 0, 6);
    if (is_below(packet, at, "servfail")) {
        failing++;
        packet[3] |= SERVFAIL;
        return at;
    }
    others++;
    packet[7] = 1;
    memcpy(packet + at, RECORD, sizeof RECORD);
    return at + sizeof RECORD;
}

int main(int argc, char **argv)
{
    int sock = socket(AF_INET, SOCK_DGRAM, 0), size = RECEIVE_BUFFER;
    struct sockaddr_in here = {.sin_family = AF_INET};
    struct pollfd polled = {.fd = sock, .events = POLLIN};
    struct sigaction action = {.sa_handler = stop};

    if (argc != 3)
        return fprintf(stderr, "usage: faulty PORT DELAY\n"), 2;
    double delay = atof(argv[2]) / 1000;
    here.sin_port = htons((uint16_t)atoi(argv[1]));
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (sock < 0 || bind(sock, (struct sockaddr *)&here, sizeof here))
        return perror("faulty: bind"), 1;
    sigaction(SIGTERM, &action, NULL);
    while (!stopped) {
        double wait = first == behind ? 1 : waiting[first % WAITING].due - now();
        struct timespec patience = {0, (long)((wait < 0 ? 0 : wait > 0.9 ? 0.9 : wait) * 1e9)};
        if (ppoll(&polled, 1, &patience, NULL) > 0)
            for (int i = 0; i < 64 && behind - first < WAITING; i++) {
                struct waiting *made = &waiting[behind % WAITING];
                socklen_t length = sizeof made->client;
                ssize_t got = recvfrom(
                    sock, made->packet, PACKET, MSG_DONTWAIT, (struct sockaddr *)&made->client, &length);
                if (got < 0)
                    break;
                size_t answered = answer(made->packet, (size_t)got);
                if (!answered || delay < 0)
                    continue;
                made->size = (uint16_t)answered;
                made->due = now() + delay;
                behind++;
            }
        for (double time = now(); first != behind && waiting[first % WAITING].due <= time; first++) {
            struct waiting *done = &waiting[first % WAITING];
            sendto(sock, done->packet, done->size, 0, (struct sockaddr *)&done->client, sizeof done->client);
        }
    }
    printf("{\"silent\": %lu, \"failing\": %lu, \"others\": %lu}\n", silent, failing, others);
    return 0;
}
