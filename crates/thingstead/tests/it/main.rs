//! The program as people and other programs use it: its processes, files, lines and exit codes.

mod device;
