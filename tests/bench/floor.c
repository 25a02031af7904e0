/* The least that a DNS server can do for a question, as the floor that every server of the benchmark is compared with.
 *
 *   floor PORT NAMES
 *
 * One thread takes questions by recvmmsg, 64 at a time, and answers each with one fixed address by sendmmsg. Between
 * the two it reads one cache line for each label, as a server does that looks every suffix up in a table of NAMES names:
 * four names to a line of 64 octets. It refuses nothing and knows nothing; it is not a DNS server.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, PACKET = 512, HEADER = 12, LINE = 64, NAMES_PER_LINE = 4, RECEIVE_BUFFER = 4 << 20 };

/* An A record for the name at offset 12: class IN, TTL 60, 192.0.2.80. */
static const uint8_t RECORD[] = {0xC0, HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 80};

volatile uint64_t floor_kept; /* what was read of the table, so that no compiler leaves the reading out */

static uint64_t *table;
static uint64_t lines; /* a power of two */

/* Turn the question in `packet` into its answer; give the answer's length, 0 for none. */
static size_t answer(uint8_t *packet, size_t length, uint64_t *seen)
{
    uint8_t starts[128];
    size_t labels = 0, at = HEADER;

    if (length < HEADER + 5 || packet[2] & 0x80 || packet[5] != 1)
        return 0;
    while (at < length && packet[at]) {
        if (packet[at] > 63 || labels == sizeof starts || at > 255)
            return 0;
        starts[labels++] = (uint8_t)at;
        at += packet[at] + 1u;
    }
    size_t end = at + 5; /* the root label, type and class */
    if (end > length || end + sizeof RECORD > PACKET)
        return 0;
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a, from the root down, so that every suffix has its hash at once */
    for (size_t label = labels; label-- > 0;) {
        for (size_t i = starts[label], stop = i + packet[i] + 1u; i < stop; i++) {
            uint8_t octet = packet[i];
            if (octet >= 'A' && octet <= 'Z')
                octet |= 0x20;
            hash = (hash ^ octet) * 0x100000001B3u;
        }
        *seen += table[((hash ^ hash >> 32) & (lines - 1)) * (LINE / sizeof *table)];
    }
    packet[2] = 0x80 | (packet[2] & 0x01); /* QR, and RD as asked */
    packet[3] = 0x80;                      /* RA */
    memset(packet + 6, 0, 6);
    packet[7] = 1;
    memcpy(packet + end, RECORD, sizeof RECORD);
    return end + sizeof RECORD;
}

int main(int argc, char **argv)
{
    static uint8_t packets[BATCH][PACKET];
    static struct sockaddr_in clients[BATCH];
    static struct iovec vectors[BATCH];
    static struct mmsghdr incoming[BATCH], outgoing[BATCH];
    uint64_t seen = 0;

    if (argc != 3)
        return fprintf(stderr, "usage: floor PORT NAMES\n"), 2;
    uint64_t names = strtoull(argv[2], NULL, 10);
    for (lines = 1; lines * NAMES_PER_LINE < names; lines *= 2)
        ;
    table = aligned_alloc(LINE, lines * LINE);
    if (!table)
        return perror("floor: aligned_alloc"), 1;
    for (uint64_t i = 0; i < lines * LINE / sizeof *table; i++)
        table[i] = i; /* every page is in memory before the first question */

    int sock = socket(AF_INET, SOCK_DGRAM, 0), size = RECEIVE_BUFFER;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (sock < 0 || bind(sock, (struct sockaddr *)&here, sizeof here))
        return perror("floor: bind"), 1;
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            vectors[i] = (struct iovec){packets[i], PACKET};
            incoming[i].msg_hdr = (struct msghdr){&clients[i], sizeof clients[i], &vectors[i], 1, NULL, 0, 0};
        }
        int taken = recvmmsg(sock, incoming, BATCH, MSG_WAITFORONE, NULL), answers = 0;
        if (taken < 0)
            return perror("floor: recvmmsg"), 1;
        for (int i = 0; i < taken; i++) {
            size_t length = answer(packets[i], incoming[i].msg_len, &seen);
            if (length) {
                vectors[i].iov_len = length;
                outgoing[answers++].msg_hdr = incoming[i].msg_hdr;
            }
        }
        for (int sent = 0, now; sent < answers; sent += now)
            if ((now = sendmmsg(sock, outgoing + sent, (unsigned)(answers - sent), 0)) <= 0)
                break;
        floor_kept = seen;
    }
}
