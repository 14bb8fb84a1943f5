/* The glue to wolfSSL. */
#include "../peer.h"

#include <stdlib.h>
#include <string.h>

#include <wolfssl/ssl.h>

static WOLFSSL_CTX *context;
static WOLFSSL *session;
static WOLFSSL_SESSION *kept;
static const struct options *chosen;
static int hint_length;

static int receive(WOLFSSL *ssl, char *buffer, int size, void *ignored)
{
    (void)ssl, (void)ignored;
    int count = datagram_receive((unsigned char *)buffer, (size_t)size);
    return count < 0 ? WOLFSSL_CBIO_ERR_WANT_READ : count;
}

static int transmit(WOLFSSL *ssl, char *buffer, int size, void *ignored)
{
    (void)ssl, (void)ignored;
    return datagram_send((unsigned char *)buffer, (size_t)size);
}

static int make_cookie(WOLFSSL *ssl, unsigned char *buffer, int size, void *ignored)
{
    (void)ssl, (void)ignored;
    for (int at = 0; at < size; at++)
        buffer[at] = (unsigned char)(peer_port() * (at + 7) >> 3);
    return size;
}

static unsigned int own_secret(unsigned char *key, unsigned int size)
{
    if ((unsigned)chosen->psk_length > size)
        fail("the key is too long", chosen->psk_length);
    memcpy(key, chosen->psk, (size_t)chosen->psk_length);
    return (unsigned)chosen->psk_length;
}

static unsigned int client_secret(WOLFSSL *ssl, const char *hint, char *identity, unsigned int identity_size,
    unsigned char *key, unsigned int size)
{
    (void)ssl;
    hint_length = hint ? (int)strlen(hint) : -1;
    strncpy(identity, chosen->identity, identity_size);
    return own_secret(key, size);
}

static unsigned int server_secret(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned int size)
{
    (void)ssl;
    return strcmp(identity, chosen->identity) == 0 ? own_secret(key, size) : 0;
}

static void make_context(void)
{
    wolfSSL_Init();
    context = wolfSSL_CTX_new(chosen->server ? wolfDTLSv1_2_server_method() : wolfDTLSv1_2_client_method());
    if (!context || wolfSSL_CTX_set_cipher_list(context, chosen->suite) != WOLFSSL_SUCCESS)
        fail("no such suite", 0);
    wolfSSL_CTX_SetIORecv(context, receive);
    wolfSSL_CTX_SetIOSend(context, transmit);
    if (!chosen->server) {
        wolfSSL_CTX_set_psk_client_callback(context, client_secret);
        wolfSSL_CTX_UseSessionTicket(context);
        return;
    }
    wolfSSL_CTX_set_psk_server_callback(context, server_secret);
    wolfSSL_CTX_SetGenCookie(context, make_cookie);
    if (chosen->hint && wolfSSL_CTX_use_psk_identity_hint(context, chosen->hint) != WOLFSSL_SUCCESS)
        fail("the hint is refused", (long)strlen(chosen->hint));
}

void session_begin(const struct options *options, int again)
{
    chosen = options;
    if (!context)
        make_context();
    wolfSSL_free(session);
    session = wolfSSL_new(context);
    if (!session)
        fail("no session", 0);
    wolfSSL_dtls_set_using_nonblock(session, 1);
    if (options->mtu && wolfSSL_dtls_set_mtu(session, (unsigned short)options->mtu) != WOLFSSL_SUCCESS)
        fail("the MTU is refused", options->mtu);
    if (options->cid_length >= 0) {
        if (wolfSSL_dtls_cid_use(session) != WOLFSSL_SUCCESS)
            fail("no connection ids", 0);
        if (options->cid_length > 0
            && wolfSSL_dtls_cid_set(session, (unsigned char *)options->cid, (unsigned)options->cid_length)
                != WOLFSSL_SUCCESS)
            fail("the connection id is refused", options->cid_length);
    }
    hint_length = -1;
    if (again && kept && wolfSSL_set_session(session, kept) != WOLFSSL_SUCCESS)
        fail("the session cannot be resumed", 0);
}

int session_shake_hands(void)
{
    int done = wolfSSL_negotiate(session);
    if (done == WOLFSSL_SUCCESS)
        return 1;
    int error = wolfSSL_get_error(session, done);
    if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE)
        fail("the handshake", error);
    return 0;
}

int session_wait(void)
{
    return wolfSSL_is_init_finished(session) ? -1 : wolfSSL_dtls_get_current_timeout(session) * 1000;
}

void session_timer(void)
{
    if (!wolfSSL_is_init_finished(session) && wolfSSL_dtls_got_timeout(session) != WOLFSSL_SUCCESS)
        fail("no answer came", 0);
}

int session_read(unsigned char *buffer, size_t size)
{
    int count = wolfSSL_read(session, buffer, (int)size);
    if (count > 0)
        return count;
    int error = wolfSSL_get_error(session, count);
    if (error == WOLFSSL_ERROR_ZERO_RETURN)
        return -1;
    if (error != WOLFSSL_ERROR_WANT_READ)
        fail("reading", error);
    return 0;
}

void session_write(const unsigned char *buffer, size_t size)
{
    int count = wolfSSL_write(session, buffer, (int)size);
    if (count != (int)size)
        fail("writing", wolfSSL_get_error(session, count));
}

void session_end(void)
{
    if (!chosen->server) {
        wolfSSL_SESSION_free(kept);
        kept = wolfSSL_get1_session(session);
    }
    wolfSSL_shutdown(session);
}

void session_agreed(struct agreed *agreed)
{
    unsigned length = 0;
    agreed->suite = wolfSSL_get_cipher_name(session);
    agreed->hint_length = hint_length;
    agreed->resumed = wolfSSL_session_reused(session);
    if (!wolfSSL_dtls_cid_is_enabled(session))
        return;
    wolfSSL_dtls_cid_get_rx_size(session, &length);
    wolfSSL_dtls_cid_get_rx(session, agreed->own_cid, length);
    agreed->own_cid_length = (int)length;
    wolfSSL_dtls_cid_get_tx_size(session, &length);
    wolfSSL_dtls_cid_get_tx(session, agreed->peer_cid, length);
    agreed->peer_cid_length = (int)length;
}
