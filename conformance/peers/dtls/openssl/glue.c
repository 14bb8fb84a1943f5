/* The glue to OpenSSL, for what its own s_client and s_server cannot say: an extension of another's making. */
#include "../peer.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *context;
static SSL *session;
static SSL_SESSION *kept;
static BIO_METHOD *method;
static const struct options *chosen;
static int hint_length;
static struct agreed seen;

static int bio_read(BIO *bio, char *buffer, int size)
{
    int count = datagram_receive((unsigned char *)buffer, (size_t)size);
    BIO_clear_retry_flags(bio);
    if (count < 0)
        BIO_set_retry_read(bio);
    return count;
}

static int bio_write(BIO *bio, const char *buffer, int size)
{
    BIO_clear_retry_flags(bio);
    return datagram_send((const unsigned char *)buffer, (size_t)size);
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static unsigned int own_secret(unsigned char *key, unsigned int size)
{
    if ((unsigned)chosen->psk_length > size)
        fail("the key is too long", chosen->psk_length);
    memcpy(key, chosen->psk, (size_t)chosen->psk_length);
    return (unsigned)chosen->psk_length;
}

static unsigned int client_secret(SSL *ssl, const char *hint, char *identity, unsigned int identity_size,
    unsigned char *key, unsigned int size)
{
    (void)ssl;
    hint_length = hint ? (int)strlen(hint) : -1;
    strncpy(identity, chosen->identity, identity_size);
    return own_secret(key, size);
}

static unsigned int server_secret(SSL *ssl, const char *identity, unsigned char *key, unsigned int size)
{
    (void)ssl;
    return strcmp(identity, chosen->identity) == 0 ? own_secret(key, size) : 0;
}

static int extension_add(SSL *ssl, unsigned int type, unsigned int place, const unsigned char **out, size_t *length,
    X509 *certificate, size_t index, int *alert, void *ignored)
{
    (void)ssl, (void)type, (void)place, (void)certificate, (void)index, (void)alert, (void)ignored;
    *out = chosen->extension;
    *length = (size_t)chosen->extension_length;
    return 1;
}

static int extension_parse(SSL *ssl, unsigned int type, unsigned int place, const unsigned char *body,
    size_t length, X509 *certificate, size_t index, int *alert, void *ignored)
{
    (void)ssl, (void)type, (void)place, (void)certificate, (void)index, (void)ignored;
    if (length > sizeof seen.extension) {
        *alert = SSL_AD_DECODE_ERROR;
        return 0;
    }
    memcpy(seen.extension, body, length);
    seen.extension_length = (int)length;
    return 1;
}

static void make_context(void)
{
    context = SSL_CTX_new(chosen->server ? DTLS_server_method() : DTLS_client_method());
    SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION);
    if (!SSL_CTX_set_cipher_list(context, chosen->suite ? chosen->suite : ""))
        fail("no such suite", 0);
    SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU);
    if (chosen->server) {
        SSL_CTX_set_psk_server_callback(context, server_secret);
        if (chosen->hint && !SSL_CTX_use_psk_identity_hint(context, chosen->hint))
            fail("the hint is refused", (long)strlen(chosen->hint));
    } else {
        SSL_CTX_set_psk_client_callback(context, client_secret);
    }
    if (chosen->extension_length >= 0
        && !SSL_CTX_add_custom_ext(context, (unsigned)chosen->extension_type,
            SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_2_SERVER_HELLO | SSL_EXT_IGNORE_ON_RESUMPTION, extension_add, NULL,
            NULL, extension_parse, NULL))
        fail("the extension is refused", chosen->extension_type);
    method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "datagrams of the driver");
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
}

void session_begin(const struct options *options, int again)
{
    chosen = options;
    if (!context)
        make_context();
    SSL_free(session);
    session = SSL_new(context);
    if (!session)
        fail("no session", (long)ERR_get_error());
    BIO *bio = BIO_new(method);
    BIO_set_init(bio, 1);
    SSL_set_bio(session, bio, bio);
    SSL_set_mtu(session, options->mtu ? options->mtu : 1200);
    hint_length = seen.extension_length = -1;
    if (again && kept && !SSL_set_session(session, kept))
        fail("the session cannot be resumed", 0);
    if (options->server)
        SSL_set_accept_state(session);
    else
        SSL_set_connect_state(session);
}

int session_shake_hands(void)
{
    int done = SSL_do_handshake(session);
    if (done == 1)
        return 1;
    int error = SSL_get_error(session, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        fail("the handshake", ERR_GET_REASON(ERR_peek_last_error()));
    return 0;
}

int session_wait(void)
{
    struct timeval wait;
    if (!DTLSv1_get_timeout(session, &wait))
        return -1;
    return (int)(wait.tv_sec * 1000 + wait.tv_usec / 1000 + 1);
}

void session_timer(void)
{
    if (DTLSv1_handle_timeout(session) < 0)
        fail("no answer came", 0);
}

int session_read(unsigned char *buffer, size_t size)
{
    int count = SSL_read(session, buffer, (int)size);
    if (count > 0)
        return count;
    int error = SSL_get_error(session, count);
    if (error == SSL_ERROR_ZERO_RETURN)
        return -1;
    if (error != SSL_ERROR_WANT_READ)
        fail("reading", ERR_GET_REASON(ERR_peek_last_error()));
    return 0;
}

void session_write(const unsigned char *buffer, size_t size)
{
    if (SSL_write(session, buffer, (int)size) != (int)size)
        fail("writing", ERR_GET_REASON(ERR_peek_last_error()));
}

void session_end(void)
{
    if (!chosen->server) {
        SSL_SESSION_free(kept);
        kept = SSL_get1_session(session);
    }
    SSL_shutdown(session);
}

void session_agreed(struct agreed *agreed)
{
    *agreed = seen;
    agreed->own_cid_length = agreed->peer_cid_length = -1;
    agreed->suite = SSL_get_cipher_name(session);
    agreed->hint_length = hint_length;
    agreed->resumed = SSL_session_reused(session);
}
