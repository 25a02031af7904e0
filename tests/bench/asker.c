/* Ask one server at a steady rate, and say how long its answers took.
 *
 *   asker PORT RATE SECONDS [LATE] < NAMES
 *
 * Asks for the A records of the names, one a line, round and round, RATE questions a second whether or not answers come,
 * until SECONDS have passed (0: no end) or SIGTERM arrives; then waits for what is still out. An answer's time is from
 * just before it was asked for to the kernel's receipt of it, so that this program's own delays do not count. It is one
 * thread. Prints one JSON object: questions asked and answered, those late (answered after more than LATE microseconds),
 * those answered with SERVFAIL, the seconds of asking, and percentiles in microseconds.
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
#include <sys/socket.h>
#include <time.h>

enum { SOCKETS = 16, IDS = 65536, BATCH = 32, HEADER = 12, PACKET = 512, RECEIVE_BUFFER = 4 << 20 };
enum { LONGEST = 2000000 };                 /* microseconds for which an answer is waited for */
enum { SERVFAIL = 2 };
static const uint64_t SECOND = 1000000000u; /* nanoseconds */
static const uint64_t NAP = 10000000u;      /* nanoseconds of waiting at once, at most */

static struct question {
    uint8_t length, octets[255];
} *questions;
static size_t question_count;

static struct client {
    uint64_t asked_at[IDS]; /* nanoseconds since the epoch; 0 where no answer is waited for */
    uint16_t next, oldest;  /* identifiers: of the next question, and before which nothing is waited for */
    uint32_t out;           /* questions that are waited for */
} clients[SOCKETS];
static struct pollfd socks[SOCKETS];

static uint32_t took[LONGEST + 1]; /* answers by their time in microseconds */
static uint64_t asked, answered, late, failed;
static uint64_t late_after = 50000; /* microseconds after which an answer is late: a pause that people feel */
static volatile sig_atomic_t stopped;

static void stop(int number) { (void)number, stopped = 1; }

static uint64_t nanoseconds(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * SECOND + (uint64_t)time->tv_nsec;
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return nanoseconds(&time);
}

/* Keep the question for `name`, but for its identifier; a name too long for one is left out. */
static void add(const char *name)
{
    static const uint8_t header[HEADER] = {0, 0, 1, 0, 0, 1}, tail[] = {0, 0, 1, 0, 1};
    static size_t room;
    size_t length = HEADER;

    if (strlen(name) > sizeof questions->octets - HEADER - sizeof tail - 1)
        return;
    if (question_count == room)
        questions = realloc(questions, (room = room ? room * 2 : 1024) * sizeof *questions);
    if (!questions)
        exit(1);
    struct question *made = &questions[question_count++];
    memcpy(made->octets, header, HEADER);
    for (const char *at = name; *at; at += *at == '.') {
        size_t label = strcspn(at, ".");
        made->octets[length++] = (uint8_t)label;
        memcpy(made->octets + length, at, label);
        length += label;
        at += label;
    }
    memcpy(made->octets + length, tail, sizeof tail);
    made->length = (uint8_t)(length + sizeof tail);
}

/* Give up what has been waited for too long. */
static void give_up(struct client *client, uint64_t time)
{
    while (client->out && client->oldest != client->next) {
        uint64_t *at = &client->asked_at[client->oldest];
        if (*at && time - *at < (uint64_t)LONGEST * 1000)
            return;
        client->out -= *at != 0;
        *at = 0;
        client->oldest++;
    }
}

