/* A foreign DTLS 1.2 peer for tests: one session on a UDP socket of the loopback, lines in and out.
 *
 *   NAME server|client PORT --psk HEX [--identity TEXT] [--hint TEXT] [--suite NAME] [--cid HEX|-]
 *        [--mtu BYTES] [--extension TYPE HEX]
 *
 * A server on port 0 takes a free one. Standard output: "port N" (servers), "connected ...", and the data of the
 * other side as it comes. Standard input: lines to send, or
 *   :move    go on from another port (clients)
 *   :again   close, and connect anew, resuming if the library can (clients)
 *   :empty   send no bytes of data
 * A server takes the address of a client that moved from the first genuine record, and goes on to the next client
 * when one says goodbye. */
#include "peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int udp = -1;
static int connected;
static struct sockaddr_in peer, newest;
static struct options options;

void fail(const char *what, long code)
{
    printf("failed: %s (%ld)\n", what, code);
    fflush(stdout);
    exit(1);
}

int peer_port(void)
{
    return ntohs(peer.sin_port);
}

int datagram_receive(unsigned char *buffer, size_t size)
{
    socklen_t length = sizeof newest;
    ssize_t count = recvfrom(udp, buffer, size, MSG_DONTWAIT, (struct sockaddr *)&newest, &length);
    if (count >= 0 && options.server && !connected)
        peer = newest;
    return (int)count;
}

int datagram_send(const unsigned char *buffer, size_t size)
{
    /* A peer that is not there yet refuses; a later transmission finds it. */
    sendto(udp, buffer, size, 0, (struct sockaddr *)&peer, sizeof peer);
    return (int)size;
}

static void open_socket(int port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fresh = socket(AF_INET, SOCK_DGRAM, 0);
    if (fresh < 0 || bind(fresh, (struct sockaddr *)&own, sizeof own) != 0)
        fail("no socket", port);
    socklen_t length = sizeof own;
    getsockname(fresh, (struct sockaddr *)&own, &length);
    if (udp >= 0)
        close(udp);
    udp = fresh;
    if (options.server)
        printf("port %d\n", ntohs(own.sin_port));
}

static int bytes_of(const char *hex, unsigned char *out, size_t size)
{
    int count = 0;
    unsigned value;
    if (strcmp(hex, "-") == 0)
        return 0;
    for (; hex[0] && hex[1] && (size_t)count < size; hex += 2, count++) {
        if (sscanf(hex, "%2x", &value) != 1)
            fail("not hexadecimal", count);
        out[count] = (unsigned char)value;
    }
    return count;
}

static void read_options(int count, char **arguments)
{
    if (count < 3)
        fail("server|client PORT", count);
    options.server = strcmp(arguments[1], "server") == 0;
    options.port = atoi(arguments[2]);
    options.identity = "";
    options.psk_length = options.cid_length = options.extension_length = -1;
    for (int at = 3; at + 1 < count; at += 2) {
        const char *name = arguments[at], *value = arguments[at + 1];
        if (strcmp(name, "--psk") == 0)
            options.psk_length = bytes_of(value, options.psk, sizeof options.psk);
        else if (strcmp(name, "--identity") == 0)
            options.identity = value;
        else if (strcmp(name, "--hint") == 0)
            options.hint = value;
        else if (strcmp(name, "--suite") == 0)
            options.suite = value;
        else if (strcmp(name, "--cid") == 0)
            options.cid_length = bytes_of(value, options.cid, sizeof options.cid);
        else if (strcmp(name, "--mtu") == 0)
            options.mtu = atoi(value);
        else if (strcmp(name, "--extension") == 0 && at + 2 < count) {
            options.extension_type = atoi(value);
            options.extension_length =
                bytes_of(arguments[at + 2], options.extension, sizeof options.extension);
            at++;
        } else
            fail(name, at);
    }
}

static void print_bytes(const char *name, const unsigned char *bytes, int length)
{
    printf(" %s=", name);
    for (int at = 0; at < length; at++)
        printf("%02x", bytes[at]);
    if (length <= 0)
        printf(length < 0 ? "none" : "empty");
}

static void say_connected(void)
{
    struct agreed agreed;
    memset(&agreed, 0, sizeof agreed);
    agreed.own_cid_length = agreed.peer_cid_length = agreed.hint_length = agreed.resumed = -1;
    agreed.extension_length = -1;
    session_agreed(&agreed);
    printf("connected suite=%s", agreed.suite);
    print_bytes("own-cid", agreed.own_cid, agreed.own_cid_length);
    print_bytes("peer-cid", agreed.peer_cid, agreed.peer_cid_length);
    print_bytes("extension", agreed.extension, agreed.extension_length);
    printf(" hint=%d resumed=%d\n", agreed.hint_length, agreed.resumed);
}

static void begin(int again)
{
    connected = 0;
    session_begin(&options, again);
}

static void take_line(char *line, size_t length)
{
    if (strcmp(line, ":move\n") == 0) {
        open_socket(0);
    } else if (strcmp(line, ":again\n") == 0) {
        session_end();
        begin(1);
    } else if (strcmp(line, ":empty\n") == 0) {
        session_write((const unsigned char *)"", 0);
    } else {
        session_write((const unsigned char *)line, length);
    }
}

static void run_session(void)
{
    unsigned char data[16384];
    if (!connected) {
        if (!session_shake_hands())
            return;
        connected = 1;
        say_connected();
    }
    for (;;) {
        int count = session_read(data, sizeof data);
        if (count == 0)
            return;
        if (count < 0) {
            printf("closed\n");
            if (!options.server)
                exit(0);
            session_end();
            begin(0);
            return;
        }
        if (options.server && newest.sin_port != peer.sin_port) {
            printf("moved\n");
            peer = newest;
        }
        fwrite(data, 1, (size_t)count, stdout);
    }
}

int main(int count, char **arguments)
{
    static char line[8192];
    size_t held = 0;
    read_options(count, arguments);
    open_socket(options.server ? options.port : 0);
    if (!options.server) {
        peer.sin_family = AF_INET;
        peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        peer.sin_port = htons((unsigned short)options.port);
    }
    fcntl(0, F_SETFL, O_NONBLOCK);
    begin(0);
    for (;;) {
        run_session();
        fflush(stdout);
        /* Lines wait until there is a session to send them. */
        struct pollfd waits[2] = {{.fd = udp, .events = POLLIN}, {.fd = connected ? 0 : -1, .events = POLLIN}};
        int wait = session_wait();
        if (poll(waits, 2, wait) == 0)
            session_timer();
        if (waits[1].revents & (POLLIN | POLLHUP)) {
            ssize_t more = read(0, line + held, sizeof line - 1 - held);
            if (more == 0)
                return 0;
            held += more > 0 ? (size_t)more : 0;
            line[held] = 0;
            for (char *end; connected && (end = strchr(line, '\n'));) {
                size_t length = (size_t)(end + 1 - line);
                char one[8192];
                memcpy(one, line, length);
                one[length] = 0;
                held -= length;
                memmove(line, line + length, held + 1);
                take_line(one, length);
            }
        }
    }
}
