/* Full PSK-CCM_8 handshakes of OpenSSL in memory, with a cookie; only what the server does counts.
   Says on each line of input that asks for so many milliseconds: handshakes, nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#define ABREAST 64
#define DATAGRAM_SIZE 1232

struct pair {
    SSL *client, *server;
    BIO *to_client, *to_server;
};

static unsigned char cookie_key[32];
static const unsigned char secret[16] = { 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7 };

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static long long thread_nanos(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static unsigned client_secret(SSL *ssl, const char *hint, char *identity, unsigned size, unsigned char *key,
    unsigned key_size)
{
    (void)ssl, (void)hint;
    if (key_size < sizeof secret || size < 6)
        return 0;
    memcpy(identity, "bench", 6);
    memcpy(key, secret, sizeof secret);
    return sizeof secret;
}

static unsigned server_secret(SSL *ssl, const char *identity, unsigned char *key, unsigned key_size)
{
    (void)ssl;
    if (strcmp(identity, "bench") != 0 || key_size < sizeof secret)
        return 0;
    memcpy(key, secret, sizeof secret);
    return sizeof secret;
}

/* The address of the client is the same for all; what the cookie covers does not change its price. */
static int make_cookie(SSL *ssl, unsigned char *cookie, unsigned *length)
{
    (void)ssl;
    return HMAC(EVP_sha256(), cookie_key, sizeof cookie_key, (const unsigned char *)"\177\0\0\1\310\1", 6, cookie,
               length) != NULL;
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned length)
{
    unsigned char wanted[EVP_MAX_MD_SIZE];
    unsigned wanted_length = 0;
    return make_cookie(ssl, wanted, &wanted_length) && length == wanted_length &&
        CRYPTO_memcmp(cookie, wanted, length) == 0;
}

static SSL_CTX *context(const SSL_METHOD *method)
{
    SSL_CTX *made = SSL_CTX_new(method);
    if (!made || !SSL_CTX_set_min_proto_version(made, DTLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(made, DTLS1_2_VERSION) ||
        /* a tag of 8 bytes is below what level 1 asks for */
        !SSL_CTX_set_cipher_list(made, "PSK-AES128-CCM8:@SECLEVEL=0"))
        fail("context");
    SSL_CTX_set_options(made, SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    return made;
}

static SSL *session(SSL_CTX *of, BIO *in, BIO *out)
{
    SSL *made = SSL_new(of);
    if (!made)
        fail("session");
    BIO_up_ref(in);
    BIO_up_ref(out);
    SSL_set_bio(made, in, out);
    DTLS_set_link_mtu(made, DATAGRAM_SIZE);
    return made;
}

/* Takes a step; gives whether the handshake is over. */
static int step(SSL *ssl)
{
    int result = SSL_do_handshake(ssl);
    int error = SSL_get_error(ssl, result);
    if (result != 1 && error != SSL_ERROR_WANT_READ)
        fail("handshake");
    return result == 1;
}

static BIO *pipe_of_memory(void)
{
    BIO *made = BIO_new(BIO_s_mem());
    if (!made)
        fail("memory");
    BIO_set_mem_eof_return(made, -1);
    return made;
}

static long long many(SSL_CTX *clients, SSL_CTX *servers)
{
    static struct pair pairs[ABREAST];
    long long spent = 0, begin;
    int index, open = 1;
    for (index = 0; index < ABREAST; index++) {
        struct pair *pair = &pairs[index];
        pair->to_client = pipe_of_memory();
        pair->to_server = pipe_of_memory();
        pair->client = session(clients, pair->to_client, pair->to_server);
        SSL_set_connect_state(pair->client);
        pair->server = NULL;
    }
    while (open) {
        open = 0;
        for (index = 0; index < ABREAST; index++)
            open |= !step(pairs[index].client);
        begin = thread_nanos();
        for (index = 0; index < ABREAST; index++) {
            struct pair *pair = &pairs[index];
            if (!pair->server) {
                pair->server = session(servers, pair->to_server, pair->to_client);
                SSL_set_accept_state(pair->server);
            }
            open |= !step(pair->server);
        }
        spent += thread_nanos() - begin;
    }
    begin = thread_nanos();
    for (index = 0; index < ABREAST; index++)
        SSL_free(pairs[index].server);
    spent += thread_nanos() - begin;
    for (index = 0; index < ABREAST; index++) {
        SSL_free(pairs[index].client);
        BIO_free(pairs[index].to_client);
        BIO_free(pairs[index].to_server);
    }
    return spent;
}

int main(void)
{
    SSL_CTX *clients = context(DTLS_client_method()), *servers = context(DTLS_server_method());
    char line[64];
    if (RAND_bytes(cookie_key, sizeof cookie_key) != 1)
        fail("randomness");
    SSL_CTX_set_psk_client_callback(clients, client_secret);
    SSL_CTX_set_psk_server_callback(servers, server_secret);
    SSL_CTX_set_options(servers, SSL_OP_COOKIE_EXCHANGE);
    SSL_CTX_set_cookie_generate_cb(servers, make_cookie);
    SSL_CTX_set_cookie_verify_cb(servers, check_cookie);
    printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        long long until = thread_nanos() + atoll(line) * 1000000LL, spent = 0;
        long count = 0;
        while (thread_nanos() < until) {
            spent += many(clients, servers);
            count += ABREAST;
        }
        printf("%ld %lld\n", count, spent);
        fflush(stdout);
    }
    return 0;
}
