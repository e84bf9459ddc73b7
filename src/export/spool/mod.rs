//! Records that wait on disk, encrypted, for a Collector that is away.
