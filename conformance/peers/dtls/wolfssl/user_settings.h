/* wolfSSL as the test peer needs it: DTLS 1.2 alone, shared secrets, connection ids, tickets. */
#define WOLFSSL_DTLS
#define WOLFSSL_DTLS_CID
#define WOLFSSL_DTLS_MTU
#define DTLS_CID_MAX_SIZE 255
#define MAX_PSK_ID_LEN 4096
#define WOLFSSL_STATIC_PSK
#define HAVE_TLS_EXTENSIONS
#define HAVE_SUPPORTED_CURVES
#define HAVE_EXTENDED_MASTER
#define HAVE_SERVER_RENEGOTIATION_INFO
#define HAVE_SESSION_TICKET
#define HAVE_ECC
#define ECC_TIMING_RESISTANT
#define WOLFSSL_SP_MATH_ALL
#define HAVE_AESGCM
#define HAVE_AESCCM
#define HAVE_CHACHA
#define HAVE_POLY1305
#define WOLFSSL_SHA384
#define WOLFSSL_SHA512
#define HAVE_HASHDRBG
#define NO_OLD_TLS
#define NO_RSA
#define NO_DH
#define NO_DSA
#define NO_DES3
#define NO_RC4
#define NO_MD4
#define NO_MD5
#define SINGLE_THREADED
#define NO_ERROR_STRINGS
