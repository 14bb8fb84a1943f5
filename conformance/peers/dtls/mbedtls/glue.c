/* The glue to Mbed TLS. It sends no hints, and tells nobody about those that came. */
#include "../peer.h"

#include <string.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/timing.h>

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context dice;
static mbedtls_ssl_config config;
static mbedtls_ssl_context session;
static mbedtls_ssl_session kept;
static mbedtls_ssl_cookie_ctx cookies;
static mbedtls_ssl_ticket_context tickets;
static mbedtls_timing_delay_context timer;
static const struct options *chosen;
static int ready, is_kept, resuming;

static void must(int code, const char *what)
{
    if (code != 0)
        fail(what, -code);
}

static int receive(void *ignored, unsigned char *buffer, size_t size)
{
    (void)ignored;
    int count = datagram_receive(buffer, size);
    int port = peer_port();
    if (count < 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (chosen->server && !mbedtls_ssl_is_handshake_over(&session))
        must(mbedtls_ssl_set_client_transport_id(&session, (unsigned char *)&port, sizeof port), "no address");
    return count;
}

static int transmit(void *ignored, const unsigned char *buffer, size_t size)
{
    (void)ignored;
    return datagram_send(buffer, size);
}

static void configure(void)
{
    static int suites[2];
    int side = chosen->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT;
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&dice);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&session);
    mbedtls_ssl_session_init(&kept);
    must(mbedtls_ctr_drbg_seed(&dice, mbedtls_entropy_func, &entropy, NULL, 0), "no randomness");
    must(mbedtls_ssl_config_defaults(&config, side, MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT),
        "no configuration");
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &dice);
    suites[0] = mbedtls_ssl_get_ciphersuite_id(chosen->suite ? chosen->suite : "");
    if (suites[0] == 0)
        fail("no such suite", 0);
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    must(mbedtls_ssl_conf_psk(&config, chosen->psk, (size_t)chosen->psk_length,
             (const unsigned char *)chosen->identity, strlen(chosen->identity)),
        "the key is refused");
    if (chosen->server) {
        mbedtls_ssl_cookie_init(&cookies);
        must(mbedtls_ssl_cookie_setup(&cookies, mbedtls_ctr_drbg_random, &dice), "no cookies");
        mbedtls_ssl_conf_dtls_cookies(&config, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check, &cookies);
        mbedtls_ssl_ticket_init(&tickets);
        must(mbedtls_ssl_ticket_setup(&tickets, mbedtls_ctr_drbg_random, &dice, MBEDTLS_CIPHER_AES_128_GCM, 3600),
            "no tickets");
        mbedtls_ssl_conf_session_tickets_cb(&config, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &tickets);
    }
    if (chosen->cid_length >= 0)
        must(mbedtls_ssl_conf_cid(&config, (size_t)chosen->cid_length, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE),
            "the connection id is refused");
    must(mbedtls_ssl_setup(&session, &config), "no session");
}

static void offer_connection_id(void)
{
    if (chosen->cid_length >= 0)
        must(mbedtls_ssl_set_cid(&session, MBEDTLS_SSL_CID_ENABLED, chosen->cid, (size_t)chosen->cid_length),
            "no connection ids");
}

void session_begin(const struct options *options, int again)
{
    chosen = options;
    if (!ready) {
        configure();
        ready = 1;
    } else {
        must(mbedtls_ssl_session_reset(&session), "no new session");
    }
    mbedtls_ssl_set_bio(&session, NULL, transmit, receive, NULL);
    mbedtls_ssl_set_timer_cb(&session, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
    if (options->mtu)
        mbedtls_ssl_set_mtu(&session, (unsigned short)options->mtu);
    offer_connection_id();
    resuming = again && is_kept;
    if (resuming)
        must(mbedtls_ssl_set_session(&session, &kept), "the session cannot be resumed");
}

int session_shake_hands(void)
{
    for (;;) {
        int code = mbedtls_ssl_handshake(&session);
        if (code == 0)
            return 1;
        if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE)
            return 0;
        if (code != MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED)
            fail("the handshake", -code);
        must(mbedtls_ssl_session_reset(&session), "no new session");
        offer_connection_id();
    }
}

int session_wait(void)
{
    /* Its timer is only read when it is called. */
    return mbedtls_ssl_is_handshake_over(&session) ? -1 : 50;
}

void session_timer(void)
{
}

int session_read(unsigned char *buffer, size_t size)
{
    int count = mbedtls_ssl_read(&session, buffer, size);
    if (count > 0)
        return count;
    if (count == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        return -1;
    if (count != 0 && count != MBEDTLS_ERR_SSL_WANT_READ && count != MBEDTLS_ERR_SSL_TIMEOUT)
        fail("reading", -count);
    return 0;
}

void session_write(const unsigned char *buffer, size_t size)
{
    int count = mbedtls_ssl_write(&session, buffer, size);
    if (count != (int)size)
        fail("writing", -count);
}

void session_end(void)
{
    if (!chosen->server) {
        mbedtls_ssl_session_free(&kept);
        is_kept = mbedtls_ssl_get_session(&session, &kept) == 0;
    }
    mbedtls_ssl_close_notify(&session);
}

void session_agreed(struct agreed *agreed)
{
    int enabled = 0;
    size_t length = 0;
    agreed->suite = mbedtls_ssl_get_ciphersuite(&session);
    /* Mbed TLS has no call that says whether a session was resumed, and two ids of no bytes are none to it. */
    must(mbedtls_ssl_get_peer_cid(&session, &enabled, agreed->peer_cid, &length), "the peer's id");
    if (!enabled)
        return;
    agreed->peer_cid_length = (int)length;
    length = 0;
    must(mbedtls_ssl_get_own_cid(&session, &enabled, agreed->own_cid, &length), "its own id");
    agreed->own_cid_length = (int)length;
}
