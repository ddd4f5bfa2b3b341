//! What sentry decides: from a signing request, an identity and a time to a certificate.
