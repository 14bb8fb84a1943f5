/* CMS enveloped data with user keying material, made and opened by libcrypto alone.
 *
 *   cms_peer encrypt CERT.pem UKM_HEX|- IN OUT.der    EC recipient, SHA-256 KDF, AES-128
 *   cms_peer decrypt KEY.pem  UKM_HEX|- IN.der OUT    fails unless the message carries exactly that ukm
 *
 * libcrypto has no call that sets the ukm of a recipient it is about to write. The two structs below
 * repeat the head of its own, and the public getter confirms that the guess was right.
 */
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

struct agreement { int32_t version; void *originator; ASN1_OCTET_STRING *ukm; };
struct recipient { int type; struct agreement *agreement; };

static int failed(const char *what)
{
    fprintf(stderr, "cms_peer: %s\n", what);
    ERR_print_errors_fp(stderr);
    return 1;
}

static ASN1_OCTET_STRING *octets(const char *hex)
{
    long length = 0;
    unsigned char *bytes = OPENSSL_hexstr2buf(hex, &length);
    ASN1_OCTET_STRING *string = ASN1_OCTET_STRING_new();
    if (bytes != NULL && string != NULL)
        ASN1_OCTET_STRING_set(string, bytes, (int)length);
    OPENSSL_free(bytes);
    return string;
}

static int encrypt(BIO *certificate, const char *hex, BIO *in, BIO *out)
{
    unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_USE_KEYID | CMS_KEY_PARAM;
    X509 *recipient = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
    CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, EVP_aes_128_cbc(), flags);
    CMS_RecipientInfo *info = cms ? CMS_add1_recipient_cert(cms, recipient, flags) : NULL;
    EVP_PKEY_CTX *parameters = info ? CMS_RecipientInfo_get0_pkey_ctx(info) : NULL;
    if (parameters == NULL || EVP_PKEY_CTX_set_ecdh_kdf_md(parameters, EVP_sha256()) <= 0)
        return failed("cannot add the recipient");
    if (strcmp(hex, "-") != 0) {
        ASN1_OCTET_STRING *ukm = octets(hex), *found = NULL;
        X509_ALGOR *algorithm;
        ((struct recipient *)info)->agreement->ukm = ukm;
        if (!CMS_RecipientInfo_kari_get0_alg(info, &algorithm, &found) || found != ukm)
            return failed("this libcrypto lays its structs out otherwise");
    }
    if (!CMS_final(cms, in, NULL, flags) || !i2d_CMS_bio(out, cms))
        return failed("cannot encrypt");
    return 0;
}

static int decrypt(BIO *private_key, const char *hex, BIO *in, BIO *out)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(private_key, NULL, NULL, NULL);
    CMS_ContentInfo *cms = d2i_CMS_bio(in, NULL);
    STACK_OF(CMS_RecipientInfo) *infos = cms ? CMS_get0_RecipientInfos(cms) : NULL;
    ASN1_OCTET_STRING *found = NULL, *expected = NULL;
    X509_ALGOR *algorithm;
    if (sk_CMS_RecipientInfo_num(infos) != 1)
        return failed("not one recipient");
    if (!CMS_RecipientInfo_kari_get0_alg(sk_CMS_RecipientInfo_value(infos, 0), &algorithm, &found))
        return failed("no key agreement");
    if (strcmp(hex, "-") != 0)
        expected = octets(hex);
    if ((found == NULL) != (expected == NULL) || (found != NULL && ASN1_OCTET_STRING_cmp(found, expected) != 0))
        return failed("another ukm");
    if (!CMS_decrypt(cms, key, NULL, NULL, out, CMS_BINARY))
        return failed("cannot decrypt");
    return 0;
}

int main(int count, char **arguments)
{
    if (count != 6)
        return failed("usage: encrypt|decrypt PEM UKM|- IN OUT");
    BIO *pem = BIO_new_file(arguments[2], "rb"), *in = BIO_new_file(arguments[4], "rb");
    BIO *out = BIO_new_file(arguments[5], "wb");
    if (pem == NULL || in == NULL || out == NULL)
        return failed("cannot open a file");
    int status = strcmp(arguments[1], "encrypt") == 0 ? encrypt(pem, arguments[3], in, out)
                                                      : decrypt(pem, arguments[3], in, out);
    BIO_free(out);
    return status;
}
