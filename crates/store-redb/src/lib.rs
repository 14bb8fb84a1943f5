//! The embedded back end: tables and journals in one redb file.
