//! The provider for servers: aws-lc-rs, with RustCrypto where it has gaps.
