# Of OpenSSL 3 what sessions need; core_names.h is not in earlier ones.

from libc.stddef cimport size_t

cdef extern from "<openssl/core_names.h>":
    const char *OSSL_MAC_PARAM_KEY
    const char *OSSL_MAC_PARAM_DIGEST

cdef extern from "<openssl/params.h>":
    ctypedef struct OSSL_PARAM:
        pass

    OSSL_PARAM OSSL_PARAM_construct_octet_string(const char *key, void *octets, size_t size)
    OSSL_PARAM OSSL_PARAM_construct_utf8_string(const char *key, char *text, size_t size)
    OSSL_PARAM OSSL_PARAM_construct_end()

cdef extern from "<openssl/rand.h>":
    int RAND_bytes(unsigned char *octets, int size)

cdef extern from "<openssl/err.h>":
    void ERR_clear_error() nogil
    unsigned long ERR_get_error()
    const char *ERR_reason_error_string(unsigned long error)

cdef extern from "<openssl/evp.h>":
    ctypedef struct EVP_PKEY:
        pass
    ctypedef struct EVP_CIPHER:
        pass
    ctypedef struct EVP_CIPHER_CTX:
        pass
    ctypedef struct EVP_MAC_CTX:
        pass
    ctypedef struct ENGINE:
        pass

    const EVP_CIPHER *EVP_aes_256_cbc()
    int EVP_EncryptInit_ex(EVP_CIPHER_CTX *, const EVP_CIPHER *, ENGINE *, const unsigned char *, const unsigned char *)
    int EVP_DecryptInit_ex(EVP_CIPHER_CTX *, const EVP_CIPHER *, ENGINE *, const unsigned char *, const unsigned char *)
    int EVP_MAC_CTX_set_params(EVP_MAC_CTX *, const OSSL_PARAM *params)
    void EVP_PKEY_free(EVP_PKEY *) nogil

cdef extern from "<openssl/bio.h>":
    ctypedef struct BIO:
        pass
    ctypedef struct BIO_METHOD:
        pass

    int BIO_CTRL_FLUSH
    BIO *BIO_new(const BIO_METHOD *)
    BIO *BIO_new_mem_buf(const void *octets, int size)
    void BIO_free(BIO *) nogil
    void BIO_set_data(BIO *, void *)
    void *BIO_get_data(BIO *)
    void BIO_set_init(BIO *, int)
    void BIO_set_retry_read(BIO *)
    void BIO_clear_retry_flags(BIO *)
    int BIO_get_new_index()
    BIO_METHOD *BIO_meth_new(int kind, const char *name)
    int BIO_meth_set_read(BIO_METHOD *, int (*)(BIO *, char *, int) noexcept)
    int BIO_meth_set_write(BIO_METHOD *, int (*)(BIO *, const char *, int) noexcept)
    int BIO_meth_set_ctrl(BIO_METHOD *, long (*)(BIO *, int, long, void *) noexcept)

cdef extern from "<openssl/x509.h>":
    ctypedef struct X509:
        pass

    void X509_free(X509 *) nogil

cdef extern from "<openssl/pem.h>":
    X509 *PEM_read_bio_X509(BIO *, X509 **, void *, void *) nogil
    EVP_PKEY *PEM_read_bio_PrivateKey(BIO *, EVP_PKEY **, void *, void *) nogil

cdef extern from "<openssl/ssl.h>":
    ctypedef struct SSL:
        pass
    ctypedef struct SSL_CTX:
        pass
    ctypedef struct SSL_METHOD:
        pass
    ctypedef struct SSL_SESSION:
        pass

    int TLS1_2_VERSION, TLS1_3_VERSION, TLSEXT_NAMETYPE_host_name
    int SSL_TLSEXT_ERR_OK, SSL_TLSEXT_ERR_ALERT_FATAL, SSL_TLSEXT_ERR_NOACK, OPENSSL_NPN_NEGOTIATED
    int SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN, SSL_SESS_CACHE_OFF
    long SSL_MODE_RELEASE_BUFFERS
    unsigned long SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_COMPRESSION, SSL_OP_CIPHER_SERVER_PREFERENCE

    const SSL_METHOD *TLS_server_method()
    SSL_CTX *SSL_CTX_new(const SSL_METHOD *)
    void SSL_CTX_free(SSL_CTX *)
    int SSL_CTX_set_min_proto_version(SSL_CTX *, int)
    unsigned long SSL_CTX_set_options(SSL_CTX *, unsigned long)
    long SSL_CTX_set_mode(SSL_CTX *, long)
    long SSL_CTX_set_session_cache_mode(SSL_CTX *, long)
    long SSL_CTX_set_timeout(SSL_CTX *, long)
    int SSL_CTX_set_num_tickets(SSL_CTX *, size_t)
    int SSL_CTX_set_cipher_list(SSL_CTX *, const char *)
    int SSL_CTX_set_ciphersuites(SSL_CTX *, const char *)
    int SSL_CTX_set1_groups_list(SSL_CTX *, char *)
    int SSL_CTX_use_certificate(SSL_CTX *, X509 *) nogil
    long SSL_CTX_add0_chain_cert(SSL_CTX *, X509 *) nogil
    int SSL_CTX_use_PrivateKey(SSL_CTX *, EVP_PKEY *) nogil
    int SSL_CTX_check_private_key(const SSL_CTX *) nogil
    long SSL_CTX_set_tlsext_servername_callback(SSL_CTX *, int (*)(SSL *, int *, void *) noexcept)
    void SSL_CTX_set_alpn_select_cb(
        SSL_CTX *,
        int (*)(SSL *, const unsigned char **, unsigned char *, const unsigned char *, unsigned int, void *) noexcept,
        void *,
    )
    int SSL_CTX_set_tlsext_ticket_key_evp_cb(
        SSL_CTX *, int (*)(SSL *, unsigned char *, unsigned char *, EVP_CIPHER_CTX *, EVP_MAC_CTX *, int) noexcept
    )
    int SSL_select_next_proto(
        unsigned char **, unsigned char *, const unsigned char *, unsigned int, const unsigned char *, unsigned int
    )

    SSL *SSL_new(SSL_CTX *)
    void SSL_free(SSL *)
    void SSL_set_bio(SSL *, BIO *, BIO *)
    void SSL_set_accept_state(SSL *)
    int SSL_set_app_data(SSL *, void *)
    void *SSL_get_app_data(const SSL *)
    SSL_CTX *SSL_set_SSL_CTX(SSL *, SSL_CTX *)
    const char *SSL_get_servername(const SSL *, int)
    int SSL_do_handshake(SSL *)
    int SSL_read_ex(SSL *, void *, size_t, size_t *)
    int SSL_write_ex(SSL *, const void *, size_t, size_t *)
    int SSL_shutdown(SSL *)
    int SSL_get_error(const SSL *, int)
    int SSL_session_reused(const SSL *)
    int SSL_version(const SSL *)
    const char *SSL_get_version(const SSL *)
    void SSL_get0_alpn_selected(const SSL *, const unsigned char **, unsigned int *)