/* Ask up to BATCH questions from one socket. */
static void ask(int which, int count)
{
    static uint8_t packets[BATCH][sizeof questions->octets];
    static struct iovec vectors[BATCH];
    static struct mmsghdr messages[BATCH];
    struct client *client = &clients[which];

    for (int i = 0; i < count; i++) {
        const struct question *question = &questions[(asked + (uint64_t)i) % question_count];
        uint16_t id = (uint16_t)(client->next + i);
        memcpy(packets[i], question->octets, question->length);
        memcpy(packets[i], &id, sizeof id);
        vectors[i] = (struct iovec){packets[i], question->length};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    uint64_t time = now();
    int sent = sendmmsg(socks[which].fd, messages, (unsigned)count, 0);
    for (int i = 0; i < sent; i++) {
        uint64_t *at = &client->asked_at[client->next++];
        client->out += *at == 0; /* else the question of the last round is lost */
        *at = time;
    }
    asked += sent > 0 ? (uint64_t)sent : 0;
}

/* Take up to BATCH answers from one socket. */
static void hear(int which)
{
    static uint8_t packets[BATCH][PACKET], controls[BATCH][64];
    static struct iovec vectors[BATCH];
    static struct mmsghdr messages[BATCH];
    struct client *client = &clients[which];

    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){packets[i], PACKET};
        messages[i].msg_hdr = (struct msghdr){NULL, 0, &vectors[i], 1, controls[i], sizeof controls[i], 0};
    }
    int heard = recvmmsg(socks[which].fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < heard; i++) {
        struct cmsghdr *stamp = CMSG_FIRSTHDR(&messages[i].msg_hdr);
        struct timespec at;
        uint16_t id;
        if (messages[i].msg_len < HEADER || !stamp || stamp->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&at, CMSG_DATA(stamp), sizeof at);
        memcpy(&id, packets[i], sizeof id);
        uint64_t *begun = &client->asked_at[id], end = nanoseconds(&at);
        if (!*begun)
            continue; /* given up before */
        uint64_t time = end > *begun ? (end - *begun) / 1000 : 0;
        *begun = 0;
        client->out--;
        if (time > LONGEST)
            continue; /* counts as lost */
        answered++;
        late += time > late_after;
        failed += (packets[i][3] & 15) == SERVFAIL;
        took[time]++;
    }
}

static unsigned long percentile(double share)
{
    uint64_t wanted = (uint64_t)((double)answered * share), count = 0;
    unsigned long time = 0;
    while (time < LONGEST && (count += took[time]) <= wanted)
        time++;
    return time;
}

static void open_sockets(int port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int size = RECEIVE_BUFFER, on = 1;

    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < SOCKETS; i++) {
        socks[i] = (struct pollfd){.fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN};
        setsockopt(socks[i].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        setsockopt(socks[i].fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        if (connect(socks[i].fd, (struct sockaddr *)&server, sizeof server))
            perror("asker: connect"), exit(1);
    }
}

/* Ask until the end; give the nanoseconds that it took. */
static uint64_t ask_all(double rate, double seconds)
{
    uint64_t start = now(), time = start, ended = 0, out = 0;
    uint64_t end = seconds > 0 ? start + (uint64_t)(seconds * (double)SECOND) : UINT64_MAX;

    for (int turn = 0; !ended || (out && time < ended + (uint64_t)LONGEST * 1000); turn = (turn + 1) % SOCKETS) {
        uint64_t wait = NAP;
        if (!ended) {
            uint64_t due = (uint64_t)((double)(time - start) / (double)SECOND * rate) + 1;
            if (due > asked)
                ask(turn, due - asked < BATCH ? (int)(due - asked) : BATCH);
            uint64_t next = start + (uint64_t)((double)asked / rate * (double)SECOND);
            time = now();
            wait = next > time ? next - time : 0;
        }
        struct timespec patience = {0, (long)(wait < NAP ? wait : NAP)};
        if (ppoll(socks, SOCKETS, &patience, NULL) > 0)
            for (int i = 0; i < SOCKETS; i++)
                if (socks[i].revents)
                    hear(i);
        time = now();
        out = 0;
        for (int i = 0; i < SOCKETS; i++) {
            give_up(&clients[i], time);
            out += clients[i].out;
        }
        if (!ended && (stopped || time >= end))
            ended = time;
    }
    return ended - start;
}

int main(int argc, char **argv)
{
    char name[1024];

    if (argc != 4 && argc != 5)
        return fprintf(stderr, "usage: asker PORT RATE SECONDS [LATE] < NAMES\n"), 2;
    if (argc == 5)
        late_after = strtoull(argv[4], NULL, 10);
    while (fgets(name, sizeof name, stdin)) {
        name[strcspn(name, " \r\n")] = 0;
        if (*name)
            add(name);
    }
    double rate = atof(argv[2]);
    if (!question_count || rate <= 0)
        return fprintf(stderr, "asker: no names, or no rate\n"), 2;
    open_sockets(atoi(argv[1]));
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    double seconds = (double)ask_all(rate, atof(argv[3])) / (double)SECOND;
    printf("{\"asked\": %lu, \"answered\": %lu, \"late\": %lu, \"failed\": %lu, \"seconds\": %.3f, ", (unsigned long)asked,
           (unsigned long)answered, (unsigned long)late, (unsigned long)failed, seconds);
    printf("\"p50\": %lu, \"p99\": %lu, \"p999\": %lu}\n", percentile(0.5), percentile(0.99), percentile(0.999));
    return 0;
}
