//! Sockets, TLS, timers, limits and shutdown.
