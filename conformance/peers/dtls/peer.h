/* What the driver (driver.c) and the glue to one foreign DTLS library share.
 *
 * The driver owns the socket, the clock and standard input; the glue owns the library's session. */
#ifndef PEER_H
#define PEER_H

#include <stddef.h>

/* What the command line said. Lengths are in bytes; a length of -1 means that the option was not given. */
struct options {
    int server;
    int port;
    int mtu;              /* 0: the library's own */
    const char *suite;    /* the library's own name */
    const char *identity;
    const char *hint;     /* NULL: none */
    unsigned char psk[64];
    int psk_length;
    unsigned char cid[255];
    int cid_length;
    unsigned char extension[1024]; /* body of a hello extension that the library does not know */
    int extension_length;
    int extension_type;
};

/* The driver's side. Both return the count of bytes, or -1 when there is nothing (more) now. */
int datagram_receive(unsigned char *buffer, size_t size);
int datagram_send(const unsigned char *buffer, size_t size);
/* The port of whoever is being answered: what a cookie is bound to here. */
int peer_port(void);
/* Ends the program with a line that says why. */
void fail(const char *what, long code);

/* The library's side. */

/* Begins a session; `again` asks for the resumption of the one before, when the library can. */
void session_begin(const struct options *options, int again);
/* 1: connected; 0: waits for a datagram or its timer. */
int session_shake_hands(void);
/* Milliseconds until session_timer must be called; -1: never. */
int session_wait(void);
void session_timer(void);
/* Bytes of application data, 0 when there is none now, -1 when the peer has closed. */
int session_read(unsigned char *buffer, size_t size);
void session_write(const unsigned char *buffer, size_t size);
/* Says goodbye, and keeps what a resumption needs. */
void session_end(void);

/* What was agreed on. */
struct agreed {
    const char *suite;
    unsigned char own_cid[255], peer_cid[255];
    int own_cid_length, peer_cid_length; /* -1: not negotiated, or the library does not tell */
    int hint_length;                     /* -1: none came, or the library does not tell */
    int resumed;                         /* -1: the library does not tell */
    unsigned char extension[1024];       /* what came in the extension of the command line */
    int extension_length;                /* -1: it did not come, or the library does not tell */
};
void session_agreed(struct agreed *agreed);

#endif
