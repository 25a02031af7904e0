# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: libraries = ssl crypto
"""TLS sessions over libssl: what `blockd.tls.session` says, with tickets whose keys all processes share.

OpenSSL reads and writes through a BIO of our own. It sees whole records alone, and not more of them than one call may
handle, so a session that waits holds neither its buffers nor more than what has come.

This module is longer than others may be: what OpenSSL calls back reaches into the sessions that call OpenSSL.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy

from blockd.tls._libssl cimport *
from blockd.tls._numbers cimport (
    LIFETIME,
    MAX_CIPHERTEXT,
    MAX_CLIENT_HELLO,
    MAX_EMPTY_RECORDS,
    MAX_RECORD,
    RECORDS_AT_ONCE,
    TICKETS,
)

from blockd.errors import BadCertificate, TlsFailure
from blockd.tls.pair import choose
from blockd.tls.session import CIPHERS, GROUPS, SUITES

cdef enum:
    HEADER = 5  # octets of a record before its content
    NAME = 16  # octets of a key's name, and of the vector after it in a ticket
    KEY = 32  # octets of a key for AES-256, and for HMAC-SHA-256
    MAX_KEYS = 64  # of the tickets
    FIRST_TYPE = 20  # of records, change_cipher_spec to application_data (RFC 8446 section 5.1)
    LAST_TYPE = 23

cdef char *_NO_PASSPHRASE = b""  # without one OpenSSL would ask the terminal
cdef uint8_t _plain[MAX_RECORD]  # what OpenSSL decrypts to: one record at a time


cdef struct Octets:
    const uint8_t *come  # what has come, of which OpenSSL has read up to `at`, and sees up to `seen`
    size_t at
    size_t seen
    uint8_t *out  # what is to be sent
    size_t out_size
    size_t out_room


cdef struct TicketKey:
    uint8_t name[NAME]
    uint8_t cipher[KEY]
    uint8_t mac[KEY]


cdef int _read(BIO *bio, char *into, int size) noexcept:
    cdef Octets *octets = <Octets *>BIO_get_data(bio)
    cdef size_t count = octets.seen - octets.at
    BIO_clear_retry_flags(bio)
    if size <= 0:
        return 0
    if not count:
        BIO_set_retry_read(bio)
        return -1
    count = min(count, <size_t>size)
    memcpy(into, octets.come + octets.at, count)
    octets.at += count
    return <int>count


cdef int _write(BIO *bio, const char *data, int size) noexcept:
    cdef Octets *octets = <Octets *>BIO_get_data(bio)
    cdef size_t needed = octets.out_size + <size_t>max(size, 0)
    cdef uint8_t *larger
    BIO_clear_retry_flags(bio)
    if needed > octets.out_room:
        larger = <uint8_t *>realloc(octets.out, 2 * needed)
        if larger == NULL:
            return -1
        octets.out, octets.out_room = larger, 2 * needed
    memcpy(octets.out + octets.out_size, data, <size_t>max(size, 0))
    octets.out_size = needed
    return size


cdef long _control(BIO *bio, int command, long number, void *value) noexcept:
    return 1 if command == BIO_CTRL_FLUSH else 0


cdef BIO_METHOD *_method = BIO_meth_new(BIO_get_new_index(), b"blockd")
BIO_meth_set_read(_method, _read)
BIO_meth_set_write(_method, _write)
BIO_meth_set_ctrl(_method, _control)


cdef int _choose_certificate(SSL *ssl, int *alert, void *unused) noexcept:
    """Take the certificate for the name that the client asks for."""
    cdef NativeTlsSession session = <NativeTlsSession>SSL_get_app_data(ssl)
    cdef const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
    cdef Certificates certificates = session._certificates
    cdef size_t index
    if name != NULL:
        try:
            session.server_name = name.decode("ascii").lower()
        except UnicodeDecodeError:
            return SSL_TLSEXT_ERR_ALERT_FATAL
        index = choose(certificates.pairs, session.server_name)
        if index:
            SSL_set_SSL_CTX(ssl, certificates.contexts[index])
    return SSL_TLSEXT_ERR_OK


cdef int _choose_protocol(
    SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *offered, unsigned int size,
    void *unused,
) noexcept:
    cdef bytes ours = (<NativeTlsSession>SSL_get_app_data(ssl))._server._alpn
    cdef unsigned char *chosen = NULL
    cdef const unsigned char *known = <const unsigned char *>PyBytes_AS_STRING(ours)
    cdef int found = SSL_select_next_proto(
        &chosen, out_size, known, <unsigned int>PyBytes_GET_SIZE(ours), offered, size
    )
    if found != OPENSSL_NPN_NEGOTIATED:
        return SSL_TLSEXT_ERR_ALERT_FATAL
    out[0] = chosen
    return SSL_TLSEXT_ERR_OK


cdef int _ticket_key(
    SSL *ssl, unsigned char *name, unsigned char *vector, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int makes
) noexcept:
    """Hand OpenSSL the key to make a ticket by, or the one that it names: 1 to use it, 2 to use and replace it, 0 for none."""
    cdef NativeServerTls server = (<NativeTlsSession>SSL_get_app_data(ssl))._server
    cdef TicketKey *key
    cdef int index = 0
    cdef OSSL_PARAM parameters[3]
    if makes:
        key = &server._keys[0]
        memcpy(name, key.name, NAME)
        if RAND_bytes(vector, NAME) != 1 or EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, vector) != 1:
            return -1
    else:
        while index < server._key_count and memcmp(name, server._keys[index].name, NAME):
            index += 1
        if index == server._key_count:
            return 0
        key = &server._keys[index]
        if EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, vector) != 1:
            return -1
    parameters[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac, KEY)
    parameters[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, <char *>b"sha256", 0)
    parameters[2] = OSSL_PARAM_construct_end()
    if EVP_MAC_CTX_set_params(mac, parameters) != 1:
        return -1
    # In TLS 1.3 a ticket is for one use (RFC 8446 appendix C.4).
    return 2 if not makes and (index or SSL_version(ssl) >= TLS1_3_VERSION) else 1


cdef str _reason():
    """Return what OpenSSL says of its first error, and forget all of them."""
    cdef const char *reason = ERR_reason_error_string(ERR_get_error())
    ERR_clear_error()
    return reason.decode("ascii", "replace") if reason != NULL else "no reason told"


cdef class Certificates:
    """What a listener shows to new clients: a context for each pair."""

    cdef readonly tuple pairs
    cdef SSL_CTX **contexts
    cdef int count

    def __cinit__(self, pairs not None):
        self.pairs = tuple(pairs)
        if not self.pairs:
            raise ValueError("a server shows at least one certificate")
        self.contexts = <SSL_CTX **>malloc(len(self.pairs) * sizeof(SSL_CTX *))
        if self.contexts == NULL:
            raise MemoryError
        for pair in self.pairs:
            self.contexts[self.count] = _new_context()
            self.count += 1
            if not _load(self.contexts[self.count - 1], pair.chain, pair.key):
                raise BadCertificate(pair.source, f"OpenSSL refuses {pair.source} with its key ({_reason()})")

    def __dealloc__(self):
        for index in range(self.count):
            SSL_CTX_free(self.contexts[index])
        free(self.contexts)


cdef SSL_CTX *_new_context() except NULL:
    cdef SSL_CTX *context = SSL_CTX_new(TLS_server_method())
    if context == NULL:
        raise MemoryError
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE)
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS)
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF)
    SSL_CTX_set_timeout(context, LIFETIME)
    SSL_CTX_set_num_tickets(context, TICKETS)
    SSL_CTX_set_cipher_list(context, CIPHERS.encode())
    SSL_CTX_set_ciphersuites(context, SUITES.encode())
    # The last sequence that it takes stays.
    if not any([SSL_CTX_set1_groups_list(context, groups.encode()) == 1 for groups in reversed(GROUPS)]):
        SSL_CTX_free(context)
        raise MemoryError
    ERR_clear_error()  # of those that it does not know
    SSL_CTX_set_tlsext_servername_callback(context, _choose_certificate)
    SSL_CTX_set_alpn_select_cb(context, _choose_protocol, NULL)
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, _ticket_key)
    return context


cdef bint _load(SSL_CTX *context, bytes chain, bytes key) except -1:
    """Have a context show a chain in PEM; return whether OpenSSL takes it, and its key. Others go on meanwhile."""
    cdef BIO *chains = BIO_new_mem_buf(PyBytes_AS_STRING(chain), <int>PyBytes_GET_SIZE(chain))
    cdef BIO *keys = BIO_new_mem_buf(PyBytes_AS_STRING(key), <int>PyBytes_GET_SIZE(key))
    cdef X509 *certificate
    cdef EVP_PKEY *private
    cdef bint is_taken
    with nogil:
        ERR_clear_error()
        certificate = PEM_read_bio_X509(chains, NULL, NULL, _NO_PASSPHRASE)
        private = PEM_read_bio_PrivateKey(keys, NULL, NULL, _NO_PASSPHRASE)
        is_taken = (
            certificate != NULL
            and private != NULL
            and SSL_CTX_use_certificate(context, certificate) == 1
            and SSL_CTX_use_PrivateKey(context, private) == 1
            and SSL_CTX_check_private_key(context) == 1
        )
        X509_free(certificate)
        EVP_PKEY_free(private)
        while is_taken:
            certificate = PEM_read_bio_X509(chains, NULL, NULL, _NO_PASSPHRASE)
            if certificate == NULL:
                ERR_clear_error()
                break
            if SSL_CTX_add0_chain_cert(context, certificate) != 1:
                X509_free(certificate)
                is_taken = False
        BIO_free(chains)
        BIO_free(keys)
    return is_taken


cdef class NativeServerTls:
    """`blockd.tls.session.ServerTls` over libssl; `tickets` is a `blockd.tls.tickets.TicketKeys`."""

    cdef Certificates _certificates
    cdef bytes _alpn
    cdef object _tickets
    cdef object _known
    cdef TicketKey _keys[MAX_KEYS]
    cdef int _key_count

    def __init__(self, pairs, alpn, tickets):
        self._alpn = b"".join([len(one).to_bytes(1, "big") + one.encode("ascii") for one in alpn])
        self._tickets = tickets
        self._take_keys()
        self.use(pairs)

    def use(self, pairs):
        """Use other certificates for new sessions, as `ServerTls` says."""
        self._certificates = Certificates(pairs)

    def session(self):
        """Return a session for a new connection."""
        self._take_keys()
        return NativeTlsSession(self)

    cdef _take_keys(self):
        keys = self._tickets.current()
        if keys is self._known:
            return
        if not 0 < len(keys) <= MAX_KEYS:
            raise ValueError("there are too many keys of tickets, or none")
        for index, key in enumerate(keys):
            if len(key.name) != NAME or len(key.cipher) != KEY or len(key.mac) != KEY:
                raise ValueError("a key of tickets has a wrong size")
            memcpy(self._keys[index].name, <const char *>key.name, NAME)
            memcpy(self._keys[index].cipher, <const char *>key.cipher, KEY)
            memcpy(self._keys[index].mac, <const char *>key.mac, KEY)
        self._key_count = <int>len(keys)
        self._known = keys


cdef class NativeTlsSession:
    """`blockd.tls.session.TlsSession` over libssl."""

    cdef NativeServerTls _server
    cdef Certificates _certificates
    cdef SSL *_ssl  # from the first record on: who connects and says nothing costs little
    cdef Octets _octets
    cdef bytes _come
    cdef size_t _size
    cdef size_t _of_handshake
    cdef int _empty  # records without data
    cdef str _failure
    cdef bint _closed
    cdef readonly str server_name
    cdef readonly bint is_established
    cdef readonly bint is_over
    cdef readonly bint has_more

    def __cinit__(self, NativeServerTls server not None):
        self._server = server
        self._come = b""
        self.server_name = ""

    def __dealloc__(self):
        SSL_free(self._ssl)
        free(self._octets.out)

    @property
    def alpn(self):
        """The protocol agreed on."""
        cdef const unsigned char *name = NULL
        cdef unsigned int size = 0
        if not self.is_established:
            return ""
        SSL_get0_alpn_selected(self._ssl, &name, &size)
        return name[:size].decode("ascii") if size else ""

    @property
    def is_resumed(self):
        """Whether the handshake resumed an earlier session."""
        return self.is_established and SSL_session_reused(self._ssl) == 1

    @property
    def version(self):
        """`TLSv1.2` or `TLSv1.3`."""
        return SSL_get_version(self._ssl).decode("ascii") if self.is_established else ""

    cpdef feed(self, octets):
        """Take octets of the network."""
        if self._failure is not None or self.is_over:
            return
        come = octets if type(octets) is bytes else bytes(octets)
        if self._octets.at < self._size:
            come = self._come[self._octets.at:] + come
        self._come = come
        self._size = <size_t>PyBytes_GET_SIZE(self._come)
        self._octets.come = <const uint8_t *>PyBytes_AS_STRING(self._come)
        self._octets.at = self._octets.seen = 0

    cpdef bytes read(self):
        """Advance the handshake, and return plain octets."""
        if self._failure is not None:
            raise TlsFailure(self._failure)
        cdef int records = self._show()
        if records < 0:
            raise self._failed("it does not speak TLS")
        if not records or self.is_over:
            return b""
        if self._ssl == NULL:
            self._begin()
        ERR_clear_error()
        if not self.is_established:
            if not self._shake_hands():
                return b""
            records = self._whole(self._octets.at, RECORDS_AT_ONCE, &self._octets.seen)
        return self._decrypt(records)

    cpdef write(self, octets):
        """Encrypt octets for the client."""
        cdef const uint8_t[::1] view = octets
        cdef size_t written = 0
        if self._failure is not None:
            raise TlsFailure(self._failure)
        if not self.is_established:
            raise self._failed("it was written to before its handshake was complete")
        if view.shape[0]:
            ERR_clear_error()
            if SSL_write_ex(self._ssl, &view[0], <size_t>view.shape[0], &written) != 1:
                raise self._failed(_reason())

    cpdef bytes take(self):
        """Return what is to be sent to the network, once."""
        if not self._octets.out_size:
            return b""
        taken = PyBytes_FromStringAndSize(<const char *>self._octets.out, <Py_ssize_t>self._octets.out_size)
        free(self._octets.out)
        self._octets.out = NULL
        self._octets.out_size = self._octets.out_room = 0
        return taken

    cpdef close(self):
        """Say that nothing more is written."""
        if not self._closed and self.is_established and self._failure is None:
            self._closed = True
            ERR_clear_error()
            SSL_shutdown(self._ssl)

    cdef int _whole(self, size_t at, int most, size_t *end) noexcept:
        """Return how many whole records begin at `at`, at most so many, and set their end; -1 for what is no record.

        What is longer than a record may be counts as one, of which OpenSSL tells the client.
        """
        cdef const uint8_t *octets = self._octets.come
        cdef size_t length
        cdef int count = 0
        while count < most and at < self._size:
            if not FIRST_TYPE <= octets[at] <= LAST_TYPE or (at + 1 < self._size and octets[at + 1] != 3):
                return -1
            if at + HEADER > self._size:
                break
            length = <size_t>octets[at + 3] << 8 | octets[at + 4]
            if length <= MAX_CIPHERTEXT:
                if at + HEADER + length > self._size:
                    break
                at += HEADER + length
            else:
                at = self._size
            count += 1
        end[0] = at
        return count

    cdef int _show(self) noexcept:
        """Let OpenSSL see the next records; return how many, or -1."""
        cdef int count = self._whole(self._octets.at, RECORDS_AT_ONCE, &self._octets.seen)
        self.has_more = count == RECORDS_AT_ONCE and self._octets.seen < self._size
        return count

    cdef _begin(self):
        cdef BIO *bio
        self._certificates = self._server._certificates
        self._ssl = SSL_new(self._certificates.contexts[0])
        bio = BIO_new(_method)
        if self._ssl == NULL or bio == NULL:
            raise MemoryError
        BIO_set_data(bio, &self._octets)
        BIO_set_init(bio, 1)
        SSL_set_bio(self._ssl, bio, bio)
        SSL_set_app_data(self._ssl, <void *>self)
        SSL_set_accept_state(self._ssl)

    cdef bint _shake_hands(self) except -1:
        cdef size_t at = self._octets.at
        cdef int done = SSL_do_handshake(self._ssl)
        if done == 1:
            self.is_established = True
            return True
        if SSL_get_error(self._ssl, done) != SSL_ERROR_WANT_READ:
            raise self._failed(_reason())
        self._of_handshake += self._octets.at - at
        if self._of_handshake > MAX_CLIENT_HELLO:
            raise self._failed("its handshake is too long")
        return False

    cdef bytes _decrypt(self, int records):
        """Return the data of so many records; a failure after some of it is raised at the next call."""
        cdef list parts = []
        cdef size_t size = 0
        cdef int error
        while self._octets.at < self._octets.seen and not self.is_over:
            if SSL_read_ex(self._ssl, _plain, MAX_RECORD, &size) == 1:
                parts.append(PyBytes_FromStringAndSize(<const char *>_plain, <Py_ssize_t>size))
                continue
            error = SSL_get_error(self._ssl, 0)
            if error == SSL_ERROR_ZERO_RETURN:
                self.is_over = True
            elif error != SSL_ERROR_WANT_READ:
                self._failed(_reason())
                break
        self._empty += records - <int>len(parts)
        if self._empty > MAX_EMPTY_RECORDS and self._failure is None:
            self._failed("it sent too many records without data")
        self.has_more = self.has_more and not self.is_over
        self._forget()
        if self._failure is not None and not parts:
            raise TlsFailure(self._failure)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    cdef _forget(self):
        """Drop what has come once all of it is read, so that a session that waits holds nothing."""
        if self._octets.at == self._size:
            self._come = b""
            self._size = self._octets.at = self._octets.seen = 0

    cdef _failed(self, str why):
        self._failure = f"TLS with a client has failed: {why}"
        self.has_more = False
        return TlsFailure(self._failure)
