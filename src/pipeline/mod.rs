//! Threads, clocks and books.
