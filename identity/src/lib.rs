//! Certificates that follow rotation: TLS for servers and clients, and the client of sentry.
