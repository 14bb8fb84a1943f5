//! X.509 for the edges: requests, certificates, identities in them.
